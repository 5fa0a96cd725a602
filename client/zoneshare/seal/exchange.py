"""A drone's side of an exchange: data to the winners, paywords for their encrypted results, keys called for, results
opened and checked. All that it acts on is in its journal or on the ledger before it acts."""

import asyncio
import hashlib
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from zoneshare.seal.drone_messages import Input, Receipt
from zoneshare.seal.entries import MILLION, RECEIVED, RESULT, Done, Held, place
from zoneshare.seal.party import Party, Role, found
from zoneshare.seal.work import Work
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.moment import Clock, persist
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    DataCorrupt,
    LedgerFailed,
    NotAllowed,
    NotFound,
    RuleBroken,
    WrongPhase,
)
from zoneshare_protocols.seal.claims import ProofRecord, check_context, check_same
from zoneshare_protocols.seal.hashchain import make_chain, may_give
from zoneshare_protocols.seal.ledger import Auction, Winner
from zoneshare_protocols.seal.recompute import Evidence
from zoneshare_protocols.seal.results import EncryptedResult, check_whole, unlock
from zoneshare_protocols.seal.tasks import SoldTask, TaskState, settled

CALL = 0.8
"""Part of the time from commit to due_ij after which a drone that gave a payword calls for the key."""
WAIT_MS = 1_000
"""A delivery that has to wait for others looks so often."""


def chain_of(held: Held, seat: int, prices: tuple[int, ...]) -> list[bytes]:
    """A winner's chain, the same whenever it is made."""
    seed = hashlib.sha256(b"zoneshare/seal-chain-seed/1" + held.seed + seat.to_bytes(8, "big")).digest()
    return make_chain(held.notice.id, seat, seed, prices)


class Batch(NamedTuple):
    """A winner's tasks ``first`` to ``last`` as the ledger has them, under one proof or none."""

    winner: Winner
    first: int
    tasks: tuple[SoldTask, ...]
    record: ProofRecord | None

    @property
    def last(self) -> int:
        return self.first + len(self.tasks) - 1


class Exchange:
    """One auction's winners."""

    def __init__(
        self,
        role: Role,
        party: Party,
        journal: Journal,
        held: Held,
        *,
        winners: list[Winner],
        clock: Clock,
        told: Callable[[str], None],
    ) -> None:
        self._role, self._party, self._journal, self._clock = role, party, journal, clock
        self.held, self.id = held, held.notice.id
        self.winners = {winner.bidder: winner for winner in winners}
        self._told = told
        self._chains = {winner.seat: chain_of(held, winner.seat, winner.prices) for winner in winners}
        self._work = {work.task.id: work for work in held.work}
        self._over: set[tuple[int, int]] = set()
        """(seat, number) of tasks that nothing can happen to any more."""
        self._receiving = asyncio.Lock()

    # What winners ask.

    def input(self, account: str, number: int) -> Input:
        """A task's data, to its winner. Raises NotAllowed, NotFound."""
        winner = self._winner(account)
        if number > len(winner.awards):
            raise NotFound("the winner has no such task", number=number, tasks=len(winner.awards))
        work = self._work[winner.awards[number - 1].task]
        return Input(work.job, work.data)

    async def take(self, account: str, encrypted: EncryptedResult) -> Receipt:
        """A winner's encrypted result, kept before its payword is given (H12); waits for the tasks before it.

        Raises BadProof for another than the proven one, NotAllowed for a placeholder, WrongPhase where it is too late.
        """
        winner, context = self._winner(account), encrypted.context
        check_context(encrypted, winner, self.held.notice)
        check_whole(encrypted)
        if self.held.notice.jobs and not context.jobs:
            raise NotAllowed("no payword for a result that nobody says to have computed", first=context.first)
        claims = self._party.claims
        check_same(await self._role.ask(lambda: claims.proof(self.id, winner.seat, context.first)), encrypted)
        receipt = Receipt(context.last, self._chains[winner.seat][context.last])
        while not await self._may_give(winner, encrypted):
            await self._clock.wait(WAIT_MS)
        return receipt

    async def _may_give(self, winner: Winner, encrypted: EncryptedResult) -> bool:
        """Whether the payword may go out now; then the result is in the journal."""
        first, last = encrypted.context.first, encrypted.context.last
        async with self._receiving:
            if self._received(winner.seat, first) is not None:
                return True
            tasks = await self._tasks(winner)
            if any(task.state is not TaskState.PROVED for task in tasks[first - 1 : last]):
                raise WrongPhase("it is too late for a payword", phase=tasks[first - 1].state.value, event="deliver",
                                 allowed="claim")  # fmt: skip
            if not may_give(tasks, last, {*self._held_numbers(winner), *range(first, last + 1)}, first):
                return False
            await self._journal.commit([Entry.of(RECEIVED, place(self.id, winner.seat, first), encrypted)])
            self._role.wake(self.id)
            return True

    # What the ledger shows.

    async def look(self, present: Auction) -> int | None:
        """Act on what has happened; when to look again (ms), or None when every task is decided."""
        moments: list[int] = []
        for winner in self.winners.values():
            if all((winner.seat, number) in self._over for number in range(1, len(winner.awards) + 1)):
                continue
            for batch in await self._batches(winner):
                until = await self._act(batch, present)
                if until is not None:
                    moments.append(until)
        return min(moments, default=None)

    async def all_claimed(self) -> bool:
        """Every winner has, so the auction can be closed."""
        claims = self._party.claims
        for winner in self.winners.values():
            if await self._role.ask(partial(claims.claimed, self.id, winner.seat)) is None:
                return False
        return True

    async def _batches(self, winner: Winner) -> list[Batch]:
        tasks = await self._tasks(winner, settle=False)
        claims, batches, number = self._party.claims, [], 1
        while number <= len(tasks):
            record: ProofRecord | None = None
            if tasks[number - 1].proved:
                first = number
                record = await self._role.ask(lambda: found(lambda: claims.proof(self.id, winner.seat, first)))  # noqa: B023 - called at once
            last = record.last if record is not None else number
            batches.append(Batch(winner, number, tasks[number - 1 : last], record))
            number = last + 1
        return [batch for batch in batches if (winner.seat, batch.first) not in self._over]

    async def _act(self, batch: Batch, present: Auction) -> int | None:
        now, grace, margin = self._clock.now_ms(), present.timers.grace, self._party.margin
        if batch.record is not None and batch.record.key is not None:
            await self._open(batch, batch.record, batch.record.key)
        if all(task.final for task in batch.tasks):
            self._over |= {(batch.winner.seat, number) for number in range(batch.first, batch.last + 1)}
            return None
        waiting = [task for task in batch.tasks if not task.final]
        limit = max(task.limit(grace) for task in waiting)
        if now > limit + margin:
            await self._expire(batch)
            return now + WAIT_MS
        due = min(task.due for task in waiting)
        given = self._received(batch.winner.seat, batch.first) is not None
        if given and all(task.shown_at is None for task in waiting) and now <= due:
            committed = batch.winner.committed
            calling = int(committed + CALL * (due - committed))
            if now < calling:
                return calling
            await self._call(batch)
        return limit + margin + 1

    async def _expire(self, batch: Batch) -> None:
        """So that a key that was endorsed in time and held back cannot be paid later."""
        claims, seat = self._party.claims, batch.winner.seat
        with suppress(RuleBroken):  # it has moved meanwhile
            await asyncio.to_thread(claims.expire, self.id, seat, batch.first, batch.last)

    async def _call(self, batch: Batch) -> None:
        """Put the payword on the ledger, and call for the keys (H11)."""
        claims, seat, last = self._party.claims, batch.winner.seat, batch.last
        payword = self._chains[seat][last]

        def shown() -> bool | None:
            present = claims.shown(self.id, seat)
            return True if present is not None and present.index >= last else None

        await self._role.once(shown, lambda: claims.show_payword(self.id, seat, last, payword))
        with suppress(RuleBroken):  # it has moved meanwhile
            await asyncio.to_thread(claims.call_key, self.id, seat, batch.first, last)
            names = ", ".join(str(task.award.task) for task in batch.tasks)
            self._told(f"tasks {names}: payword given and no key yet; the payword is on the ledger")

    # Results.

    async def _open(self, batch: Batch, record: ProofRecord, key: bytes) -> None:
        """What a released key opens, once: checked, and in the journal."""
        encrypted = await self._encrypted(batch, record)
        if encrypted is None:
            return
        if self.done(batch.tasks[0].award.task) is None:
            await self._unlock(batch, encrypted, key)
        await self._dispute_wrong(batch, encrypted)

    async def _encrypted(self, batch: Batch, record: ProofRecord) -> EncryptedResult | None:
        """From the winner, or from the ledger; None where it was neither: then it is not paid."""
        claims, seat, first = self._party.claims, batch.winner.seat, batch.first
        received = self._received(seat, first)
        if received is None and record.published:
            return await self._role.ask(lambda: claims.result(self.id, seat, first))
        return received

    async def _unlock(self, batch: Batch, encrypted: EncryptedResult, key: bytes) -> None:
        try:
            opened = unlock(encrypted, key, X25519PrivateKey.from_private_bytes(self.held.results))
        except (DataCorrupt, BadProof) as garbage:
            self._told(f"seat {batch.winner.seat}: {garbage}")
            opened = (b"",) * len(batch.tasks)
        entries = []
        for task, result in zip(batch.tasks, opened, strict=True):
            done = self._checked(self._work[task.award.task], result)
            entries.append(Entry.of(RESULT, place(self.id, done.task), done))
        await self._journal.commit(entries)

    def _checked(self, work: Work, result: bytes) -> Done:
        """The size is always looked at; the result itself is computed again now and then."""
        sampled = random.SystemRandom().randrange(MILLION) < self.held.sample
        wrong = len(result) != work.size or (sampled and work.compute() != result)
        if wrong:
            self._told(f"task {work.task.id}: the result is wrong")
        return Done(work.task.id, "vehicle", result, sampled, wrong)

    async def _dispute_wrong(self, batch: Batch, encrypted: EncryptedResult) -> None:
        """Charge every wrong result whose task is still released; the contract computes it again."""
        for number, task in enumerate(batch.tasks, batch.first):
            done = self.done(task.award.task)
            if done is None or not done.wrong or done.upheld is not None or task.state is not TaskState.RELEASED:
                continue
            judged = await self._dispute(batch.winner.seat, number, encrypted, self._work[done.task])
            if judged is not None:
                await self._journal.commit([Entry.of(RESULT, place(self.id, done.task), replace(done, upheld=judged))])

    async def _dispute(self, seat: int, number: int, encrypted: EncryptedResult, work: Work) -> bool | None:
        """Whether the contract agrees; None where it cannot be asked any more."""
        claims, about = self._party.claims, f"{self.id.hex()}/{work.task.id}"
        evidence = Evidence(self.held.results, work.job, work.data)
        try:
            with suppress(AlreadyExists):
                await asyncio.to_thread(claims.dispute, self.id, seat, number)
            judged = await asyncio.to_thread(claims.judge, self.id, seat, number, encrypted, evidence)
        except RuleBroken as refused:
            self._role.say_once(about, f"task {work.task.id} cannot be disputed: {refused}")
            return None
        if judged.owed:
            # A balance that moves in every block delays it; anyone may pay it later as well.
            with suppress(LedgerFailed, RuleBroken):
                await persist(self._clock, lambda: asyncio.to_thread(claims.settle, self.id, seat, number))
        found = "agrees" if judged.upheld else "does not agree"
        self._role.say_once(about, f"task {work.task.id}: the contract computed it again, and {found}")
        return bool(judged.upheld)

    def done(self, task: int) -> Done | None:
        """A result that the drone has."""
        return self._journal.get(RESULT, place(self.id, task), Done)

    async def _tasks(self, winner: Winner, *, settle: bool = True) -> tuple[SoldTask, ...]:
        claims = self._party.claims
        tasks = await self._role.ask(lambda: claims.tasks(self.id, winner.seat))
        now, grace = self._clock.now_ms(), self.held.notice.timers.grace
        return tuple(settled(task, now, grace) for task in tasks) if settle else tasks

    def _winner(self, account: str) -> Winner:
        if account not in self.winners:
            raise NotAllowed("only a winner of this auction is served", caller=account)
        return self.winners[account]

    def _received(self, seat: int, first: int) -> EncryptedResult | None:
        return self._journal.get(RECEIVED, place(self.id, seat, first), EncryptedResult)

    def _held_numbers(self, winner: Winner) -> set[int]:
        prefix = f"{place(self.id, winner.seat)}/"
        held = [encrypted.context for _, encrypted in self._journal.scan(RECEIVED, EncryptedResult, prefix)]
        return {number for context in held for number in range(context.first, context.last + 1)}
