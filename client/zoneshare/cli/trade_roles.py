"""From a device's folder to its buyer, seller or watchtower, and running them."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from zoneshare.device import Device
from zoneshare.identity import KEY
from zoneshare.stores import Store, open_store
from zoneshare.trade.buyer import Buyer, Order, Receipt
from zoneshare.trade.buyer_book import BuyerBook
from zoneshare.trade.catalogue import Catalogue
from zoneshare.trade.dialogue import Waiting
from zoneshare.trade.journal import Journal
from zoneshare.trade.messages import Offer
from zoneshare.trade.moment import AWAY, SystemClock, answered
from zoneshare.trade.opening import Plan
from zoneshare.trade.party import Party, Zone
from zoneshare.trade.paying import Garbage, Progress
from zoneshare.trade.seller import Policy, Seller
from zoneshare.trade.tower import Tower
from zoneshare.trade.watchtower import Watchtower
from zoneshare_protocols.errors import LedgerFailed, Misuse, ZoneshareError
from zoneshare_protocols.sharing.records import Channel

DATA_DIGITS = 64
TICK_MS = 50


class Serving(NamedTuple):
    """How a seller serves; ``min_challenge`` and ``max_lock`` in seconds."""

    host: str
    port: int
    store: str
    bond: int
    min_challenge: int
    max_lock: int
    watchtower: str


class Buying(NamedTuple):
    """How a buyer buys; ``lock`` and ``challenge`` in seconds."""

    deposit: int | None
    max_price: int
    max_total: int | None
    lock: int
    challenge: int
    window: int
    store: str
    keep: bool


def parse_data(text: str) -> bytes:
    """D from its 64 hex digits. Raises Misuse."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(text) != DATA_DIGITS or len(data) != DATA_DIGITS // 2:
        raise Misuse(f"D is {DATA_DIGITS} hex digits, as zoneshare seller list shows them", given=text[:80])
    return data


def parse_address(text: str) -> tuple[str, int]:
    """``127.0.0.1:7400`` as host and port. Raises Misuse."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise Misuse(f"not HOST:PORT: {text!r}; say for instance 127.0.0.1:7400")
    return host, int(port)


@contextlib.contextmanager
def catalogue(folder: Path) -> Iterator[Catalogue]:
    """What the device in ``folder`` offers. Raises Misuse when that is no device."""
    if not (folder / KEY).is_file():
        raise Misuse(f"no device in {folder}: zoneshare device new makes one")
    with open_journal(folder / "catalogue.db", exclusive=False) as journal:
        yield Catalogue(journal)


async def sell(folder: Path, options: Serving, ready: Callable[[int], None], told: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``ready`` gets the port, ``told`` a line for every trade."""
    _log()
    with (
        Device.open(folder) as device,
        open_journal(folder / "seller.db") as journal,
        catalogue(folder) as offered,
    ):
        clock = SystemClock()
        party = await answered(clock, lambda: party_of(device))
        tower = None
        if options.watchtower:
            trusted = party.home.accounts.trusts
            tower = Tower(*parse_address(options.watchtower), party.identity, trusted, clock)
        policy = Policy(bond=options.bond, min_challenge=options.min_challenge * 1000, max_lock=options.max_lock * 1000)
        store = _store(folder, options.store)
        seller = Seller(party, store, journal, offered, clock=clock, policy=policy, tower=tower, told=told)
        await _serve(seller, options.host, options.port, ready)


async def watch(folder: Path, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Watch until SIGINT or SIGTERM; ``ready`` gets the port."""
    _log()
    with Device.open(folder) as device, open_journal(folder / "watchtower.db") as journal:
        clock = SystemClock()
        party = await answered(clock, lambda: party_of(device))
        await _serve(Watchtower(party, journal, clock), host, port, ready)


class Shown(NamedTuple):
    """Where a purchase shows how it goes."""

    offered: Callable[[Offer], None]
    progress: Progress
    waiting: Waiting
    settling: Callable[[], None]
    away: Callable[[LedgerFailed], None]
    """Something does not answer, and is asked again."""
    broken: Callable[["Stake"], None]
    """The purchase breaks off, and this is locked."""


class Stake(NamedTuple):
    """Up to ``deposit`` is locked in ``channel``; the same purchase again goes ``on``, or it can only be closed."""

    channel: str
    deposit: int
    on: bool


async def buy(
    folder: Path, data: bytes, seller: tuple[str, int], *, out: Path | None, terms: Buying, shown: Shown
) -> tuple[Receipt, Channel | None]:
    """Buy, and close the channel unless it is to be kept; the settled channel then."""
    host, port = seller
    with Device.open(folder) as device, open_journal(folder / "buyer.db") as journal:
        AWAY.set(shown.away)
        clock = SystemClock()
        party = await answered(clock, lambda: party_of(device))
        plan = Plan(lifetime=terms.lock * 1000, tick=TICK_MS, challenge=terms.challenge * 1000)
        plan = plan._replace(funding=max(1, min(plan.funding, plan.lifetime - party.home.margin - 1)))
        buyer = Buyer(party, _store(folder, terms.store), journal, clock=clock, plan=plan, window=terms.window)
        before = {entry.terms.channel for entry in buyer.book.channels()}
        receipt: Receipt | None = None
        try:
            offer = await buyer.offer(data, host, port)
            shown.offered(offer)
            path = out or Path(_safe_name(offer.name))
            order = Order(data, host, port, path, terms.max_price, terms.deposit, terms.max_total)
            receipt = await buyer.buy(order, shown.progress, shown.waiting)
            shown.settling()
            return receipt, None if terms.keep else await buyer.close(receipt.channel)
        except BaseException as failed:
            with contextlib.suppress(ZoneshareError):
                on = receipt is None and not isinstance(failed, Garbage)
                for stake in _stakes(buyer.book, data, before, receipt, on):
                    shown.broken(stake)
            raise


def _stakes(book: BuyerBook, data: bytes, before: set[str], receipt: Receipt | None, on: bool) -> Iterator[Stake]:
    """The open channels of this purchase: made for it, or taken up for it."""
    for entry in book.channels():
        id = entry.terms.channel
        under_way = any(trade.request.data == data and not trade.done for trade in book.trades(id))
        if not entry.closed and (id not in before or under_way or (receipt and receipt.channel == id)):
            yield Stake(id, entry.terms.deposit, on)


async def close(folder: Path, channel: str, store: str, alone: bool) -> Channel:
    """Close a channel in which the device pays."""
    with Device.open(folder) as device, open_journal(folder / "buyer.db") as journal:
        clock = SystemClock()
        party = await answered(clock, lambda: party_of(device))
        buyer = Buyer(party, _store(folder, store), journal, clock=clock)
        return await (buyer.close_alone(channel) if alone else buyer.close(channel))


async def _serve(role: Seller | Watchtower, host: str, port: int, ready: Callable[[int], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        ready(await role.start(host, port))
        await stop.wait()
    finally:
        await role.stop()


def party_of(device: Device) -> Party:
    """Blocks: asks the registry and the zone."""
    zone = device.zone
    home = Zone(zone, device.ledger(zone))
    _ = home.margin
    return Party(device.identity, device.keys, home, lambda trust: device.connection.ledger(trust.fabric_channel))


def _store(folder: Path, where: str) -> Store:
    return open_store(where or str(folder.parent / ".store"))


@contextlib.contextmanager
def open_journal(path: Path, *, exclusive: bool = True) -> Iterator[Journal]:
    journal = Journal(path, exclusive=exclusive)
    try:
        yield journal
    finally:
        journal.close()


def _safe_name(name: str) -> str:
    """The seller's name for the file, without anything that leads out of this folder."""
    safe = Path(name.replace("\\", "/")).name.lstrip(".")
    if not safe or not safe.isprintable():
        raise Misuse("the seller's name for the file cannot be used here: say --out FILE", name=name[:80])
    return safe


def _log() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of every peer that is killed
