"""mining: the zone's proof of useful work (docs/epow.md): tasks with escrowed fees, batches of the coordinator, blocks.

A block is validated from the ledger and what its miner shows: nobody asks the coordinator.
"""

from typing import Annotated

import msgspec

from zoneshare_chaincode import mining_block, mining_state, mining_steps, vault
from zoneshare_chaincode.base import Context, Contract, query, transaction
from zoneshare_chaincode.mining_dispute import result_is_wrong
from zoneshare_protocols.codec import Count, Digest, Millis, Name
from zoneshare_protocols.epow import zone as rules
from zoneshare_protocols.epow.ledger import (
    Batch,
    BatchRecord,
    Mined,
    MinerRecord,
    MiningZone,
    Pool,
    RunDone,
    Shown,
    TaskRecord,
    TaskStatus,
)
from zoneshare_protocols.epow.records import BlockHeader, Task, Tip
from zoneshare_protocols.errors import AlreadyExists, Misuse, NotAllowed, TooEarly
from zoneshare_protocols.sharing.governance import check_admin
from zoneshare_protocols.sharing.money import check_amount

Ids = Annotated[tuple[Digest, ...], msgspec.Meta(min_length=1, max_length=1000)]


class Mining(Contract):
    name = "mining"

    def __init__(self, organisations: tuple[str, ...]) -> None:
        """``organisations``: the MSP ids that approve the mining rules together."""
        if not organisations:
            raise Misuse("a chaincode is deployed with the MSP ids of its organisations")
        self._organisations = organisations

    @transaction
    def approve(self, context: Context, new: MiningZone) -> bool:
        """One organisation's approval; True when all have approved the same and it took effect (event ``mining``)."""
        creator = context.stub.creator
        check_admin(self._organisations, creator.mspid, creator.certificate)
        present = mining_state.find_zone(context)
        rules.check_zone(new, present, context.zone)
        vault.account(context, new.coordinator)
        keys = {mspid: mining_state.approval_key(mspid) for mspid in self._organisations}
        context.put(keys[creator.mspid], new)
        if any(context.get(MiningZone, key) != new for key in keys.values()):
            return False
        for key in keys.values():
            context.delete(key)
        mining_state.put_zone(context, new, first=present is None)
        context.event("mining", new)
        return True

    @transaction
    def register(self, context: Context, deposit: int) -> MinerRecord:
        """The caller mines here, or adds to its deposit, from which penalties are taken; at least one penalty."""
        zone = mining_state.zone(context)
        found = context.get(MinerRecord, mining_state.miner_key(context.account))
        present = found or MinerRecord(context.account, 0)
        if deposit:
            check_amount(deposit)
            vault.debit(context, context.account, deposit)
        miner = msgspec.structs.replace(present, deposit=rules.add(present.deposit, deposit))
        if miner.deposit < zone.rules.penalty:
            raise NotAllowed("a deposit holds at least one penalty", deposit=miner.deposit, penalty=zone.rules.penalty)
        vault.account(context, context.account)
        return mining_state.put_miner(context, miner)

    @transaction
    def leave(self, context: Context) -> MinerRecord:
        """Take the deposit back, two block times after the last claim; the coordinator's stays."""
        miner, tip = mining_state.miner(context, context.account), mining_state.tip(context)
        if context.account == mining_state.zone(context).coordinator:
            raise NotAllowed("the coordinator's deposit stays", account=context.account)
        if miner.claim is not None and tip.height < miner.claim.height + 2:
            raise TooEarly("a claim is still open", now=tip.height, from_=miner.claim.height + 2)
        if miner.deposit:
            vault.credit(context, miner.account, miner.deposit)
        return mining_state.put_miner(context, msgspec.structs.replace(miner, deposit=0, claim=None))

    @transaction
    def offer(self, context: Context, task: Task, until: Millis) -> TaskRecord:
        """By its source: lock the fees of the worst case; from ``until`` on it may be withdrawn; event ``task``."""
        if task.source != context.account:
            raise NotAllowed("a task is offered by its source", source=task.source, caller=context.account)
        if context.get(TaskRecord, mining_state.task_key(task.id)) is not None:
            raise AlreadyExists("offered already", task=task.id.hex())
        tip = mining_state.tip(context)
        record = rules.offer(task, until, mining_state.zone(context).rules, tip, context.now)
        vault.debit(context, context.account, record.escrow)
        mining_state.change_pool(context, offered=record.nsubs)
        context.event("task", record)
        return mining_state.put_task(context, record)

    @transaction
    def record(self, context: Context, batch: Batch) -> BatchRecord:
        """By the coordinator. The same batch again changes nothing; a step that a rule refuses is skipped."""
        return mining_steps.record(context, batch)

    @transaction
    def accept(self, context: Context, tasks: Ids) -> None:
        """By the source of results it has checked, or by the coordinator when the time for disputes is over."""
        for id in tasks:
            mining_steps.end_task(context, id, TaskStatus.ACCEPTED)

    @transaction
    def withdraw(self, context: Context, task: Digest) -> None:
        """By the source, of a task not done in time: the rest goes back; what was done stays paid."""
        mining_steps.end_task(context, task, TaskStatus.WITHDRAWN)

    @transaction
    def dispute(self, context: Context, task: Digest) -> None:
        """By the source: the recorded result is not the product (the paper's surveillance of the coordinator).

        The matrices and the result come as transient data (``matrix0``, ``matrix1``, ..., ``result``; .npy files), and
        must be those the ledger has the hashes of. Upheld: margin, rest and a penalty go to the source.
        """
        record = mining_state.task(context, task)
        if not result_is_wrong(record, context.stub.transient, context.tx_id):
            raise NotAllowed("the result is the product", task=task.hex())
        mining_steps.end_task(context, task, TaskStatus.DISPUTED)

    @transaction
    def submit_block(self, context: Context, header: BlockHeader, shown: Shown | None = None) -> Mined:
        """A mined block, by anyone; ``shown`` and the transient ``left`` and ``right`` for a task-involved loop.

        Raises StaleTip with both heights when another came first; NotWon, FakeResult, NotAllowed. Event ``block``.
        """
        return mining_block.take(context, header, shown)

    @query
    def zone(self, context: Context) -> MiningZone:
        return mining_state.zone(context)

    @query
    def tip(self, context: Context) -> Tip:
        return mining_state.tip(context)

    @query
    def pool(self, context: Context) -> Pool:
        return mining_state.pool(context)

    @query
    def floor(self, context: Context) -> int:
        """The least fee of an nsub-task now."""
        return max(1, rules.floor(mining_state.zone(context).rules, mining_state.tip(context)))

    @query
    def time(self, context: Context, height: Count) -> int:
        """When a block came, ms; of height 0: when mining began."""
        return mining_state.time(context, height)

    @query
    def block(self, context: Context, height: Count) -> Mined:
        return context.need(Mined, mining_state.block_key(height), f"block {height}")

    @query
    def task(self, context: Context, id: Digest) -> TaskRecord:
        return mining_state.task(context, id)

    @query
    def miner(self, context: Context, account: Name) -> MinerRecord:
        return mining_state.miner(context, account)

    @query
    def result(self, context: Context, task: Digest, sub_task: Count, run: Count) -> RunDone:
        """A verified run: who did it, and the digest of what it committed to."""
        return context.need(RunDone, mining_state.run_key(task, sub_task, run), "such result")

    @query
    def batch(self, context: Context, number: Count) -> BatchRecord:
        return context.need(BatchRecord, mining_state.batch_key(number), f"batch {number}")

    @query
    def blocks(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Mined, ...], str]:
        """A page of blocks in order, and the next page's bookmark."""
        rows, following = context.page(Mined, mining_state.BLOCK, size, bookmark)
        return tuple(block for _, block in rows), following

    @query
    def tasks(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[TaskRecord, ...], str]:
        """A page of tasks, and the next page's bookmark."""
        rows, following = context.page(TaskRecord, mining_state.TASK, size, bookmark)
        return tuple(task for _, task in rows), following

    @query
    def miners(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[MinerRecord, ...], str]:
        """A page of miners, and the next page's bookmark."""
        rows, following = context.page(MinerRecord, mining_state.MINER, size, bookmark)
        return tuple(miner for _, miner in rows), following
