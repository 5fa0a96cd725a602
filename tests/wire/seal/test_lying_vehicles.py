"""Vehicles that lie, in whole rounds over the real contracts: what it costs them, and nobody else."""

from pathlib import Path
from typing import ClassVar

import pytest
from msgspec.structs import replace

from tests.wire.seal.rig import Rig
from tests.wire.seal.rounds import QUICK, a_round, penalties, play, together
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Bidder
from zoneshare.seal.drone_messages import Receipt
from zoneshare.seal.exchange import Exchange
from zoneshare.seal.liar import NeverReleases
from zoneshare.seal.winning import Winning
from zoneshare_protocols.errors import BadProof, Malformed, NotAllowed, NotFound, ZoneshareError
from zoneshare_protocols.seal.recompute import Job
from zoneshare_protocols.seal.results import EncryptedResult


def test_a_vehicle_that_never_releases_its_key(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    decided = play(rig, Auctioneer, NeverReleases)
    assert len(decided.failed) == len(decided.work)
    assert rig.gain("ann") == -penalties(decided) < 0
    assert rig.gain("dora") == penalties(decided)


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
