"""A model of a whole city, simulated from measured costs: where the first wall is, and what moves it.

Devices trade at random moments (Poisson). Every trade opens a channel, or goes over one that is open, buys some chunks
and in the end settles. Each zone's ledger is one server with one queue; so is the registry, which places devices that
move. What is not modelled: radio, the store's bandwidth, and zones of unequal load.
"""

from dataclasses import dataclass, replace

import numpy as np

from zoneshare_protocols.errors import Misuse

OPENING_WRITES = {"home": 2, "abroad": 1}
"""lock_outbound and acknowledge; fund (docs/trade-writes.md)."""
TRADE_WRITES = 1
"""commit, in the payee's zone."""
CLOSING_WRITES = {"home": 1, "abroad": 2}
"""receive; settle_final and acknowledge."""
FULL = 0.9
"""Of a server's time: from here on its queue is no longer short."""


@dataclass(frozen=True)
class Costs:
    """Measured, in milliseconds of one core: a ledger transaction at one peer, with endorsing, validating and
    committing; one side's part of a chunk. ``bytes``: of the ledger a transaction."""

    transaction: float
    chunk: float
    bytes: float


@dataclass(frozen=True)
class City:
    """``devices`` that each buy so many times an hour, so many chunks; ``per_channel``: trades over one channel before
    it is closed; ``moves`` an hour into another zone; ``cores`` of each peer that work on one channel's ledger."""

    devices: int
    zones: int = 8
    trades: float = 2.0
    chunks: int = 100
    per_channel: float = 1.0
    moves: float = 0.5
    cores: float = 1.0

    @property
    def writes(self) -> float:
        """Ledger transactions of a trade, in both zones."""
        channel = sum(OPENING_WRITES.values()) + sum(CLOSING_WRITES.values())
        return TRADE_WRITES + channel / self.per_channel


@dataclass(frozen=True)
class Load:
    """How busy each resource is: 1 is all its time."""

    zone: float
    registry: float
    device: float
    gigabytes_a_day: float
    """That each zone's ledger grows."""

    @property
    def wall(self) -> str:
        """The resource that is busiest."""
        named = {"a zone's ledger": self.zone, "the registry's ledger": self.registry, "a device": self.device}
        return max(named, key=lambda name: named[name])


def load(city: City, costs: Costs) -> Load:
    """Raises Misuse for a city without devices or zones."""
    if city.devices < 1 or city.zones < 1 or city.per_channel < 1 or city.cores <= 0:
        raise Misuse("a city has devices, zones, and a trade for each channel", devices=city.devices, zones=city.zones)
    second = city.devices * city.trades / 3600
    zone = second * city.writes / city.zones
    registry = city.devices * city.moves / 3600
    device = 2 * city.trades / 3600 * city.chunks * costs.chunk / 1e3
    return Load(
        zone=zone * costs.transaction / 1e3 / city.cores,
        registry=registry * costs.transaction / 1e3 / city.cores,
        device=device,
        gigabytes_a_day=zone * 86_400 * costs.bytes / 1e9,
    )


def most_devices(city: City, costs: Costs) -> int:
    """With how many devices the first ledger is FULL: all loads of ledgers are proportional to them."""
    found = load(city, costs)
    return int(city.devices * FULL / max(found.zone, found.registry))


def waiting(city: City, costs: Costs, seed: int = 1, transactions: int = 20_000) -> tuple[float, float]:
    """Median and 99th percentile of a zone's transaction, ms, by simulation: it waits for those before it.

    Endless where the zone is overloaded.
    """
    busy = load(city, costs).zone
    if busy >= 1:
        return float("inf"), float("inf")
    rng = np.random.default_rng(seed)
    service = costs.transaction / city.cores
    gaps = rng.exponential(service / busy, transactions)
    # Lindley: what a transaction waits is what the one before it waited, and took, less the time between them.
    steps = np.concatenate(([0.0], np.cumsum(service - gaps[1:])))
    waits = steps - np.minimum.accumulate(steps)
    p50, p99 = np.percentile(waits + service, (50, 99))
    return float(p50), float(p99)


def movers(city: City, costs: Costs) -> list[tuple[str, int]]:
    """What each change does to the most devices the city can have."""
    changes = {
        "as it is": city,
        "twice the zones": replace(city, zones=2 * city.zones),
        "ten trades a channel": replace(city, per_channel=10.0),
        "half the cost of a transaction": city,
        "four cores a ledger": replace(city, cores=4.0),
        "half the trades, twice the chunks": replace(city, trades=city.trades / 2, chunks=2 * city.chunks),
    }
    cheap = replace(costs, transaction=costs.transaction / 2)
    return [
        (name, most_devices(changed, cheap if name.startswith("half the cost") else costs))
        for name, changed in changes.items()
    ]
