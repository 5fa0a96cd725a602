"""A zone with auctions on an embedded Fabric in this process, with a clock that can be set, and every call counted.

Ledger bytes are those of the envelopes that are ordered: proposal, endorsements and signatures. Contract time is the
chaincode's own, of every endorser; what the embedded Fabric spends on a transaction is not in it.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from zoneshare.accounts import Accounts
from zoneshare.embedded import InProcessTransport
from zoneshare.gateway import CHAINCODE, GatewayLedger, now_ms
from zoneshare.ledger import Ledger
from zoneshare_benchmarks.runner.site import NetworkSite, Person
from zoneshare_benchmarks.seal_cost import Bill
from zoneshare_chaincode.deploy import zoneshare
from zoneshare_network.gateway import Gateway
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.topology import Topology
from zoneshare_protocols.stub import Chaincode, Response, Stub

ZONE = "zone-a"
CONTRACT = "contract"
SETUP = "setup"
"""The phase that what belongs to no auction is booked on."""


@dataclass
class Meter:
    """Where costs are booked now."""

    bill: Bill = field(default_factory=Bill)
    phase: str = SETUP
    delays: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from a submit to its commit, by function."""

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Book on another phase."""
        before, self.phase = self.phase, phase
        try:
            yield
        finally:
            self.phase = before


class _Timed:
    """The chaincode, timed."""

    def __init__(self, chaincode: Chaincode, meter: Meter) -> None:
        self._chaincode, self._meter = chaincode, meter

    def invoke(self, stub: Stub) -> Response:
        with self._meter.bill.timed(self._meter.phase, CONTRACT):
            return self._chaincode.invoke(stub)


class _Counted(InProcessTransport):
    """The transport, with each envelope counted."""

    def __init__(self, gateway: Gateway, meter: Meter) -> None:
        super().__init__(gateway)
        self._meter = meter

    def submit(self, request: Any, timeout: float) -> Any:
        self._meter.bill.submit(self._meter.phase, request.prepared_transaction.ByteSize())
        return super().submit(request, timeout)


class _Watched(GatewayLedger):
    """A ledger that notes how long each submit takes."""

    meter: Meter

    def submit(self, function: str, *args: bytes, **options: Any) -> Any:
        start = perf_counter()
        done = super().submit(function, *args, **options)
        self.meter.delays[function].append(perf_counter() - start)
        return done


class Zone:
    """The network, its people, and the meter."""

    def __init__(self, folder: Path, network: EmbeddedNetwork, meter: Meter, clock: "Clock") -> None:
        self.folder, self.meter, self.clock = folder, meter, clock
        self._transport = _Counted(Gateway(network), meter)
        self._site = NetworkSite(folder, self._transport)
        self._site.set_up()

    def admins(self) -> tuple[Ledger, ...]:
        return self._site.admins(ZONE)

    def person(self, name: str, money: int) -> tuple[Person, Ledger]:
        """A registered account with so much money, and the zone's ledger as it sees it."""
        made = self._site.person(name)
        ledger = _Watched(self._transport, ZONE, made.identity, clock=self.clock)
        ledger.meter = self.meter
        with self.meter.during(SETUP):
            Accounts(ledger).register(made.keys)
            Accounts(self._issuer()).issue(made.account, money)
        return made, ledger

    def _issuer(self) -> Ledger:
        found = self._site.issuer(ZONE)
        if not isinstance(found, GatewayLedger):
            return found
        return GatewayLedger(self._transport, ZONE, found.identity, clock=self.clock)


class Clock:
    """The machine's clock, with what it was set forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead

    def pass_by(self, moment: int) -> None:
        """Set it forward to just after a moment, ms."""
        self.ahead += max(0, moment + 1 - self())


@contextmanager
def opened(batch_timeout_ms: int | None = 2) -> Iterator[Zone]:
    """A fresh zone. ``batch_timeout_ms``: how long a block waits; None, the embedded Fabric's own time."""
    meter, clock = Meter(), Clock()
    shape = Topology(channels=("registry", ZONE))
    chaincode = _Timed(zoneshare(shape.organisations, clock), meter)
    with TemporaryDirectory(prefix="zoneshare-seal-") as name:
        folder = Path(name)
        with EmbeddedNetwork(
            folder, shape, {CHAINCODE: chaincode}, batch_timeout_ms=batch_timeout_ms, clock_ms=clock
        ) as network:
            yield Zone(folder, network, meter, clock)
