"""A market to measure: a network, a store, and pairs of buyers and sellers, with links between them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from zoneshare.cli.trade_roles import open_journal
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.stores import Store
from zoneshare.stores.kubo import KuboStore
from zoneshare.trade.buyer import Buyer, Order
from zoneshare.trade.catalogue import DEFAULT_CHUNK, Catalogue
from zoneshare.trade.moment import SystemClock
from zoneshare.trade.opening import Plan
from zoneshare.trade.party import Party, Zone
from zoneshare.trade.seller import Seller
from zoneshare_benchmarks.links.proxy import Forward, emulated
from zoneshare_benchmarks.runner import manager
from zoneshare_benchmarks.runner.site import NetworkSite, Person
from zoneshare_benchmarks.runner.workloads.people import with_money
from zoneshare_network import host
from zoneshare_protocols.errors import LedgerFailed, Misuse

PRICE = 1
NO_LINK = Forward(0)
THREADS = 64
"""Blocking calls (ledgers, stores, disks) that all devices of one process may have under way."""
PLAN = Plan(lifetime=3_600_000, tick=50, challenge=60_000, funding=300_000)


Wrap = Callable[[Store], Store]


def _as_it_is(store: Store) -> Store:
    return store


@dataclass(frozen=True)
class Links:
    """Between the devices of a pair, and from each device to the store; ``ledger``: to the network as well."""

    forward: Forward = NO_LINK
    ledger: bool = False

    @property
    def plain(self) -> bool:
        return not (self.forward.delay_ms or self.forward.mbit or self.forward.loss)

    def to(self, port: int) -> Forward:
        own = self.forward
        return Forward(port, own.delay_ms, own.mbit, own.loss, own.slow_start)


@dataclass(frozen=True)
class Pair:
    """A buyer, and a seller that serves ``data`` at ``port``, through the link."""

    buyer: Buyer
    seller: Seller
    data: bytes
    port: int
    chunks: int
    folder: Path

    def order(self, name: str) -> Order:
        """The whole file, into a file of that name."""
        return Order(self.data, "127.0.0.1", self.port, self.folder / name, PRICE, PRICE * self.chunks)


@contextmanager
def network(folder: Path | None) -> Iterator[Path]:
    """The folder of a network that runs: a new embedded one, served by a process, or the given one. Raises Misuse."""
    if folder is not None:
        yield folder
        return
    with TemporaryDirectory(prefix="zoneshare-market-") as made, manager.served(Path(made)):
        yield Path(made)


@contextmanager
def block_server() -> Iterator[int]:
    """The store's port."""
    words = (sys.executable, "-m", "zoneshare_benchmarks.twolayer.blocks")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("ready "):
                raise LedgerFailed("the store did not start")
            yield int(line.split()[1])
        finally:
            process.terminate()


class Market:
    """Pairs on one network. Use :meth:`open`."""

    def __init__(self, folder: Path, site: NetworkSite, links: Links, store: int) -> None:
        self.folder, self.site, self.links = folder, site, links
        self._store = store
        self._open = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def open(cls, network: Path, store: int, links: Links) -> AsyncIterator["Market"]:
        """On a running network, with the store at a port."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "market"))
        with ExitStack() as opened:
            folder = Path(opened.enter_context(TemporaryDirectory(prefix="zoneshare-pairs-")))
            site = await asyncio.to_thread(_site, network, links, opened)
            opened.callback(site.close)
            market = cls(folder, site, links, store)
            async with market._open:
                yield market

    async def people(self, count: int, zone: int, label: str) -> list[Person]:
        """New accounts of a zone, with money."""
        return await asyncio.to_thread(with_money, self.site, self.site.zones[zone], count, label)

    async def pairs(
        self, count: int, chunks: int, window: int, *, size: int = DEFAULT_CHUNK, wrap: Wrap = _as_it_is
    ) -> list[Pair]:
        """So many pairs across two zones, each with a file of its own, sellers serving; ``wrap`` goes round stores."""
        sides = await asyncio.gather(self.people(count, 0, "buyer"), self.people(count, 1, "seller"))
        stores = iter([wrap(store) for store in self.stores(2 * count)])
        made = []
        for a, b in zip(*sides, strict=True):
            folder = self.folder / a.account
            folder.mkdir()
            file = folder / "goods"
            await asyncio.to_thread(file.write_bytes, os.urandom(chunks * size))
            made.append(await self._pair(folder, (a, b), (next(stores), next(stores)), (file, size), window))
        if self.links.plain:
            return made
        ports = self._open.enter_context(emulated([self.links.to(pair.port) for pair in made]))
        return [replace(pair, port=port) for pair, port in zip(made, ports, strict=True)]

    def stores(self, count: int) -> list[Store]:
        """A way to the store for each of ``count`` devices, each through a link of its own."""
        ports = [self._store] * count
        if not self.links.plain:
            ports = self._open.enter_context(emulated([self.links.to(self._store)] * count))
        return [KuboStore(f"http://127.0.0.1:{port}") for port in ports]

    async def _pair(
        self,
        folder: Path,
        people: tuple[Person, Person],
        stores: tuple[Store, Store],
        goods: tuple[Path, int],
        window: int,
    ) -> Pair:
        bought, sold = (self._open.enter_context(open_journal(folder / f"{name}.db")) for name in ("buyer", "seller"))
        catalogue = Catalogue(sold)
        file, size = goods
        item = await asyncio.to_thread(catalogue.add, file, PRICE, size)
        parties = [_party(person, zone) for person, zone in zip(people, self.site.zones, strict=False)]
        clock = SystemClock()
        buyer = Buyer(parties[0], stores[0], bought, clock=clock, plan=PLAN, window=window)
        seller = Seller(parties[1], stores[1], sold, catalogue, clock=clock)
        port = await seller.start("127.0.0.1", 0)
        self._open.push_async_callback(seller.stop)
        return Pair(buyer, seller, item.data, port, len(item.hashes), folder)


def _party(person: Person, zone: str) -> Party:
    return Party(
        person.identity, person.keys, Zone(zone, person.ledger(zone)), lambda t: person.ledger(t.fabric_channel)
    )


def _site(folder: Path, links: Links, opened: ExitStack) -> NetworkSite:
    """The network's ledgers; through a link, if they are to be."""
    if not links.ledger or links.plain:
        return NetworkSite(folder)
    announced = host.announced(folder)
    if announced is None or not announced.nodes:
        raise Misuse("only an embedded network is put behind an emulated link", folder=str(folder))
    node = announced.nodes[0]
    (port,) = opened.enter_context(emulated([links.to(node.port)]))
    transport = GrpcTransport(f"127.0.0.1:{port}", announced.tls_roots[node.mspid].encode())
    opened.callback(transport.close)
    return NetworkSite(folder, transport)
