"""What could keep the rest of a buyer's money from coming home: late fundings, refusals, complaints nobody hears."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wire.trade.rig import CHUNK, MONEY, PRICE, WRITES, Rig
from zoneshare.trade.buyer import Buyer
from zoneshare.trade.ending import BuyerEnding
from zoneshare.trade.opening import fund
from zoneshare.trade.paying import Garbage
from zoneshare.trade.seller import Seller
from zoneshare_protocols.errors import InsufficientFunds, LedgerFailed, Misuse, NotFound, RuleBroken, ZoneshareError
from zoneshare_protocols.sharing.chunkcipher import encrypt
from zoneshare_protocols.sharing.records import Evidence, Phase

CHUNKS = 12
DEPOSIT = 500


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class Unplugged(BaseException):
    """The buyer's device loses its power."""


def unplugged_before(function: str) -> Callable[[str], None]:
    def hook(point: str) -> None:
        if point == f"before {function}":
            raise Unplugged

    return hook


@pytest.mark.parametrize("funded", [True, False], ids=["shown in the last moment", "never shown"])
def test_a_channel_that_somebody_else_funds_in_the_last_moment_is_not_forgotten(rig: Rig, funded: bool) -> None:
    """The buyer dies between locking and funding, and gives the channel up; the seller shows the proof meanwhile."""

    async def play() -> None:
        seller = await rig.seller()
        data = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK).data
        with pytest.raises(Unplugged):
            await rig.buyer(unplugged_before("escrow:fund")).buy(rig.order(data, deposit=DEPOSIT))
        rig.kill("alice")
        buyer = rig.buyer()
        entry = buyer.book.channels()[-1]
        giving_up = asyncio.create_task(buyer.close_alone(entry.terms.channel))
        await asyncio.sleep(0.05)
        assert not giving_up.done()
        if not funded:
            with pytest.raises(NotFound, match="its money is back"):
                await rig.clock.run(giving_up)
        else:
            bob = rig.party("bob")
            await fund(entry.terms, entry.refund, await bob.zone("zone-a"), bob.home, rig.clock)
            settled = await rig.clock.run(giving_up)
            assert (settled.phase, settled.returned) == (Phase.SETTLED, DEPOSIT)
        assert rig.money == (MONEY, MONEY)
        assert buyer.book.channel(entry.terms.channel).closed
        await seller.stop()

    asyncio.run(play())


@pytest.mark.parametrize("refusal", [Misuse, LedgerFailed, InsufficientFunds, RuleBroken])
def test_a_seller_that_refuses_to_close_does_not_choose_how(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, refusal: type[ZoneshareError]
) -> None:
    async def play() -> None:
        seller, buyer = await rig.seller(), rig.buyer()
        data = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK).data
        receipt = await buyer.buy(rig.order(data, deposit=DEPOSIT))

        async def refuse(*_: object) -> None:
            raise refusal("no")

        monkeypatch.setattr(Seller, "_finish", refuse)
        settled = await rig.clock.run(buyer.close(receipt.channel))
        assert settled.returned == DEPOSIT - CHUNKS * PRICE
        assert rig.money == (MONEY - CHUNKS * PRICE, MONEY + CHUNKS * PRICE)
        await seller.stop()

    asyncio.run(play())


def test_a_seller_that_calls_its_refusal_garbage_gets_no_complaint(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        seller, buyer = await rig.seller(), rig.buyer()
        data = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK).data

        async def lie(*_: object) -> None:
            raise Garbage("bad", index="all of them")

        monkeypatch.setattr(Seller, "_paid", lie)
        with pytest.raises(Garbage):
            await buyer.buy(rig.order(data))
        assert ("zone-b", "escrow:complain") not in WRITES
        await seller.stop()

    asyncio.run(play())


async def garbage_bought(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> tuple[Buyer, str]:
    """alice finds garbage in chunk 4, and cannot complain: her way to zone B breaks off."""

    def garbage(secret: bytes, key: bytes, index: int, plaintext: bytes) -> bytes:
        return encrypt(secret, key, index, bytes(len(plaintext)) if index == 4 else plaintext)

    async def unheard(*_: object) -> None:
        raise LedgerFailed("the ledger of zone B is away")

    monkeypatch.setattr("zoneshare.trade.wares.encrypt", garbage)
    seller, buyer = await rig.seller(), rig.buyer(window=2)
    data = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK).data
    with monkeypatch.context() as away:
        away.setattr(BuyerEnding, "complain", unheard)
        with pytest.raises(LedgerFailed):
            await buyer.buy(rig.order(data, deposit=DEPOSIT))
    await seller.stop()
    return buyer, buyer.book.channels()[-1].terms.channel


def test_garbage_nobody_can_complain_about_any_more_does_not_hold_the_rest(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        buyer, channel = await garbage_bought(rig, monkeypatch)
        terms = buyer.book.channel(channel).terms
        escrow = rig.party("bob").home.escrow
        rig.clock.advance(terms.refund_from - rig.clock.now_ms())
        escrow.close(buyer.book.newest(buyer.book.channel(channel)), Evidence(()))
        escrow.begin_challenge(channel)
        rig.clock.advance(terms.challenge + 1_000_000)
        escrow.settle(channel)
        settled = await rig.clock.run(buyer.close_alone(channel))
        assert settled.returned > 0
        assert rig.money[0] == MONEY - DEPOSIT + settled.returned
        assert buyer.book.channel(channel).closed

    asyncio.run(play())


def test_garbage_whose_ciphertext_is_gone_does_not_hold_the_rest(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        buyer, channel = await garbage_bought(rig, monkeypatch)
        for kept in rig.folder.rglob("*.cipher"):
            kept.unlink()
        rig.store.get = gone  # type: ignore[method-assign]
        settled = await rig.clock.run(buyer.close_alone(channel))
        assert settled.returned >= DEPOSIT - 5 * PRICE
        assert rig.money[0] == MONEY - DEPOSIT + settled.returned

    asyncio.run(play())


def gone(name: str) -> bytes:
    raise NotFound("no such block in the store", cid=name)
