"""A winner and a drone in the exchange: what each has on disk and in mind, and what an honest one does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from tests.contracts.seal.claim_world import DATA, JOB, PRIVATE, ClaimWorld, fake_proof
from tests.support.memory_identity import Identity
from tests.support.memory_stub import VALID, Argument, Simulation
from tests.support.memory_world import MARGIN
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.errors import DataCorrupt, NotFound, RuleBroken
from zoneshare_protocols.seal import results
from zoneshare_protocols.seal.bids import Notice
from zoneshare_protocols.seal.claims import KeyMessage, ProofMessage, ProofRecord, ShownPayword, context_of
from zoneshare_protocols.seal.hashchain import Claim, check_payword, may_give
from zoneshare_protocols.seal.ledger import Claimed, Winner
from zoneshare_protocols.seal.recompute import compute
from zoneshare_protocols.seal.results import EncryptedResult, Locked, ResultContext, check_whole
from zoneshare_protocols.seal.tasks import SoldTask, TaskState
from zoneshare_protocols.stub import OK

LEAD = 2_000
"""How long before a deadline an honest party acts on the ledger, ms; the machine lets it look twice in that time."""
RESULT = compute(JOB, DATA)
"""What every task of the machine gives."""


lock = cache(results.lock)
"""The same batch is locked again and again, and costs a permutation and an envelope each time."""
unlock = cache(results.unlock)
stamp = cache(fake_proof)


class Result(NamedTuple):
    """To the drone."""

    seat: int
    encrypted: EncryptedResult


class Payword(NamedTuple):
    """To a winner."""

    seat: int
    place: int
    payword: bytes


Message = Result | Payword


@dataclass
class Table:
    """The auction as both sides see it on the ledger."""

    world: ClaimWorld
    notice: Notice
    chains: Mapping[int, list[bytes]]
    winners: Mapping[int, Winner]

    @property
    def id(self) -> bytes:
        return self.notice.id

    def tasks(self, seat: int) -> tuple[SoldTask, ...]:
        found: tuple[SoldTask, ...] = self.world.see(tuple[SoldTask, ...], "tasks", self.id, seat)
        return found

    def proof(self, seat: int, first: int) -> ProofRecord | None:
        try:
            found: ProofRecord = self.world.see(ProofRecord, "proof", self.id, seat, first)
        except NotFound:
            return None
        return found

    def shown(self, seat: int) -> ShownPayword | None:
        try:
            found: ShownPayword = self.world.see(ShownPayword, "shown", self.id, seat)
        except NotFound:
            return None
        return found

    def published(self, seat: int, first: int) -> EncryptedResult | None:
        try:
            found: EncryptedResult = self.world.see(EncryptedResult, "result", self.id, seat, first)
        except NotFound:
            return None
        return found

    def claimed(self, seat: int) -> Claimed | None:
        data = self.world.zone.evaluate(self.world.cid, "claim:claimed", self.id, seat)
        return self.world.see(Claimed, "claimed", self.id, seat) if data else None

    def endorse(
        self, who: Identity, function: str, *args: Argument, transient: Mapping[str, bytes] | None = None, skew: int = 0
    ) -> Simulation:
        return self.world.zone.endorse(who, function, *args, transient=transient, timestamp_ms=self.world.now + skew)

    def tried(
        self, who: Identity, function: str, *args: Argument, transient: Mapping[str, bytes] | None = None, skew: int = 0
    ) -> bool:
        """Whether it took effect."""
        simulation = self.endorse(who, function, *args, transient=transient, skew=skew)
        if simulation.response.status != OK:
            try:
                simulation.result()
            except RuleBroken:
                return False
        return self.world.zone.commit(simulation) == VALID


@dataclass
class HonestWinner:
    """``seeds`` and ``payword`` are on its disk: all that a crash leaves."""

    table: Table
    who: Identity
    seat: int
    batches: list[tuple[int, int]]
    seeds: dict[int, bytes] = field(default_factory=dict)
    payword: int = 0

    def restart(self) -> None:
        """Locked results are made again from the seeds."""
        self.seeds, self.payword = dict(self.seeds), self.payword

    def locked(self, first: int, last: int) -> Locked:
        winner = self.table.winners[self.seat]
        seed = self.seeds.setdefault(first, bytes([self.seat, first]) * 16)
        return lock(context_of(winner, self.table.notice, first, last), (RESULT,) * (last - first + 1), seed)

    def batch(self, number: int) -> tuple[int, int]:
        return next(batch for batch in self.batches if batch[0] <= number <= batch[1])

    def deliver(self, number: int) -> Message | None:
        """The batch with task ``number``: the proof to the ledger, the result to the drone."""
        locked = self.locked(*self.batch(number))
        self.prove(locked)
        return Result(self.seat, locked.encrypted)

    def prove(self, locked: Locked) -> None:
        key = self.table.world.keys[locked.encrypted.circuit].hash
        message = ProofMessage(self.table.id, self.seat, key, stamp(locked))
        self.table.tried(self.who, "claim:prove", message, transient={"encrypted": encode(locked.encrypted.bare)})

    def release(self, locked: Locked, *, publish: bool) -> None:
        message = KeyMessage(self.table.id, self.seat, locked.encrypted.context.first, locked.key)
        self.table.tried(self.who, "claim:release", message, encode(locked.encrypted) if publish else b"")

    def on_payword(self, message: Payword) -> None:
        """Keep it, and give the keys it pays for."""
        winner = self.table.winners[self.seat]
        try:
            check_payword(winner.chain, self.table.id, winner.prices, message.place, message.payword)
        except RuleBroken:
            return
        self.payword = max(self.payword, message.place)
        tasks = self.table.tasks(self.seat)
        for first, last in self.batches:
            if last <= self.payword and any(task.state is TaskState.PROVED for task in tasks[first - 1 : last]):
                self.release(self.locked(first, last), publish=False)

    def look(self) -> None:
        """At its ledger, at least twice in LEAD: nothing runs out unseen."""
        now = self.table.world.now
        shown = self.table.shown(self.seat)
        if shown is not None and shown.index > self.payword:
            self.on_payword(Payword(self.seat, shown.index, shown.payword))
        for first, last in self.batches:
            batch = self.table.tasks(self.seat)[first - 1 : last]
            if now + LEAD >= min(task.due for task in batch):
                locked = self.locked(first, last)
                if any(task.state is TaskState.OPEN for task in batch):
                    self.prove(locked)
                if any(task.state is TaskState.PROVED for task in self.table.tasks(self.seat)[first - 1 : last]):
                    self.release(locked, publish=last > self.payword)
        if all(task.final for task in self.table.tasks(self.seat)) and self.table.claimed(self.seat) is None:
            chain = self.table.chains[self.seat]
            self.table.tried(
                self.who, "claim:claim", Claim(self.table.id, self.seat, self.payword, chain[self.payword])
            )


@dataclass
class HonestDrone:
    """``held`` is on its disk: the encrypted results that came, by seat and first task."""

    table: Table
    who: Identity
    held: dict[tuple[int, int], EncryptedResult] = field(default_factory=dict)
    shows: bool = False
    """Whether it puts paywords on the ledger, to call for keys."""

    def restart(self) -> None:
        self.held = dict(self.held)

    def on_result(self, message: Result) -> Message | None:
        """Keep what the ledger has a proof of, and give the payword that pays for it."""
        context = message.encrypted.context
        record = self.table.proof(message.seat, context.first)
        if record is None or record.encrypted != message.encrypted.hash:
            return None
        try:
            check_whole(message.encrypted)
        except RuleBroken:
            return None
        if not record.payable:
            return None
        self.held[message.seat, context.first] = message.encrypted
        return self.pay(message.seat, context)

    def pay(self, seat: int, context: ResultContext) -> Message | None:
        tasks = self.table.tasks(seat)
        if not may_give(tasks, context.last, self.numbers(seat), context.first):
            return None
        payword = self.table.chains[seat][context.last]
        if self.shows:
            self.table.tried(self.who, "claim:show_payword", self.table.id, seat, context.last, payword)
            self.table.tried(self.who, "claim:call_key", self.table.id, seat, context.first, context.last)
        return Payword(seat, context.last, payword)

    def numbers(self, seat: int) -> set[int]:
        """The tasks whose encrypted result it has."""
        contexts = [result.context for (of, _), result in self.held.items() if of == seat]
        return {number for context in contexts for number in range(context.first, context.last + 1)}

    def look(self) -> None:
        """Ends what nobody released, before a held transaction can; disputes what is wrong, where that can be shown."""
        now, grace = self.table.world.now, self.table.notice.timers.grace
        for seat, winner in self.table.winners.items():
            for number, task in enumerate(self.table.tasks(seat), 1):
                limit = task.key_limit(grace) if task.proved else task.due
                if not task.final and now > limit + MARGIN:
                    self.table.tried(self.who, "claim:expire", self.table.id, seat, number, number)
            if self.table.notice.jobs:
                self.dispute(seat, winner)

    def dispute(self, seat: int, winner: Winner) -> None:
        for number, task in enumerate(self.table.tasks(seat), 1):
            got, found = self.got(seat, number), self.encrypted(seat, number)
            # A placeholder is not paid, and no job of it can be judged: the bond would be lost.
            if task.state is TaskState.RELEASED and found is not None and found.context.jobs and got != RESULT:
                shown = {"encrypted": encode(found), "private": PRIVATE.private_bytes_raw(), "job": encode(JOB)}
                self.table.tried(self.who, "claim:dispute", self.table.id, seat, number)
                self.table.tried(
                    self.who, "claim:judge", self.table.id, seat, number, transient={**shown, "data": DATA}
                )

    def got(self, seat: int, number: int) -> bytes | None:
        """The task's result as the drone can read it: empty if it is garbage, None without key or encrypted result."""
        found = self.encrypted(seat, number)
        record = None if found is None else self.table.proof(seat, found.context.first)
        if found is None or record is None or record.key is None:
            return None
        try:
            return unlock(found, record.key, PRIVATE)[number - found.context.first]
        except DataCorrupt:
            return b""

    def encrypted(self, seat: int, number: int) -> EncryptedResult | None:
        for (of, _), found in self.held.items():
            if of == seat and found.context.first <= number <= found.context.last:
                return found
        for first in range(1, number + 1):
            published = self.table.published(seat, first)
            if published is not None and published.context.last >= number:
                return published
        return None


__all__ = ["LEAD", "RESULT", "HonestDrone", "HonestWinner", "Message", "Payword", "Result", "Table", "digest"]
