"""Drones that lie, in whole rounds over the real contracts: what it costs them, and nobody else."""

import asyncio
import contextlib
import hashlib
from pathlib import Path

from msgspec.structs import replace

from tests.wire.seal.rig import TERMS_HERE, Rig
from tests.wire.seal.rounds import QUICK, a_round, penalties, play, together
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Policy
from zoneshare.seal.drone_messages import Input, Receipt
from zoneshare.seal.entries import Done
from zoneshare.seal.exchange import Exchange
from zoneshare.seal.liar import NeverPays
from zoneshare.seal.work import Batches, Work
from zoneshare_protocols.errors import AlreadyExists, NotAllowed
from zoneshare_protocols.seal.recompute import Evidence, Job
from zoneshare_protocols.seal.results import EncryptedResult
from zoneshare_protocols.seal.synthetic import MEGA


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
