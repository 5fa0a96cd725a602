"""The coordinator's batches, step by step, and the end of tasks."""

from msgspec.structs import replace

from zoneshare_chaincode import mining_state as state
from zoneshare_chaincode import vault
from zoneshare_chaincode.base import Context
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow import zone as rules
from zoneshare_protocols.epow.ledger import (
    Batch,
    BatchRecord,
    Faked,
    Finished,
    MinerRecord,
    RunDone,
    Step,
    TaskStatus,
    Wanted,
)
from zoneshare_protocols.epow.records import MiningRules
from zoneshare_protocols.errors import AlreadyExists, Malformed, NotAllowed, NotNewer, RuleBroken, StaleTip


def record(context: Context, batch: Batch) -> BatchRecord:
    """Raises NotAllowed, Malformed, StaleTip (a tip nobody knows), NotNewer (a gap), AlreadyExists (another batch)."""
    zone, pool, tip = state.zone(context), state.pool(context), state.tip(context)
    if context.account != zone.coordinator:
        raise NotAllowed("only the zone's coordinator records", caller=context.account, coordinator=zone.coordinator)
    before = context.get(BatchRecord, state.batch_key(batch.number))
    if before is not None:
        if before.digest != digest(batch):
            raise AlreadyExists("another batch has that number", number=batch.number)
        return before
    if batch.number != pool.batches + 1:
        raise NotNewer("batches are recorded in order", version=batch.number, present=pool.batches)
    if (batch.root is None) != (batch.size == 0):
        raise Malformed("a root is over at least one leaf", size=batch.size)
    if batch.height > tip.height:
        raise StaleTip("no such tip yet", height=batch.height, tip_height=tip.height)
    skipped = []
    for place, step in enumerate(batch.steps):
        try:
            with context.whole():
                _apply(context, step, zone.rules)
        except RuleBroken as refused:
            skipped.append((place, str(refused)))
    done = BatchRecord(digest(batch), batch.height, batch.root, batch.size, tuple(skipped))
    context.put(state.batch_key(batch.number), done)
    context.put(state.POOL, replace(state.pool(context), batches=batch.number))
    context.event("batch", done)
    return done


def end_task(context: Context, id: bytes, status: TaskStatus) -> None:
    """Pay out what is held of a task. Raises WrongPhase, NotAllowed, TooEarly, NotFound."""
    zone, task = state.zone(context), state.task(context, id)
    rules.check_end(task, status, context.account, zone, now=context.now, margin=context.margin)
    _pay_out(context, id, status, zone.coordinator)
    if status is TaskStatus.DISPUTED:
        _fine_coordinator(context, zone.coordinator, zone.rules, task.task.source)


def _apply(context: Context, step: Step, mining: MiningRules) -> None:
    match step:
        case Wanted():
            _want(context, step, mining)
        case RunDone():
            _pay(context, step, mining)
        case Faked():
            miner, penalty = rules.punish(state.miner(context, step.miner), step, mining)
            state.change_pool(context, treasury=penalty)
            state.put_miner(context, miner)
        case Finished():
            task = rules.finish(state.task(context, step.task), step, context.now)
            state.change_pool(context, offered=task.verified - task.nsubs)
            state.put_task(context, task)
            if task.status is TaskStatus.FAILED:
                _pay_out(context, step.task, TaskStatus.FAILED, state.zone(context).coordinator)


def _want(context: Context, step: Wanted, mining: MiningRules) -> None:
    miner, tip = state.miner(context, step.miner), state.tip(context)
    if step.height > tip.height:
        raise StaleTip("no such tip yet", height=step.height, tip_height=tip.height)
    if miner.deposit < mining.penalty:
        raise NotAllowed("the deposit no longer holds a penalty", deposit=miner.deposit, penalty=mining.penalty)
    elapsed = None
    if miner.claim is not None and miner.claim.height < step.height:
        began = miner.claim.height
        elapsed = state.time(context, began + 1) - state.time(context, began)
    claim = rules.claim_at(miner.claim, step, mining, elapsed)
    state.change_pool(context, claimed=claim.claimed)
    state.put_miner(context, replace(miner, claim=claim))


def _pay(context: Context, step: RunDone, mining: MiningRules) -> None:
    key = state.run_key(step.task, step.sub_task, step.run)
    if context.get(RunDone, key) is not None:
        raise AlreadyExists("the run is paid already", run=step.run)
    paid = rules.pay(state.task(context, step.task), state.miner(context, step.miner), step, mining)
    if paid.shares.miner:
        vault.credit(context, step.miner, paid.shares.miner)
    state.change_pool(context, treasury=paid.shares.treasury, offered=-step.count)
    state.put_task(context, paid.task)
    state.put_miner(context, paid.miner)
    context.put(key, step)


def _pay_out(context: Context, id: bytes, status: TaskStatus, coordinator: str) -> None:
    before = state.task(context, id)
    payout = rules.end(before, status)
    if payout.source:
        vault.credit(context, before.task.source, payout.source)
    if payout.coordinator:
        vault.credit(context, coordinator, payout.coordinator)
    if status is TaskStatus.WITHDRAWN:
        state.change_pool(context, offered=before.verified - before.nsubs)
    state.put_task(context, payout.task)


def _fine_coordinator(context: Context, coordinator: str, mining: MiningRules, source: str) -> None:
    bond = context.get(MinerRecord, state.miner_key(coordinator))
    fine = min(mining.penalty, 0 if bond is None else bond.deposit)
    if bond is not None and fine:
        vault.credit(context, source, fine)
        state.put_miner(context, replace(bond, deposit=bond.deposit - fine, fakes=bond.fakes + 1))
