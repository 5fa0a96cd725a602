"""``python -m zoneshare_benchmarks.growth.sizes KIND SIZE…``: one kind of growth, in a process of its own.

The embedded Fabric is in the process, so that its processor time is all there is: the clients', both organisations'
peers' and the orderer's. It says a line of JSON for every size.
"""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psutil

from zoneshare.accounts import Accounts
from zoneshare.embedded import InProcessTransport
from zoneshare.gateway import GatewayLedger
from zoneshare.identity import Identity
from zoneshare_benchmarks.runner.site import NetworkSite, Person, in_process
from zoneshare_benchmarks.runner.workloads.channel import Pair
from zoneshare_benchmarks.runner.workloads.people import at_once, register, with_money
from zoneshare_benchmarks.submits import CHANNEL, Put
from zoneshare_network.gateway import Gateway
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Role, load_key
from zoneshare_network.topology import Batch, Topology
from zoneshare_protocols.errors import LedgerFailed, Misuse

OPERATIONS = 48
"""Transfers and queries that are timed at each size."""


class Reading(msgspec.Struct, frozen=True):
    """At ``size``. ``total``: processor seconds until there; ``operation``, ``query``: of a transfer and a query, ms;
    ``memory``: of the process, MB; ``ledger``: bytes of all channels' files."""

    size: int
    total: float
    operation: float
    query: float
    memory: float
    ledger: int


def grow(kind: str, sizes: Sequence[int]) -> list[Reading]:
    """In a process of its own; all but zones begin with a reading of size 0.

    Raises Misuse for an unknown kind, LedgerFailed with the process's last words.
    """
    if kind not in KINDS:
        raise Misuse(f"nothing grows that is called {kind!r}; there are {', '.join(KINDS)}")
    words = (sys.executable, "-m", "zoneshare_benchmarks.growth.sizes", kind, *map(str, sizes))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise LedgerFailed(f"growth of {kind}: {' '.join(last) or done.returncode}")
    return [msgspec.json.decode(line, type=Reading) for line in done.stdout.splitlines()]


class Gauge:
    """Reads what a size cost."""

    def __init__(self, folder: Path, operation: Callable[[int], object], query: Callable[[], object]) -> None:
        """``operation`` gets its number."""
        self._folder, self._operation, self._query = folder, operation, query
        self._spent = 0.0
        self._count = 0

    def reading(self, size: int, growing: float) -> Reading:
        """``growing``: processor seconds since the last reading that went into growth alone."""
        self._spent += growing
        numbers = range(self._count, self._count + OPERATIONS)
        self._count += OPERATIONS
        operation = _cpu(at_once, self._operation, numbers) / OPERATIONS * 1e3
        query = _cpu(lambda: [self._query() for _ in range(OPERATIONS)]) / OPERATIONS * 1e3
        memory = psutil.Process().memory_info().rss / 1e6
        return Reading(size, self._spent, operation, query, memory, ledger_bytes(self._folder))


def ledger_bytes(folder: Path) -> int:
    """Of all channels' databases, once their logs are merged into them."""
    files = list((folder / "channels").glob("*.db"))
    for file in files:
        with closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)")
    return sum(file.stat().st_size for file in files)


def _cpu(work: Callable[..., object], *args: object) -> float:
    start = time.process_time()
    work(*args)
    return time.process_time() - start


@contextmanager
def _zoned(zones: int) -> Iterator[tuple[NetworkSite, Path]]:
    names = ("registry", *(f"zone-{chr(ord('a') + number)}" for number in range(zones)))
    with TemporaryDirectory(prefix="zoneshare-growth-") as folder:
        shape = Topology(channels=names, batch=Batch(timeout_ms=20))
        with in_process(Path(folder), shape) as (site, _):
            yield site, Path(folder)


def _transfers(people: Sequence[Person], zone: str) -> Callable[[int], object]:
    def transfer(number: int) -> None:
        """Between two of a pair that no other transfer touches."""
        pair = 2 * (number % (len(people) // 2))
        Accounts(people[pair].ledger(zone)).transfer(people[pair + 1].account, 1)

    return transfer


def devices(sizes: Sequence[int]) -> Iterator[Reading]:
    """Accounts of one zone, each with its certificate and keys, beside those that trade."""
    with _zoned(2) as (site, folder):
        zone = site.zones[0]
        people = with_money(site, zone, 32, "grow")
        accounts = Accounts(people[0].ledger(zone))
        gauge = Gauge(folder, _transfers(people, zone), lambda: accounts.balance(people[1].account))
        count = 0
        yield gauge.reading(0, 0.0)

        def one(number: int) -> None:
            person = site.person(f"device.{number}")
            register(person, person.ledger(zone))

        for size in sizes:
            spent = _cpu(at_once, one, range(count, size))
            count = size
            yield gauge.reading(size, spent)


def channels(sizes: Sequence[int]) -> Iterator[Reading]:
    """Open channels between two zones: three writes each."""
    with _zoned(2) as (site, folder):
        a, b = site.zones
        payers, payees = (with_money(site, zone, 32, f"grow.{zone}") for zone in (a, b))
        pairs = [Pair(payer, payee, (a, b), 1) for payer, payee in zip(payers, payees, strict=True)]
        accounts = Accounts(payers[0].ledger(a))
        gauge = Gauge(folder, _transfers(payers, a), lambda: accounts.balance(payers[1].account))
        count = 0
        yield gauge.reading(0, 0.0)

        def one(number: int) -> None:
            pair = pairs[number % len(pairs)]
            pair.open(pair.terms())

        for size in sizes:
            spent = _cpu(at_once, one, range(count, size))
            count = size
            yield gauge.reading(size, spent)


def blocks(sizes: Sequence[int]) -> Iterator[Reading]:
    """A chain of blocks with one transaction each."""
    with TemporaryDirectory(prefix="zoneshare-growth-") as name:
        folder = Path(name)
        shape = Topology(channels=(CHANNEL,), batch=Batch(max_count=1))
        with EmbeddedNetwork(folder, shape, {"put": Put()}) as network:
            made = network.organisation("Org1MSP").enrol("grow", Role.CLIENT, network.clock_ms())
            identity = Identity("Org1MSP", made.certificate, load_key(made.key or b""))
            ledger = GatewayLedger(InProcessTransport(Gateway(network)), CHANNEL, identity, chaincode="put")

            def one(_: int) -> None:
                ledger.submit("put", b"x" * 100)

            def height() -> int:
                return network.channel(CHANNEL).height

            # Its only query is a put that is not ordered.
            gauge = Gauge(folder, one, lambda: ledger.evaluate("put", b"x" * 100))
            yield gauge.reading(0, 0.0)
            for size in sizes:
                spent = _cpu(at_once, one, range(max(0, size - height())))
                yield gauge.reading(size, spent)


def zones(sizes: Sequence[int]) -> Iterator[Reading]:
    """A network of so many zones, from its first start to its being set up; operations go round all zones."""
    with _zoned(1):
        pass  # The process's first network takes longer than others: what it imports is not growth.
    for size in sizes:
        start = time.process_time()
        with _zoned(size) as (site, folder):
            spent = time.process_time() - start
            people = {zone: with_money(site, zone, 16, f"grow.{zone}") for zone in site.zones}

            def one(number: int, people: dict[str, list[Person]] = people) -> None:
                zone = list(people)[number % len(people)]
                _transfers(people[zone], zone)(number // len(people))

            zone, (first, *_) = next(iter(people.items()))
            accounts = Accounts(first.ledger(zone))
            yield Gauge(folder, one, partial(accounts.balance, first.account)).reading(size, spent)


KINDS: dict[str, Callable[[Sequence[int]], Iterator[Reading]]] = {
    "zones": zones,
    "devices": devices,
    "channels": channels,
    "blocks": blocks,
}


def main(kind: str, sizes: Sequence[int]) -> None:
    """Say each reading as soon as it is there."""
    for reading in KINDS[kind](sizes):
        sys.stdout.write(msgspec.json.encode(reading).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    os.nice(5)
    main(sys.argv[1], [int(word) for word in sys.argv[2:]])
