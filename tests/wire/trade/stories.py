"""Whole channels, played to their ends: what docs/trade-writes.md lists."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.wire.trade.fabric_rig import FabricRig
from tests.wire.trade.rig import CHUNK, PRICE
from zoneshare.trade.buyer import Buyer
from zoneshare.trade.moment import ensure, persist
from zoneshare.trade.paying import Garbage, Progress
from zoneshare.trade.seller import Seller
from zoneshare_protocols.errors import NotFound, ZoneshareError
from zoneshare_protocols.sharing.chunkcipher import encrypt
from zoneshare_protocols.sharing.records import Channel, Evidence, Phase, SignedState

DOCUMENT = Path(__file__).parents[3] / "docs" / "trade-writes.md"
CHUNKS = 8
DEPOSIT = 500
NAMES = {"A": "alice", "B": "bob", "W": "carol"}
Writes = list[tuple[str, str]]
Story = Callable[[FabricRig], Awaitable[None]]


def table() -> dict[str, tuple[Writes, Writes]]:
    """The document's table of whole channels: story -> what is written in zone A and in zone B."""
    rows = {}
    for line in DOCUMENT.read_text().partition("## Whole channels")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and not set(cells[0]) <= {"-"} and cells[0] != "story":
            rows[cells[0]] = (cell_writes(cells[1]), cell_writes(cells[2]))
    return rows


def cell_writes(cell: str) -> Writes:
    assert re.fullmatch(r"([ABW] `[a-z]+:[a-z_]+`(, (?!$)|$))*", cell), cell
    return [(NAMES[who], function) for who, function in re.findall(r"([ABW]) `([a-z]+:[a-z_]+)`", cell)]


class Stop(BaseException):
    """The buyer's person pulls the plug."""


def stopping(at: int) -> Progress:
    def progress(chunks: int, newest: SignedState | None) -> None:
        if chunks >= at:
            raise Stop

    return progress


async def selling(rig: FabricRig, tower: bool = False) -> tuple[Seller, bytes]:
    seller = await rig.seller(tower=tower)
    return seller, seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK).data


async def fall_silent(rig: FabricRig, seller: Seller) -> None:
    await seller.stop()
    rig.kill("bob")


async def found(rig: FabricRig, channel: str) -> Channel:
    abroad = await persist(rig.clock, lambda: rig.party("alice").zone("zone-b"))
    return await persist(rig.clock, lambda: asyncio.to_thread(abroad.escrow.channel, channel))


async def settled(rig: FabricRig, channel: str) -> None:
    async with asyncio.timeout(30):
        while (await found(rig, channel)).phase is not Phase.SETTLED:
            await asyncio.sleep(0.005)
            rig.clock.advance(5_000)


async def half(rig: FabricRig, data: bytes) -> tuple[Buyer, str]:
    buyer = rig.buyer(window=2)
    with pytest.raises(Stop):
        await buyer.buy(rig.order(data, deposit=DEPOSIT), stopping(CHUNKS // 2))
    return buyer, buyer.book.channels()[-1].terms.channel


async def together(rig: FabricRig, deposit: int | None = DEPOSIT, files: int = 1) -> None:
    seller = await rig.seller()
    buyer = rig.buyer()
    for number in range(files):
        item = seller.catalogue.add(rig.file(CHUNKS, f"{number}.bin"), PRICE, CHUNK)
        receipt = await buyer.buy(rig.order(item.data, f"{number}.got", deposit))
    await buyer.close(receipt.channel)
    await seller.stop()


async def buyer_silent(rig: FabricRig) -> None:
    seller, data = await selling(rig)
    _, channel = await half(rig, data)
    rig.kill("alice")
    await settled(rig, channel)
    await rig.clock.until(lambda: not seller.open_channels)
    await rig.buyer().close_alone(channel)
    await seller.stop()


async def seller_silent(rig: FabricRig) -> None:
    seller, data = await selling(rig)
    buyer, channel = await half(rig, data)
    await fall_silent(rig, seller)
    await rig.clock.run(buyer.close_alone(channel))


async def nothing_paid(rig: FabricRig) -> None:
    seller, data = await selling(rig)
    buyer = rig.buyer()
    store, rig.store.get = rig.store.get, missing  # type: ignore[method-assign]
    with pytest.raises(NotFound):
        await buyer.buy(rig.order(data, deposit=DEPOSIT))
    rig.store.get = store  # type: ignore[method-assign]
    await fall_silent(rig, seller)
    await rig.clock.run(buyer.close_alone(buyer.book.channels()[-1].terms.channel))


def missing(name: str) -> bytes:
    raise NotFound("no such block in the store", cid=name)


async def no_trade(rig: FabricRig) -> None:
    seller, data = await selling(rig)
    (rig.folder / "goods.bin").write_bytes(b"another file")
    buyer = rig.buyer()
    with pytest.raises(ZoneshareError, match="changed since"):
        await buyer.buy(rig.order(data, deposit=DEPOSIT))
    await buyer.close(buyer.book.channels()[-1].terms.channel)
    await seller.stop()


async def old_state(rig: FabricRig) -> None:
    tower = await rig.watchtower()
    seller, data = await selling(rig, tower=True)
    seen: list[SignedState] = []
    buyer = rig.buyer(window=1)
    order = rig.order(data, deposit=DEPOSIT)
    receipt = await buyer.buy(order, lambda _, newest: seen.append(newest) if newest else None)
    assert seller.tower is not None
    await seller.tower.flushed()
    await fall_silent(rig, seller)
    # A running watchtower would have closed with the newest state by then: locks fall, so that its lock came first.
    await tower.stop()
    rig.kill("carol")
    await post(rig, seen[2])
    tower = await rig.watchtower()
    await settled(rig, receipt.channel)
    await rig.clock.until(lambda: not tower.watched)
    await buyer.close_alone(receipt.channel)
    await tower.stop()


async def post(rig: FabricRig, old: SignedState) -> None:
    rig.clock.advance(max(0, old.state.lock - rig.clock.now_ms()))
    abroad = await persist(rig.clock, lambda: rig.party("alice").zone("zone-b"))

    def posted() -> Channel | None:
        channel = abroad.escrow.channel(old.state.channel)
        return None if channel.phase is Phase.OPEN else channel

    await ensure(rig.clock, posted, lambda: abroad.escrow.close(old, Evidence(())))


async def late_key(rig: FabricRig) -> None:
    """B signs, and its keys never arrive; it shows them on the ledger when A closes without them."""
    seller, data = await selling(rig)
    buyer, channel = await half(rig, data)
    await fall_silent(rig, seller)
    newest = buyer.book.newest(buyer.book.channel(channel))
    await post(rig, newest)
    seller = await rig.seller()
    await settled(rig, channel)
    await rig.clock.until(lambda: not seller.open_channels)
    await buyer.close_alone(channel)
    assert len(buyer.book.keys(buyer.book.trades(channel)[0].trade)) > CHUNKS // 2 - 2
    await seller.stop()


async def garbage(rig: FabricRig) -> None:
    def spoil(secret: bytes, key: bytes, index: int, plaintext: bytes) -> bytes:
        return encrypt(secret, key, index, bytes(len(plaintext)) if index == 4 else plaintext)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoneshare.trade.wares.encrypt", spoil)
        seller, data = await selling(rig)
        buyer = rig.buyer(window=2)
        with pytest.raises(Garbage):
            await buyer.buy(rig.order(data, deposit=DEPOSIT))
        await fall_silent(rig, seller)
        await rig.clock.run(buyer.close_alone(buyer.book.channels()[-1].terms.channel))


async def never_funded(rig: FabricRig) -> None:
    seller, data = await selling(rig)
    buyer = rig.buyer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoneshare.trade.escrow.Escrow.fund", cut_off)
        with pytest.raises(Stop):
            await buyer.buy(rig.order(data, deposit=DEPOSIT))
    channel = buyer.book.channels()[-1].terms.channel
    with pytest.raises(NotFound, match="never funded"):
        await rig.clock.run(buyer.close_alone(channel))
    await seller.stop()


def cut_off(*_: object) -> None:
    raise Stop


STORIES: dict[str, Story] = {
    "together (T_n)": together,
    "together, nothing left of the deposit": partial(together, deposit=None),
    "together, two files": partial(together, files=2),
    "A silent": buyer_silent,
    "B silent": seller_silent,
    "nothing was paid (tx4)": nothing_paid,
    "no trade was begun": no_trade,
    "A posts an older T_j": old_state,
    "B shows its keys late": late_key,
    "B sold garbage, and is silent": garbage,
    "never funded": never_funded,
}
