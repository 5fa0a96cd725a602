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
from zoneshare.ledger import Committed, Ledger
from zoneshare_benchmarks.runner.site import NetworkSite, Person
from zoneshare_benchmarks.seal_cost import Bill
from zoneshare_chaincode.deploy import zoneshare
from zoneshare_network.gateway import Gateway
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.topology import Topology
from zoneshare_protocols.stub import Chaincode, Response, Stub

ZONE = "zone-a"
CONTRACT = "contract"
ENDORSERS = 2
SETUP = "setup"
"""The phase that what belongs to no auction is booked on."""


@dataclass
class Meter:
    """Where costs are booked now."""

    bill: Bill = field(default_factory=Bill)
    phase: str = SETUP
    said: int = 0
    """Bytes of the arguments of the transaction under way."""
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
        size = request.prepared_transaction.ByteSize()
        self._meter.bill.submit(self._meter.phase, size, self._meter.said)
        return super().submit(request, timeout)


class _Watched(GatewayLedger):
    """A ledger that notes how long each submit takes."""

    meter: Meter

    def submit(self, function: str, *args: bytes, transient: dict[str, bytes] | None = None) -> Committed:
        """Transient data go to each organisation's endorser, and not on the ledger: messages."""
        for value in (transient or {}).values():
            self.meter.bill.send(self.meter.phase, len(value) * ENDORSERS, ENDORSERS)
        self.meter.said = sum(map(len, args))
        start = perf_counter()
        done = super().submit(function, *args, transient=transient)
        self.meter.delays[function].append(perf_counter() - start)
        return done


class Zone:
    """The network, its people, and the meter."""

    def __init__(self, folder: Path, network: EmbeddedNetwork, meter: Meter, clock: "Clock") -> None:
        self.folder, self.meter, self.clock = folder, meter, clock
        self._transport = _Counted(Gateway(network), meter)
        self._site = NetworkSite(folder, self._transport)
        self._site.set_up()
        clock.stop()

    def admins(self) -> tuple[Ledger, ...]:
        return tuple(self._by_clock(ledger) for ledger in self._site.admins(ZONE))

    def person(self, name: str, money: int) -> tuple[Person, Ledger]:
        """A registered account with so much money, and the zone's ledger as it sees it."""
        made = self._site.person(name)
        ledger = _Watched(self._transport, ZONE, made.identity, clock=self.clock)
        ledger.meter = self.meter
        with self.meter.during(SETUP):
            Accounts(ledger).register(made.keys)
            Accounts(self._by_clock(self._site.issuer(ZONE))).issue(made.account, money)
        return made, ledger

    def _by_clock(self, ledger: Ledger) -> Ledger:
        """The operators' ledgers know the machine's time only."""
        if not isinstance(ledger, GatewayLedger):
            return ledger
        return GatewayLedger(self._transport, ZONE, ledger.identity, clock=self.clock)


class Clock:
    """Once stopped it stands still until it is set forward: no task is late because this machine is slow."""

    def __init__(self) -> None:
        self._now: int | None = None

    def __call__(self) -> int:
        return now_ms() if self._now is None else self._now

    def stop(self) -> None:
        self._now = self()

    def pass_by(self, moment: int) -> None:
        """Set it forward to just after a moment, ms."""
        self._now = max(self(), moment + 1)


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
