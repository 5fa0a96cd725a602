"""A winner's side of an exchange: data from the drone, results computed, locked and proven, keys for paywords, a claim.

Without a payword in time the encrypted result is published with its key, which is paid as well; without the data a
placeholder is proven, which keeps the deposit.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

from zoneshare.seal.drone_client import DroneClient
from zoneshare.seal.drone_messages import Receipt
from zoneshare.seal.entries import LOCKED, PAYWORD, Paid, Proven, place
from zoneshare.seal.party import AGAIN_MS, Party, Role, found
from zoneshare.seal.prover import Prover
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.moment import Clock
from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import LedgerFailed, LimitExceeded, NotFound, RuleBroken, ZoneshareError
from zoneshare_protocols.seal.bids import Notice
from zoneshare_protocols.seal.claims import ProofRecord, context_of
from zoneshare_protocols.seal.hashchain import Claim, check_payword
from zoneshare_protocols.seal.ledger import Auction, Claimed, Winner
from zoneshare_protocols.seal.recompute import Job, compute, jobs_of
from zoneshare_protocols.seal.results import Locked, check_publishable, lock
from zoneshare_protocols.seal.tasks import SoldTask, TaskState, settled

PATIENCE_MS = 3_000
DATA, PAYWORD_IN = 0.5, 0.7
"""Parts of the time from commit to due_ij after which a winner waits for data, and for a payword, no more."""


class Winning:
    """One auction's tasks that this vehicle has won."""

    def __init__(
        self,
        role: Role,
        party: Party,
        journal: Journal,
        winner: Winner,
        *,
        notice: Notice,
        prover: Prover,
        drone: DroneClient,
        clock: Clock,
        batch: int,
        told: Callable[[str], None],
    ) -> None:
        self._role, self._party, self._journal, self._clock = role, party, journal, clock
        self._prover, self._drone, self._told = prover, drone, told
        self._winner, self._notice, self.id = winner, notice, winner.auction
        count = len(winner.awards)
        self._batches = [(first, min(first + batch - 1, count)) for first in range(1, count + 1, batch)]
        self._paying = asyncio.Lock()

    async def step(self, present: Auction) -> int | None:
        """All tasks, then the claim; when to look again (ms)."""
        claims, seat = self._party.claims, self._winner.seat
        if await self._role.ask(lambda: claims.claimed(self.id, seat)) is not None:
            return await self._role.pass_timer(present, present.timers.claim, PATIENCE_MS)
        if self._clock.now_ms() > present.timers.claim:
            return await self._role.pass_timer(present, present.timers.claim)
        await asyncio.gather(*(self._batch(first, last, present) for first, last in self._batches))
        tasks = await self._tasks()
        now, grace = self._clock.now_ms(), present.timers.grace
        open = [task for task in tasks if not settled(task, now, grace).final]
        if open:
            await self._expire(tasks, now, grace)
            return min(now + AGAIN_MS, *(task.limit(grace) + 1 for task in open))
        await self._claim()
        return 0

    # One batch.

    async def _batch(self, first: int, last: int, present: Auction) -> None:
        """Compute, prove, deliver, release; what was done before is not done again."""
        tasks = await self._tasks(first, last)
        waiting = [task for task in tasks if not settled(task, self._clock.now_ms(), present.timers.grace).final]
        if not waiting:
            return
        due = min(task.due for task in waiting)
        proven = self._journal.get(LOCKED, place(self.id, first), Proven)
        if proven is None:
            # After due_ij a proof earns nothing, and still saves the deposit.
            if self._clock.now_ms() > min(task.limit(present.timers.grace) for task in waiting):
                return
            proven = await self._make(first, last, due)
        locked, record = proven.locked, self._record(first)
        if await self._role.ask(record) is None:
            key = self._prover.key_hash(locked.encrypted.circuit)
            claims = self._party.claims
            await self._role.once(record, lambda: claims.prove_batch(locked, key, proven.proof))
        if proven.whole:
            await self.release(locked, await self._paid(locked, last, due))

    async def _make(self, first: int, last: int, due: int) -> Proven:
        """The batch's results under a fresh key, with their proof, in the journal."""
        span = max(AGAIN_MS, self._until(DATA, due) - self._clock.now_ms())
        results = await self._role.within(span, self._results(first, last))
        whole = results is not None
        if not whole:
            self._told(f"the drone did not give the data of tasks {first} to {last}")
        context = context_of(self._winner, self._notice, first, last, computed=whole)
        locked = lock(context, results or [b""] * (last - first + 1), os.urandom(32))
        proof = await self._prover.prove(locked)
        proven = Proven(locked, proof, whole)
        await self._journal.commit([Entry.of(LOCKED, place(self.id, first), proven)])
        return proven

    async def _results(self, first: int, last: int) -> list[bytes]:
        return [await self._result(number) for number in range(first, last + 1)]

    async def _result(self, number: int) -> bytes:
        """One task's, once the drone gives its data; asked again until then."""
        jobs = jobs_of(self._notice, [self._winner.awards[number - 1].task])
        while True:
            try:
                given = await self._drone.fetch(self.id, number)
                if jobs and digest(given.job) != jobs[0]:
                    raise RuleBroken("the drone gave another job than the notice's", number=number)
                return await asyncio.to_thread(self.compute, given.job, given.data)
            except ZoneshareError as failed:
                self._role.say_once(f"{self.id.hex()}/{failed.message}", f"task {number}: {failed}")
                await self._clock.wait(AGAIN_MS)

    def compute(self, job: Job, data: bytes) -> bytes:
        """A task's result. Raises what :func:`.recompute.compute` does."""
        return compute(job, data)

    async def _paid(self, locked: Locked, last: int, due: int) -> bool:
        """Whether there is a payword that covers the batch, before it has to be published."""
        if self._best().index >= last:
            return True
        span = self._until(PAYWORD_IN, due) - self._clock.now_ms()
        receipt = await self._role.within(span, self._deliver(locked)) if span > 0 else None
        if receipt is not None:
            await self._keep(receipt.index, receipt.payword)
        if self._best().index < last:
            claims, seat = self._party.claims, self._winner.seat
            shown = await self._role.ask(lambda: claims.shown(self.id, seat))
            if shown is not None:
                await self._keep(shown.index, shown.payword)
        return self._best().index >= last

    async def _deliver(self, locked: Locked) -> Receipt | None:
        """The drone's payword, checked; None where it refuses."""
        prices = self._winner.prices
        while True:
            try:
                receipt = await self._drone.deliver(locked.encrypted)
                check_payword(self._winner.chain, self.id, prices, receipt.index, receipt.payword)
                return receipt
            except (LedgerFailed, NotFound):
                await self._clock.wait(AGAIN_MS)
            except RuleBroken as refused:
                self._told(f"the drone gives no payword: {refused}")
                return None

    async def _keep(self, index: int, payword: bytes) -> None:
        async with self._paying:
            if index > self._best().index:
                await self._journal.commit([Entry.of(PAYWORD, self.id.hex(), Paid(index, payword))])

    def _best(self) -> Paid:
        """The highest payword; the root, which stands for nothing, where there is none."""
        return self._journal.get(PAYWORD, self.id.hex(), Paid) or Paid(0, self._winner.chain.root)

    async def release(self, locked: Locked, paid: bool) -> None:
        """The key: with the encrypted result where no payword pays for it."""
        if not paid:
            try:
                check_publishable(locked.encrypted)
            except LimitExceeded as large:
                self._told(f"no payword, and {large}: the key is kept")
                return
        claims, record = self._party.claims, self._record(locked.encrypted.context.first)

        def released() -> ProofRecord | None:
            now = record()
            return now if now is not None and now.key is not None else None

        await self._role.once(released, lambda: claims.release(locked, publish=not paid))

    def _until(self, part: float, due: int) -> int:
        return int(self._winner.committed + part * (due - self._winner.committed))

    # The end.

    async def _expire(self, tasks: tuple[SoldTask, ...], now: int, grace: int) -> None:
        """What was proven, not released, and is over: at once, so that a call for its key that was endorsed in time and
        held back comes too late."""
        claims, seat = self._party.claims, self._winner.seat
        for first, last in self._batches:
            batch = tasks[first - 1 : last]
            if any(task.state is TaskState.PROVED and settled(task, now, grace).final for task in batch):
                with suppress(RuleBroken):  # it has moved meanwhile
                    await asyncio.to_thread(claims.expire, self.id, seat, first, last)

    async def _claim(self) -> None:
        claims, best = self._party.claims, self._best()
        claim = Claim(self.id, self._winner.seat, best.index, best.payword)

        def claimed() -> Claimed | None:
            return claims.claimed(self.id, self._winner.seat)

        done = await self._role.once(claimed, lambda: claims.claim(claim))
        self._told(f"auction {self.id.hex()[:12]}: claimed with payword {done.index}, paid {done.paid}")

    async def _tasks(self, first: int = 1, last: int = 0) -> tuple[SoldTask, ...]:
        claims, seat = self._party.claims, self._winner.seat
        return await self._role.ask(lambda: claims.tasks(self.id, seat, first, last))

    def _record(self, first: int) -> Callable[[], ProofRecord | None]:
        claims, seat = self._party.claims, self._winner.seat
        return lambda: found(lambda: claims.proof(self.id, seat, first))
