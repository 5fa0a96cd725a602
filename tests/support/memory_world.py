"""Two governed zones and a registry on the in-memory ledger, with registered people who have money."""

from typing import Any, TypeVar

import pytest

from tests.support.memory_identity import Identity, identity
from tests.support.memory_proofs import prove, trust_in
from tests.support.memory_stub import Argument, MemoryNetwork, Zone
from zoneshare_chaincode.deploy import zoneshare
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.sharing.accounts import Registration
from zoneshare_protocols.sharing.keys import envelope_key_of, sign
from zoneshare_protocols.sharing.records import Outbound, Trust, ZoneInfo, ZoneParameters

ORGS = ("Org1MSP", "Org2MSP")
ZONES = ("zone-a", "zone-b")
REGISTRY = "registry"
TOLERANCE = 5_000
MARGIN = 2 * TOLERANCE
HOUR = 3_600_000
CLIENT = identity("Org1MSP", "client")
"""Who queries and carries proofs about: nobody in particular."""
ISSUER = identity("Org1MSP", "issuer")

T = TypeVar("T")


class World:
    """``world.a`` and ``world.b`` are the zones; ``world.net.now`` is everybody's clock."""

    def __init__(self, organisations: tuple[str, ...] = ORGS) -> None:
        self.net = MemoryNetwork(lambda clock: zoneshare(organisations, clock), *ZONES, REGISTRY)
        self.a, self.b, self.registry = (self.net[name] for name in (*ZONES, REGISTRY))
        for zone in (self.a, self.b, self.registry):
            approve(zone, "parameters", ZoneParameters(zone.name, ISSUER.account, TOLERANCE, 1))
        for zone, other in ((self.a, self.b), (self.b, self.a)):
            approve(zone, "trust", trust_in(other.name, ORGS))

    def person(self, name: str, zone: Zone, money: int = 0, org: str = "Org1MSP") -> Identity:
        """An identity registered in ``zone``, with this balance."""
        who = identity(org, name)
        register(zone, who)
        if money:
            zone.submit(ISSUER, "ledger:issue", who.account, money)
        return who

    def outbound(self, zone: Zone, id: str) -> Outbound:
        return decode(Outbound, zone.evaluate(CLIENT, "ledger:outbound", id))


def approve(zone: Zone, kind: str, record: ZoneParameters | Trust | ZoneInfo, orgs: tuple[str, ...] = ORGS) -> None:
    """By the administrator of every organisation."""
    for mspid in orgs:
        zone.submit(identity(mspid, "admin", "admin"), "ledger:approve", kind, encode(record))


def register(zone: Zone, who: Identity) -> None:
    key, envelope = who.signing_key, envelope_key_of(who.signing_key)
    claim = Registration(zone.name, who.account, key, envelope)
    zone.submit(who, "ledger:register", key, envelope, sign(who.signing, claim))


def balance(zone: Zone, who: Identity) -> int:
    return decode(int, zone.evaluate(CLIENT, "ledger:balance", who.account))


def pages(zone: Zone, function: str, kind: Any, size: int = 2) -> list[Any]:
    """All rows of a paged query."""
    rows: list[Any] = []
    bookmark = ""
    while True:
        page, bookmark = decode(tuple[tuple[kind, ...], str], zone.evaluate(CLIENT, function, size, bookmark))
        rows += page
        if not bookmark:
            return rows


def prove_outbound(zone: Zone, id: str) -> Any:
    return prove(zone, CLIENT, "ledger:outbound", id)


def prove_inbound(zone: Zone, source_zone: str, id: str) -> Any:
    return prove(zone, CLIENT, "ledger:inbound", source_zone, id)


def refused(zone: Zone, error: type[Exception], who: Identity, function: str, *args: Argument) -> Exception:
    """Assert that it is refused with ``error`` and that nothing of the state has changed; gives the error."""
    before = zone.snapshot()
    with pytest.raises(error) as refusal:
        zone.submit(who, function, *args)
    assert type(refusal.value) is error, f"{type(refusal.value).__name__}: {refusal.value}"
    assert zone.snapshot() == before
    return refusal.value
