"""Governed records change only when every organisation's administrator approved the same bytes."""

from dataclasses import dataclass
from importlib.metadata import entry_points

import pytest

from tests.support.memory_identity import identity
from tests.support.memory_proofs import trust_in
from tests.support.memory_stub import MVCC, VALID, MemoryNetwork, Zone
from tests.support.memory_world import CLIENT, ISSUER, ORGS, World, approve, pages, refused
from zoneshare_chaincode.deploy import zoneshare
from zoneshare_protocols.codec import Record, decode, encode
from zoneshare_protocols.errors import ClockSkew, LimitExceeded, Malformed, Misuse, NotAllowed, NotFound, NotNewer
from zoneshare_protocols.sharing.governance import Approval
from zoneshare_protocols.sharing.records import Trust, ZoneInfo, ZoneParameters

ADMINS = [identity(mspid, "admin", "admin") for mspid in ORGS]
APPROVE = "ledger:approve"


def parameters(version: int = 1, tolerance: int = 5_000, zone: str = "z") -> ZoneParameters:
    return ZoneParameters(zone, ISSUER.account, tolerance, version)


def trust_but(**values: object) -> Trust:
    good = trust_in("x", ORGS)
    return Trust(**({name: getattr(good, name) for name in good.__struct_fields__} | values))


@dataclass
class Fresh:
    net: MemoryNetwork
    zone: Zone


@pytest.fixture
def fresh() -> Fresh:
    net = MemoryNetwork(lambda clock: zoneshare(ORGS, clock), "z")
    return Fresh(net, net["z"])


def test_the_first_parameters_take_effect_with_the_last_approval(fresh: Fresh) -> None:
    refused(fresh.zone, NotFound, CLIENT, "ledger:parameters")
    data = encode(parameters())
    assert decode(bool, fresh.zone.submit(ADMINS[0], APPROVE, "parameters", data)) is False
    refused(fresh.zone, NotFound, CLIENT, "ledger:parameters")
    assert [(a.mspid, a.record) for a in pages(fresh.zone, "ledger:approvals", Approval)] == [(ORGS[0], data)]
    assert decode(bool, fresh.zone.submit(ADMINS[1], APPROVE, "parameters", data)) is True
    assert decode(ZoneParameters, fresh.zone.evaluate(CLIENT, "ledger:parameters")) == parameters()
    assert pages(fresh.zone, "ledger:approvals", Approval) == []
    assert fresh.zone.events[-1].name == "governed"


def test_nothing_works_before_the_first_parameters(fresh: Fresh) -> None:
    refused(fresh.zone, NotFound, CLIENT, "ledger:register", bytes(32), bytes(32), bytes(64))
    refused(fresh.zone, NotFound, ISSUER, "ledger:issue", "x", 1)


def test_one_organisation_alone_cannot(fresh: Fresh) -> None:
    for _ in range(3):
        fresh.zone.submit(ADMINS[0], APPROVE, "parameters", encode(parameters()))
    fresh.zone.submit(identity(ORGS[0], "admin2", "admin"), APPROVE, "parameters", encode(parameters()))
    refused(fresh.zone, NotFound, CLIENT, "ledger:parameters")


def test_different_bytes_are_no_agreement_and_the_last_word_counts(fresh: Fresh) -> None:
    fresh.zone.submit(ADMINS[0], APPROVE, "parameters", encode(parameters(tolerance=1)))
    fresh.zone.submit(ADMINS[1], APPROVE, "parameters", encode(parameters(tolerance=2)))
    refused(fresh.zone, NotFound, CLIENT, "ledger:parameters")
    fresh.zone.submit(ADMINS[0], APPROVE, "parameters", encode(parameters(tolerance=2)))
    assert decode(ZoneParameters, fresh.zone.evaluate(CLIENT, "ledger:parameters")).clock_tolerance == 2


def test_two_approvals_endorsed_together_do_not_both_commit_half_done(fresh: Fresh) -> None:
    data = encode(parameters())
    both = [fresh.zone.endorse(admin, APPROVE, "parameters", data) for admin in ADMINS]
    assert [fresh.zone.commit(each) for each in both] == [VALID, MVCC]
    fresh.zone.submit(ADMINS[1], APPROVE, "parameters", data)
    fresh.zone.evaluate(CLIENT, "ledger:parameters")


@pytest.mark.parametrize("role", ["client", "peer", "orderer"])
def test_only_administrators_of_the_organisations_approve(fresh: Fresh, role: str) -> None:
    data = encode(parameters())
    refused(fresh.zone, NotAllowed, identity(ORGS[0], f"a-{role}", role), APPROVE, "parameters", data)
    refused(fresh.zone, NotAllowed, identity("Org3MSP", "admin", "admin"), APPROVE, "parameters", data)


@pytest.mark.parametrize(
    ("kind", "record", "error"),
    [
        ("parameters", parameters(version=0), NotNewer),
        ("parameters", parameters(version=2), NotNewer),
        ("parameters", parameters(tolerance=0), LimitExceeded),
        ("parameters", parameters(tolerance=24 * 3600 * 1000 + 1), LimitExceeded),
        ("parameters", trust_in("x", ORGS), Malformed),
        ("trust", parameters(), Malformed),
        ("account", parameters(), Malformed),
        ("trust", trust_in("x", ORGS, version=2), NotNewer),
        ("trust", Trust("x", "x", "c", b"", (("M", ()),), (), 1), Malformed),
        ("trust", Trust("x", "x", "c", b"p", (), (), 1), Malformed),
        ("trust", trust_but(policy=b"\xff"), Malformed),
        ("trust", trust_but(roots=(("Org1MSP", ()),)), Malformed),
        ("trust", trust_but(roots=(("Org1MSP", (b"no PEM",)),)), Malformed),
        ("trust", trust_but(revoked=(b"no PEM",)), Malformed),
        ("zone", ZoneInfo("x", 0, 0, 1, trust_but(revoked=(b"no PEM",))), Malformed),
        ("zone", ZoneInfo("y", 0, 0, 1, trust_in("x", ORGS)), Malformed),
    ],
)
def test_what_cannot_be_approved(fresh: Fresh, kind: str, record: Record, error: type[Exception]) -> None:
    refused(fresh.zone, error, ADMINS[0], APPROVE, kind, encode(record))


def test_versions_rise_by_one_and_a_zone_keeps_its_name(fresh: Fresh) -> None:
    approve(fresh.zone, "parameters", parameters())
    refused(fresh.zone, NotNewer, ADMINS[0], APPROVE, "parameters", encode(parameters()))
    refused(fresh.zone, NotNewer, ADMINS[0], APPROVE, "parameters", encode(parameters(version=3)))
    refused(fresh.zone, NotAllowed, ADMINS[0], APPROVE, "parameters", encode(parameters(2, zone="other")))
    approve(fresh.zone, "parameters", parameters(2, tolerance=7))
    fresh.net.advance(1)
    with pytest.raises(ClockSkew):
        fresh.zone.submit(ADMINS[0], APPROVE, "parameters", encode(parameters(3)), timestamp_ms=fresh.net.now - 8)


def test_an_approval_of_an_old_version_is_void_after_the_new_one(fresh: Fresh) -> None:
    approve(fresh.zone, "parameters", parameters())
    held = fresh.zone.endorse(ADMINS[0], APPROVE, "parameters", encode(parameters(2, tolerance=9)))
    approve(fresh.zone, "parameters", parameters(2, tolerance=7))
    assert fresh.zone.commit(held) == MVCC
    assert pages(fresh.zone, "ledger:approvals", Approval) == []


def test_trusts_are_listed() -> None:
    world = World()
    assert decode(tuple[Trust, ...], world.a.evaluate(CLIENT, "ledger:trusts")) == (trust_in("zone-b", ORGS),)
    assert decode(Trust, world.a.evaluate(CLIENT, "ledger:trust", "zone-b")) == trust_in("zone-b", ORGS)
    refused(world.a, NotFound, CLIENT, "ledger:trust", "zone-c")


def test_the_chaincode_is_found_by_its_entry_point() -> None:
    (found,) = entry_points(group="zoneshare.chaincode", name="zoneshare")
    assert found.load() is zoneshare


def test_a_chaincode_without_organisations_is_not_deployed() -> None:
    for organisations in ((), ("Org1MSP", "Org1MSP")):
        with pytest.raises(Misuse):
            zoneshare(organisations, lambda: 0)
