"""Brings steps and assignments to the ledger in batches, each once, and keeps what a winner has to show."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from zoneshare.epow.book import Book
from zoneshare.epow.ledger import Mining
from zoneshare.ledger import CommitUnknown
from zoneshare.trade.moment import Clock, answered
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.epow.ledger import Assigned, Batch, BatchRecord, Shown
from zoneshare_protocols.errors import LedgerFailed
from zoneshare_protocols.sharing.merkle import MerkleTree

log = logging.getLogger(__name__)

STEPS = 400
"""In one batch, so that a transaction stays small."""
PAUSE_S = 0.25
"""Between batches: what comes meanwhile shares a transaction."""


@dataclass
class _Leaves:
    """Assignments of one tip that are in no batch yet."""

    height: int = -1
    waiting: list[Assigned] = field(default_factory=list)


class Recorder:
    """One task of the event loop; all others only add."""

    def __init__(self, mining: Mining, book: Book, skipped: Callable[[Batch, BatchRecord], None], clock: Clock) -> None:
        self._mining, self._book, self._skipped, self._clock = mining, book, skipped, clock
        self._leaves = _Leaves()
        self._shown: dict[bytes, tuple[Assigned, int, int, MerkleTree]] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Condition()
        self._number = 0

    async def recover(self) -> None:
        """Finish the batch of before, if there was one, and record all steps that wait."""
        self._number = (await answered(self._clock, self._mining.pool)).batches
        pending = await asyncio.to_thread(self._book.pending)
        if pending is not None:
            await self._submit(pending)
            self._number = max(self._number, pending.number)
        while await self._once():
            pass

    def wake(self) -> None:
        """There is something to record."""
        self._wake.set()

    def assigned(self, leaf: Assigned) -> None:
        """An assignment was given; what is of an older tip can win no more, and is dropped."""
        height = leaf.assignment.height
        if height != self._leaves.height:
            self._leaves = _Leaves(height)
            self._shown.clear()
        self._leaves.waiting.append(leaf)
        self._wake.set()

    async def shown(self, assignment: bytes, timeout: float = 30.0) -> Shown | None:
        """Where an assignment stands, once its batch is on the ledger; None when it is not of this tip."""
        async with self._idle:
            try:
                async with asyncio.timeout(timeout):
                    await self._idle.wait_for(lambda: assignment in self._shown or not self._waits(assignment))
            except TimeoutError:
                return None
        found = self._shown.get(assignment)
        if found is None:
            return None
        leaf, number, index, tree = found
        return Shown(leaf, number, index, tree.path(index))

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while await self._once():
                pass
            await asyncio.sleep(PAUSE_S)

    def _waits(self, assignment: bytes) -> bool:
        return any(digest(leaf.assignment) == assignment for leaf in self._leaves.waiting)

    async def _once(self) -> bool:
        steps = (await asyncio.to_thread(self._book.steps))[:STEPS]
        leaves = list(self._leaves.waiting)
        if not steps and not leaves:
            return False
        height = leaves[0].assignment.height if leaves else 0
        tree = MerkleTree(map(encode, leaves)) if leaves else None
        root = None if tree is None else tree.root
        batch = Batch(self._number + 1, height, root, len(leaves), tuple(step for _, step in steps))
        await asyncio.to_thread(self._book.begin, batch, [key for key, _ in steps])
        await self._submit(batch)
        self._number = batch.number
        if height == self._leaves.height and tree is not None:
            del self._leaves.waiting[: len(leaves)]
            for index, leaf in enumerate(leaves):
                self._shown[digest(leaf.assignment)] = (leaf, batch.number, index, tree)
        async with self._idle:
            self._idle.notify_all()
        return len(steps) == STEPS

    async def _submit(self, batch: Batch) -> None:
        done = await self._recorded(batch)
        if done.skipped:
            self._skipped(batch, done)
        await asyncio.to_thread(self._book.recorded)

    async def _recorded(self, batch: Batch) -> BatchRecord:
        """Waits for the ledger as long as it takes: nothing is lost meanwhile, and work goes on."""
        while True:
            try:
                return await answered(self._clock, lambda: self._mining.record(batch))
            except LedgerFailed as away:
                if not (away.retryable or isinstance(away, CommitUnknown)):
                    raise
                log.warning("what was verified waits to be recorded, for the ledger does not answer: %s", away)
