"""A zone that mines, on the in-memory ledger: tasks, batches and loops as honest parties make them."""

import io
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from tests.contracts.ledger.test_conservation import books
from tests.support.memory_identity import Identity, identity
from tests.support.memory_stub import VALID, Argument
from tests.support.memory_world import CLIENT, HOUR, ORGS, World, balance, pages
from zoneshare_protocols.codec import decode, digest, encode
from zoneshare_protocols.epow.blocks import assign
from zoneshare_protocols.epow.draw import involved_header, lsp_field
from zoneshare_protocols.epow.exact import multiply, product
from zoneshare_protocols.epow.hashing import matrix_bytes, matrix_hash, nsub_hash
from zoneshare_protocols.epow.ledger import (
    Assigned,
    Batch,
    BatchRecord,
    Finished,
    MinerRecord,
    MiningZone,
    Pool,
    RunDone,
    Shown,
    Step,
    TaskRecord,
    Wanted,
)
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.plan import describe, sub_task
from zoneshare_protocols.epow.records import BlockHeader, LspField, MiningRules, Task, Tip
from zoneshare_protocols.sharing.merkle import MerkleTree

EASY = MiningRules(
    1, basic=8, initial=1 << 16, max_claim=100, block_reward=50, levy=100_000, margin=50_000, penalty=30, window=10**4
)
"""Every draw wins; fees as the floor has them (500)."""
FEE = 500
RNG = np.random.default_rng(5)


def matrices(rows: int = 20, inner: int = 12, columns: int = 9) -> list[NDArray[np.int8]]:
    return [RNG.integers(-128, 128, shape, dtype=np.int8) for shape in ((rows, inner), (inner, columns))]


def npy(matrix: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, matrix)
    return file.getvalue()


class MiningWorld:
    """zone-a: cora coordinates, ann and bob mine, sue has tasks."""

    def __init__(self, rules: MiningRules = EASY) -> None:
        self.world = World()
        self.zone = self.world.a
        self.cora, self.ann, self.bob, self.sue = (
            self.world.person(name, self.zone, 1_000_000) for name in ("cora", "ann", "bob", "sue")
        )
        self.rules = MiningZone("zone-a", self.cora.account, HOUR, rules)
        for mspid in ORGS:
            self.zone.submit(identity(mspid, "admin", "admin"), "mining:approve", self.rules)
        for who, deposit in ((self.cora, 100), (self.ann, 100), (self.bob, 100)):
            self.submit(who, "register", deposit)
        self.batches = 0

    def submit(self, who: Identity, function: str, *args: Argument, transient: dict[str, bytes] | None = None) -> bytes:
        simulation = self.zone.endorse(who, f"mining:{function}", *args, transient=transient)
        payload = simulation.result()
        assert self.zone.commit(simulation) == VALID
        return payload

    def ask(self, kind: Any, function: str, *args: Argument) -> Any:
        return decode(kind, self.zone.evaluate(CLIENT, f"mining:{function}", *args))

    @property
    def tip(self) -> Tip:
        found: Tip = self.ask(Tip, "tip")
        return found

    @property
    def pool(self) -> Pool:
        found: Pool = self.ask(Pool, "pool")
        return found

    def miner(self, who: Identity) -> MinerRecord:
        found: MinerRecord = self.ask(MinerRecord, "miner", who.account)
        return found

    def task(self, task: Task) -> TaskRecord:
        found: TaskRecord = self.ask(TaskRecord, "task", task.id)
        return found

    def money(self, who: Identity) -> int:
        return balance(self.zone, who)

    def new_task(self, factors: list[NDArray[np.int8]], fee: int = FEE) -> Task:
        return Task(self.sue.account, tuple(map(describe, factors)), 8, fee, b"n" * 16)

    def offer(self, factors: list[NDArray[np.int8]], fee: int = FEE) -> Task:
        task = self.new_task(factors, fee)
        self.submit(self.sue, "offer", task, self.world.net.now + HOUR)
        return task

    def record(self, *steps: Step, leaves: tuple[Assigned, ...] = ()) -> BatchRecord:
        self.batches += 1
        root = MerkleTree(map(encode, leaves)).root if leaves else None
        batch = Batch(self.batches, self.tip.height, root, len(leaves), steps)
        return decode(BatchRecord, self.submit(self.cora, "record", batch))

    def claim(self, who: Identity, wanted: int = 50) -> BatchRecord:
        return self.record(Wanted(who.account, self.tip.height, wanted))

    def done(self, task: Task, who: Identity, run: int = 0, count: int = 2) -> RunDone:
        return RunDone(task.id, 0, run, count, who.account, b"r" * 32)

    def finish(self, task: Task, factors: list[NDArray[np.int8]], wrong_by: int = 0) -> NDArray[np.int64]:
        """Record a result; a wrong one if told so."""
        result = product(*factors)
        result[0, 0] += wrong_by
        self.record(Finished(task.id, matrix_hash(result)))
        return result

    def books_balance(self) -> None:
        found = books(self.zone)
        tasks = sum(t.escrow + t.margin for t in pages(self.zone, "mining:tasks", TaskRecord))
        deposits = sum(m.deposit for m in pages(self.zone, "mining:miners", MinerRecord))
        assert found.balances + found.escrows + tasks + deposits + self.pool.treasury == found.issued


class Loop:
    """A done task-involved loop of ``who``, its assignment recorded."""

    def __init__(self, world: MiningWorld, who: Identity, *, nsub: int = 1) -> None:
        factors = matrices()
        self.world = world
        self.task = world.offer(factors)
        world.claim(who)
        made: SubTask = sub_task(self.task, 0, factors[0], factors[1], bytes(32))
        run = made.layout.run(made.layout.run_of(nsub))
        tip = world.tip
        assignment = assign(self.task.id, 0, run, who.account, tip)
        pairs = made.run_blocks(run)
        nsubs = tuple(nsub_hash(matrix_hash(a), matrix_hash(b)) for a, b in pairs)
        leaf = Assigned(assignment, nsubs)
        other = Assigned(replace(assignment, run=1, first=run.first + run.count), nsubs)
        world.record(leaves=(other, leaf))
        tree = MerkleTree(map(encode, (other, leaf)))
        self.shown = Shown(leaf, world.batches, 1, tree.path(1))
        self.left, self.right = made.blocks(nsub)
        lsp = lsp_field(
            self.task.id, 0, nsub,
            left=matrix_hash(self.left), right=matrix_hash(self.right), result=multiply(self.left, self.right),
        )  # fmt: skip
        self.lsp: LspField = lsp
        self.header = involved_header(tip.height + 1, tip.hash, who.account, lsp)

    @property
    def transient(self) -> dict[str, bytes]:
        return {"left": bytes(matrix_bytes(self.left)), "right": bytes(matrix_bytes(self.right))}

    def submit(self, header: BlockHeader | None = None, shown: Shown | None = None) -> bytes:
        return self.world.submit(
            self.world.sue, "submit_block", header or self.header, shown or self.shown, transient=self.transient
        )


__all__ = ["CLIENT", "EASY", "FEE", "Loop", "MiningWorld", "digest", "matrices", "npy"]
