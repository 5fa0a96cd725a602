"""What the operators of a fresh network do once, together: zones, whom each trusts, who issues money.

Every step asks the ledger first and does only what is missing, so that all may be run again at any time, and after
the organisations' roots or revocation lists have changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from zoneshare.accounts import Accounts
from zoneshare.calls import to_bytes
from zoneshare.connection import Connection
from zoneshare.ledger import Ledger
from zoneshare.registry import CHANNEL, Registry
from zoneshare_protocols.errors import Misuse, NotFound
from zoneshare_protocols.sharing.governance import Kind
from zoneshare_protocols.sharing.records import Trust, ZoneInfo, ZoneParameters

DEFAULT_TOLERANCE_MS = 60_000
DEFAULT_CAPACITY = 1000

Position = tuple[int, int]
"""Latitude and longitude, in millionths of a degree."""


@dataclass(frozen=True)
class Place:
    """A zone to be, by its Fabric channel's name, where it is (millionths of a degree), and for how many devices."""

    zone: str
    latitude_e6: int
    longitude_e6: int
    capacity: int = DEFAULT_CAPACITY


@dataclass(frozen=True)
class Operators:
    """The administrators' connections, one an organisation, by MSP id; all must approve."""

    connections: Mapping[str, Connection]

    def __post_init__(self) -> None:
        if not self.connections:
            raise Misuse("a network is set up by its organisations' administrators: none were given")

    def ledgers(self, channel: str) -> tuple[Ledger, ...]:
        return tuple(connection.ledger(channel) for connection in self.connections.values())


def set_up(
    operators: Operators,
    places: Sequence[Place],
    trust: Trust,
    issuer: str,
    clock_tolerance: int | None = None,
) -> list[str]:
    """Approve all that is missing, by every organisation; what was done, a line each.

    ``trust`` is the pattern for every zone's trust (chaincode, policy, roots, revocations); ``issuer`` the account
    that may issue money in every zone; ``clock_tolerance`` in ms (None: as it is, or a minute).
    """
    done: list[str] = []
    trusts = [replace(trust, zone=place.zone, fabric_channel=place.zone) for place in places]
    for channel in (CHANNEL, *(place.zone for place in places)):
        ledgers = operators.ledgers(channel)
        present = _parameters(ledgers[0])
        tolerance = clock_tolerance or (DEFAULT_TOLERANCE_MS if present is None else present.clock_tolerance)
        wanted = ZoneParameters(channel, issuer, tolerance, _version(present))
        if present is None or replace(wanted, version=present.version) != present:
            _approve(ledgers, Kind.PARAMETERS, wanted)
            done.append(f"{channel}: parameters, version {wanted.version}")
    for place in places:
        ledgers = operators.ledgers(place.zone)
        for each in trusts:
            done += _trust(ledgers, place.zone, each)
    known = {each.zone.id: each.zone for each in Registry(operators.ledgers(CHANNEL)[0]).zones()}
    for place, each in zip(places, trusts, strict=True):
        done += _zone(operators.ledgers(CHANNEL), place, each, known.get(place.zone))
    return done


def plan(
    operators: Operators,
    zones: Sequence[str],
    defaults: Mapping[str, Position],
    chosen: Mapping[str, Position],
    capacity: int | None,
) -> list[Place]:
    """Where each zone is to be: as ``chosen``, else where the registry has it, else by ``defaults``; so the capacity.

    Raises Misuse for a zone that is in none of them.
    """
    known = {each.zone.id: each.zone for each in Registry(operators.ledgers(CHANNEL)[0]).zones()}
    places = []
    for zone in zones:
        present = known.get(zone)
        there = None if present is None else (present.latitude_e6, present.longitude_e6)
        position = chosen.get(zone) or there or defaults.get(zone)
        if position is None:
            raise Misuse("say where this zone is", zone=zone)
        room = capacity or (DEFAULT_CAPACITY if present is None else present.capacity)
        places.append(Place(zone, *position, room))
    return places


def _trust(ledgers: Sequence[Ledger], channel: str, wanted: Trust) -> list[str]:
    present = {trust.zone: trust for trust in Accounts(ledgers[0]).trusts()}.get(wanted.zone)
    new = replace(wanted, version=_version(present))
    if present is not None and replace(new, version=present.version) == present:
        return []
    _approve(ledgers, Kind.TRUST, new)
    return [f"{channel}: trusts {wanted.zone}, version {new.version}"]


def _zone(ledgers: Sequence[Ledger], place: Place, trust: Trust, present: ZoneInfo | None) -> list[str]:
    version = 1 if present is None else present.trust.version + 1
    info = ZoneInfo(place.zone, place.latitude_e6, place.longitude_e6, place.capacity, replace(trust, version=version))
    if present is not None and replace(info, trust=replace(trust, version=version - 1)) == present:
        return []
    _approve(ledgers, Kind.ZONE, info)
    return [f"{CHANNEL}: zone {place.zone}, version {version}"]


def _approve(ledgers: Sequence[Ledger], kind: Kind, record: Any) -> None:
    for ledger in ledgers:
        ledger.submit("ledger:approve", kind.value.encode(), to_bytes(record))


def _parameters(ledger: Ledger) -> ZoneParameters | None:
    try:
        return Accounts(ledger).parameters
    except NotFound:
        return None


def _version(present: Trust | ZoneParameters | None) -> int:
    return 1 if present is None else present.version + 1
