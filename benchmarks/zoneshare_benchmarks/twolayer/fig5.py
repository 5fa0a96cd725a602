"""Fig. 5: the average time of a chunk against the number of devices, and its latency with 60: three ways to trade.

On the blockchain every chunk is paid by a confirmed transaction; without blockchain by a voucher over plain HTTP; ours
is the channel. All over the same links, half of the devices buying from the other half, at the same time. The ledger
is not behind the links, which favours the first.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import msgspec
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zoneshare.accounts import Accounts
from zoneshare.gateway import GatewayLedger
from zoneshare.trade.catalogue import DEFAULT_CHUNK
from zoneshare_benchmarks.links.proxy import Forward, emulated
from zoneshare_benchmarks.runner.site import NetworkSite, Person
from zoneshare_benchmarks.runner.workloads.people import with_money
from zoneshare_benchmarks.twolayer import exchange
from zoneshare_benchmarks.twolayer.market import Links, Market, Pair, block_server, network
from zoneshare_protocols.errors import LedgerFailed, Misuse

LINK = Forward(0, delay_ms=100.0, mbit=20.0)
ON, NONE, OURS = "on-blockchain", "non-blockchain", "ours"
WINDOW = 1
"""One chunk after another, as the others trade; with more under way ours is faster than this."""

Pay = Callable[[int, int], bytes]
"""The payment of pair p for chunk n."""


class Scale(NamedTuple):
    """Numbers of devices, one after another; chunks that each buyer buys; the link of every pair."""

    devices: Sequence[int]
    chunks: int
    link: Forward

    @property
    def pairs(self) -> int:
        """The most there are."""
        return max(self.devices) // 2


class Point(msgspec.Struct, frozen=True):
    """So many devices. ``average``: ms a chunk of the whole trade, with all that comes before; ``exchange``: ms a chunk
    while chunks are traded; ``latencies``: ms of each chunk."""

    way: str
    devices: int
    average: float
    exchange: float
    latencies: tuple[float, ...]


class Trade(msgspec.Struct, frozen=True):
    """One pair's: seconds of the whole, and the moments between which a chunk each was traded."""

    whole: float
    moments: tuple[float, ...]

    @property
    def latencies(self) -> list[float]:
        return [(b - a) * 1e3 for a, b in zip(self.moments, self.moments[1:], strict=False)]


def point(way: str, trades: Sequence[Trade], chunks: int) -> Point:
    """The mean over pairs that each traded so many chunks. Raises LedgerFailed for no trade."""
    if not trades:
        raise LedgerFailed("nothing was traded")
    latencies = [each for trade in trades for each in trade.latencies]
    whole = fmean(trade.whole for trade in trades) / chunks * 1e3
    return Point(way, 2 * len(trades), whole, fmean(latencies), tuple(latencies))


def measure(devices: Sequence[int], chunks: int, folder: Path | None = None, link: Forward = LINK) -> list[Point]:
    """All three ways for each number of devices, on a network's folder or a new embedded one.

    Raises Misuse for a number of devices that is no number of pairs, and what ledger, store and roles raise.
    """
    if not devices or any(number < 2 or number % 2 for number in devices) or chunks < 2:
        raise Misuse("devices trade in pairs, two chunks at least", devices=str(list(devices)), chunks=chunks)
    scale = Scale(devices, chunks, link)
    with network(folder) as where, block_server() as store:
        return [*_without(scale), *_on_ledger(scale, where), *asyncio.run(_ours(scale, where, store))]


def _without(scale: Scale) -> list[Point]:
    keys = [Ed25519PrivateKey.generate() for _ in range(scale.pairs)]
    checks = [exchange.check_voucher(key.public_key()) for key in keys]
    return _over_http(NONE, scale, checks, lambda pair, n: exchange.voucher(keys[pair], n))


def _on_ledger(scale: Scale, folder: Path) -> list[Point]:
    site, count = NetworkSite(folder), scale.pairs
    try:
        zone = site.zones[0]
        people = with_money(site, zone, 2 * count, "fig5")
        buyers, sellers = people[:count], people[count:]

        def pay(pair: int, _: int) -> bytes:
            done = Accounts(buyers[pair].ledger(zone)).transfer(sellers[pair].account, 1)
            return done.tx_id.encode()

        checks = [_sees(seller, zone) for seller in sellers]
        return _over_http(ON, scale, checks, pay)
    finally:
        site.close()


def _sees(seller: Person, zone: str) -> exchange.Check:
    ledger = seller.ledger(zone)

    def check(_: int, payment: bytes) -> None:
        if isinstance(ledger, GatewayLedger):
            ledger.outcome(payment.decode())

    return check


def _over_http(way: str, scale: Scale, checks: Sequence[exchange.Check], pay: Pay) -> list[Point]:
    goods = [os.urandom(DEFAULT_CHUNK) for _ in range(scale.chunks)]
    with ExitStack() as opened, ThreadPoolExecutor(len(checks)) as threads:
        shops = [opened.enter_context(exchange.serving(goods, check)) for check in checks]
        links = Links(scale.link)
        ports = opened.enter_context(emulated([links.to(port) for port in shops]))

        def trade(pair: int) -> Trade:
            with requests.Session() as session:
                moments = [time.perf_counter()]
                for number in range(scale.chunks):
                    got = exchange.buy(session, ports[pair], number, pay(pair, number))
                    moments.append(time.perf_counter())
                    if got != goods[number]:
                        raise LedgerFailed("not the chunk that was paid for", chunk=number)
            return Trade(moments[-1] - moments[0], tuple(moments))

        return [point(way, list(threads.map(trade, range(number // 2))), scale.chunks) for number in scale.devices]


async def _ours(scale: Scale, folder: Path, store: int) -> list[Point]:
    async with Market.open(folder, store, Links(scale.link)) as market:
        pairs = await market.pairs(scale.pairs, scale.chunks, WINDOW)
        return [
            point(OURS, await asyncio.gather(*(_trade(p, f"{number}") for p in pairs[: number // 2])), scale.chunks)
            for number in scale.devices
        ]


async def _trade(pair: Pair, name: str) -> Trade:
    moments: list[float] = []

    def progress(_: int, __: object) -> None:
        moments.append(time.perf_counter())

    start = time.perf_counter()
    await pair.buyer.buy(pair.order(name), progress)
    return Trade(time.perf_counter() - start, tuple(moments))
