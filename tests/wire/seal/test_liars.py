"""Liars in whole rounds, over the real contracts: what each of them costs itself, and nobody else."""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from tests.wire.seal.rig import SPANS, TERMS_HERE, Rig
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Bidder, Policy
from zoneshare.seal.drone_client import DroneClient
from zoneshare.seal.drone_messages import Input, Receipt
from zoneshare.seal.entries import Done
from zoneshare.seal.exchange import Exchange
from zoneshare.seal.liar import NeverPays, NeverReleases
from zoneshare.seal.outcomes import Decided
from zoneshare.seal.winning import Winning
from zoneshare.seal.work import Batches, Work
from zoneshare.trade.wire import PeerGone
from zoneshare_protocols.codec import Record
from zoneshare_protocols.errors import AlreadyExists, BadProof, Malformed, NotAllowed, NotFound, ZoneshareError
from zoneshare_protocols.seal.recompute import Evidence, Job
from zoneshare_protocols.seal.results import EncryptedResult
from zoneshare_protocols.seal.score import fallback
from zoneshare_protocols.seal.synthetic import MEGA


async def a_round(rig: Rig, drone_kind: type[Auctioneer] = Auctioneer, ann_kind: type[Bidder] = Bidder,
                  **options: Any) -> Decided:  # fmt: skip
    async with rig.flying(kind=drone_kind, **options) as drone, rig.driving("ann", kind=ann_kind) as (ann,):
        decided = await drone.auction(rig.work(), TERMS_HERE)
        await drone.settled()
        await ann.settled()
    rig.books_balance()
    assert decided.outcome is not None
    assert decided.outcome.awards
    return decided


def play(rig: Rig, *kinds: Any, **options: Any) -> Decided:
    return asyncio.run(asyncio.wait_for(a_round(rig, *kinds, **options), 60))


def together(*rounds: Coroutine[Any, Any, Decided]) -> list[Decided]:
    async def all_of_them() -> list[Decided]:
        return await asyncio.gather(*rounds)

    return asyncio.run(asyncio.wait_for(all_of_them(), 60))


def penalties(decided: Decided) -> int:
    """Of all tasks that were put up."""
    return sum(fallback(one.task, TERMS_HERE).score for one in decided.work)


def test_a_vehicle_that_never_releases_its_key(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    decided = play(rig, Auctioneer, NeverReleases)
    assert len(decided.failed) == len(decided.work)
    assert rig.gain("ann") == -penalties(decided) < 0
    assert rig.gain("dora") == penalties(decided)


def test_a_drone_that_gives_no_payword(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    decided = play(rig, NeverPays)
    assert decided.outcome is not None
    assert len(decided.results) == len(decided.work)
    assert rig.gain("ann") == decided.outcome.paid == -rig.gain("dora")


class WrongPaywords(Exchange):
    async def take(self, account: str, encrypted: EncryptedResult) -> Receipt:
        right = await super().take(account, encrypted)
        return Receipt(right.index, hashlib.sha256(right.payword).digest())


class PaysWrong(Auctioneer):
    desk = WrongPaywords


def test_a_wrong_payword_is_none(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    decided = play(rig, PaysWrong)
    assert decided.outcome is not None
    assert rig.gain("ann") == decided.outcome.paid == -rig.gain("dora")
    assert any("gives no payword: the payword does not fold back" in line for line in rig.lines)


class NoData(Exchange):
    def input(self, account: str, number: int) -> Input:
        raise NotAllowed("not for you")


class OtherData(Exchange):
    def input(self, account: str, number: int) -> Input:
        right = super().input(account, number)
        return Input(Job(right.job.kernel, b"another salt ...", right.job.data), right.data)


class GivesNothing(Auctioneer):
    desk = NoData


class GivesOther(Auctioneer):
    desk = OtherData


QUICK = SPANS._replace(deciding=10_000, committing=10_000, claiming=5_000, grace=12_000)
"""Where a round takes until its claims are over."""


def test_a_drone_that_keeps_the_data_pays_nothing_and_burns_no_deposit(tmp_path: Path) -> None:
    kinds = (GivesNothing, GivesOther)
    rigs = [Rig(tmp_path / kind.__name__) for kind in kinds]
    rounds = (a_round(rig, kind, disputable=True, spans=QUICK) for rig, kind in zip(rigs, kinds, strict=True))
    for rig, decided in zip(rigs, together(*rounds), strict=True):
        assert len(decided.failed) == len(decided.work)
        assert (rig.gain("ann"), rig.gain("dora")) == (0, 0)


def test_a_winner_ends_at_once_what_it_will_not_release(tmp_path: Path) -> None:
    """The second task takes long, so that the claim waits for it; the drone's own time to expire the first is later."""
    rig, passed = Rig(tmp_path, speed=10), list[str]()
    heavy = Batches(pictures=10, intensity=(600_000, 600_000), deadline=(60_000, 60_000))
    work = [*rig.work(1), *rig.work(2, seed=6, batches=heavy)[1:]]
    each = Policy(free=8_000 * MEGA, resource=(1_500 * MEGA, 2_000 * MEGA), unit_cost=60, batch=1)

    async def play() -> None:
        async with (
            rig.flying(kind=GivesNothing, spans=QUICK) as drone,
            rig.driving("ann", hook=passed.append, policy=each) as (ann,),
        ):
            await drone.auction(work, TERMS_HERE)
            await drone.settled()
            await ann.settled()

    asyncio.run(asyncio.wait_for(play(), 60))
    assert passed.index("after claim:expire") < passed.index("before claim:claim")
    assert (rig.gain("ann"), rig.gain("dora")) == (0, 0)
    rig.books_balance()


class Accuses(Exchange):
    """It charges right results, and shows nothing."""

    def _checked(self, work: Work, result: bytes) -> Done:
        return replace(super()._checked(work, result), wrong=True)

    async def _dispute(self, seat: int, number: int, encrypted: EncryptedResult, work: Work) -> bool | None:
        with contextlib.suppress(AlreadyExists):
            await asyncio.to_thread(self._party.claims.dispute, self.id, seat, number)
        return None


class Delays(Accuses):
    """It shows them, is told that it is wrong, and does not pay."""

    async def _dispute(self, seat: int, number: int, encrypted: EncryptedResult, work: Work) -> bool | None:
        await super()._dispute(seat, number, encrypted, work)
        shown = Evidence(self.held.results, work.job, work.data)
        judged = await asyncio.to_thread(self._party.claims.judge, self.id, seat, number, encrypted, shown)
        assert judged.owed
        return judged.upheld


class Slanders(Auctioneer):
    desk = Accuses


class Owes(Auctioneer):
    desk = Delays


def test_a_bond_that_nobody_pays_is_taken_by_the_winner(tmp_path: Path) -> None:
    kinds = (Slanders, Owes)
    rigs = [Rig(tmp_path / kind.__name__, speed=10) for kind in kinds]
    rigs[1].never = {("claim:judge", 3)}
    rounds = (a_round(rig, kind, disputable=True, spans=QUICK) for rig, kind in zip(rigs, kinds, strict=True))
    for rig, decided in zip(rigs, together(*rounds), strict=True):
        assert decided.outcome is not None
        assert len(decided.results) == len(decided.work)
        assert rig.gain("ann") == decided.outcome.paid + penalties(decided) == -rig.gain("dora")


class Guesses(Winning):
    def compute(self, job: Job, data: bytes) -> bytes:
        return bytes(len(super().compute(job, data)))


class TooShort(Winning):
    def compute(self, job: Job, data: bytes) -> bytes:
        return b"7"


class Lazy(Bidder):
    side = Guesses


class Short(Bidder):
    side = TooShort


def test_a_wrong_result_is_judged_and_costs_the_deposit(tmp_path: Path) -> None:
    kinds = (Lazy, Short)
    rigs = [Rig(tmp_path / kind.__name__, speed=10) for kind in kinds]
    rigs[0].never = {("claim:judge", 3)}
    rounds = (
        a_round(rig, Auctioneer, kind, disputable=True, spans=QUICK) for rig, kind in zip(rigs, kinds, strict=True)
    )
    for rig, decided in zip(rigs, together(*rounds), strict=True):
        assert len(decided.results) == len(decided.work)
        assert all(done.wrong and done.upheld for done in decided.results)
        settled = [function for _, function in rig.writes if function == "claim:settle"]
        assert len(settled) == (len(decided.results) if rig is rigs[0] else 0)
        # It may have claimed before it was judged: what it got is in what it loses.
        paid = sum(one.paid for one in rig.claims(decided.id))
        assert rig.gain("ann") == paid - penalties(decided) == -rig.gain("dora") < 0


class Stubborn(DroneClient):
    """The drone's answer to every first call of a kind is lost."""

    def __init__(self, lost: set[type], *address: Any) -> None:
        super().__init__(*address)
        self.lost = lost

    async def _call(self, message: Record, timeout: float | None = None) -> tuple[str, Any]:
        answer = await super()._call(message, timeout)
        if type(message) not in self.lost:
            self.lost.add(type(message))
            raise PeerGone("the other device is gone")
        return answer


class BadLine(Bidder):
    def _drone(self, address: tuple[str, int]) -> DroneClient:
        self.lost: set[type] = getattr(self, "lost", set())
        return Stubborn(self.lost, *address, self._party.identity, self._known_peers)


def test_answers_that_are_lost_are_asked_for_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, speed=5)
    decided = play(rig, Auctioneer, BadLine)
    assert decided.outcome is not None
    assert rig.gain("ann") == decided.outcome.paid == -rig.gain("dora")
    assert not [function for _, function in rig.writes if function == "claim:show_payword"]


def test_a_drone_that_is_not_there_is_looked_for_again_and_said_so_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    class Counts(Bidder):
        asked = 0

        def _drone(self, address: tuple[str, int]) -> DroneClient:
            Counts.asked += 1
            return super()._drone(address)

    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            rig.port = closed.getsockname()[1]
        async with rig.driving("ann", kind=Counts):
            while Counts.asked < 3:
                await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(play(), 60))
    (line,) = rig.lines
    assert line.startswith("ann: no bid: ")
    assert line.endswith("; trying again")


class Curious(Exchange):
    """Before it takes a result, it is offered what is not one."""

    seen: ClassVar[list[ZoneshareError]] = []

    async def take(self, account: str, encrypted: EncryptedResult) -> Receipt:
        context = encrypted.context
        for by, offered in (
            ("f" * 40, encrypted),
            (account, replace(encrypted, ciphertext=encrypted.ciphertext[::-1])),
            (account, replace(encrypted, ciphertext=encrypted.ciphertext[1:])),
            (account, replace(encrypted, context=replace(context, auction=bytes(32)))),
            (account, replace(encrypted, context=replace(context, first=2))),
        ):
            with pytest.raises(ZoneshareError) as refused:
                await super().take(by, offered)
            self.seen.append(refused.value)
        with pytest.raises(NotFound) as none:
            self.input(account, 99)
        self.seen.append(none.value)
        first, again = await super().take(account, encrypted), await super().take(account, encrypted)
        assert first == again
        return first


class Tries(Auctioneer):
    desk = Curious


def test_what_is_no_result_of_this_winner_gets_no_payword(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    Curious.seen.clear()
    decided = play(rig, Tries)
    assert decided.outcome is not None
    kinds = [type(one) for one in Curious.seen]
    assert kinds == [NotAllowed, BadProof, Malformed, BadProof, NotFound, NotFound]
    assert rig.gain("ann") == decided.outcome.paid
