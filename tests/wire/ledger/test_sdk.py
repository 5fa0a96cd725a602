"""The typed SDK over the real chaincode: set-up, devices, money in a zone and across, large trades, audit."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire.ledger.zones import AT_A, AT_B, PLACES, Zones, zones
from zoneshare.accounts import Accounts
from zoneshare.audit import audit_network, audit_zone, check_network
from zoneshare.bootstrap import Operators, Place, plan, set_up
from zoneshare.connection import Connection
from zoneshare.crossing import collect, finish, send_across
from zoneshare.device import Device
from zoneshare.ledger import Committed
from zoneshare.macros import Macros, pay_across
from zoneshare.registry import CHANNEL, Registry
from zoneshare_network.pki import Role
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadAmount,
    InsufficientFunds,
    LimitExceeded,
    Misuse,
    NotAllowed,
    NotConserved,
    NotFound,
    TooEarly,
)
from zoneshare_protocols.sharing.keys import envelope_key_of
from zoneshare_protocols.sharing.records import MacroStatus, MacroTerms, OutboundStatus


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zones]:
    with zones(tmp_path_factory.mktemp("zones")) as made:
        yield made


@pytest.fixture(scope="module")
def issuer(world: Zones) -> Connection:
    made = world.connection("issuer")
    set_up(world.operators(), PLACES, world.pattern(), made.identity.account)
    return made


@pytest.fixture
def alice(world: Zones, issuer: Connection) -> Device:
    device = world.device(AT_A)
    Accounts(issuer.ledger("zone-a")).issue(device.account, 1000)
    return device


@pytest.fixture
def bob(world: Zones, issuer: Connection) -> Device:
    return world.device(AT_B, "Org2MSP")


def test_set_up_is_safe_to_run_again(world: Zones, issuer: Connection) -> None:
    account = issuer.identity.account
    assert set_up(world.operators(), PLACES, world.pattern(), account) == []
    assert Accounts(issuer.ledger("zone-b")).parameters.version == 1


def test_set_up_follows_a_change_with_the_next_version(world: Zones, issuer: Connection) -> None:
    account = issuer.identity.account
    bigger = (PLACES[0], Place("zone-b", 37_800_000, -122_270_000, 51))
    assert set_up(world.operators(), bigger, world.pattern(), account) == ["registry: zone zone-b, version 2"]
    assert set_up(world.operators(), bigger, world.pattern(), account, 50_000) == [
        f"{channel}: parameters, version 2" for channel in (CHANNEL, "zone-a", "zone-b")
    ]
    assert set_up(world.operators(), bigger, world.pattern(), account, 50_000) == []


def test_a_plan_keeps_what_the_registry_has(world: Zones, issuer: Connection) -> None:
    operators, zone = world.operators(), Registry(issuer.ledger(CHANNEL)).zone
    present = [(zone(id).latitude_e6, zone(id).longitude_e6, zone(id).capacity) for id in ("zone-a", "zone-b")]
    kept = plan(operators, ("zone-a", "zone-b"), {"zone-a": (1, 2), "zone-b": (3, 4)}, {}, None)
    assert [(each.latitude_e6, each.longitude_e6, each.capacity) for each in kept] == present
    new = plan(operators, ("zone-a", "zone-c"), {"zone-c": (5, 6)}, {"zone-a": (7, 8)}, 9)
    assert new == [Place("zone-a", 7, 8, 9), Place("zone-c", 5, 6, 9)]
    with pytest.raises(Misuse, match="zone-c"):
        plan(operators, ("zone-c",), {}, {}, None)


def test_one_organisation_alone_changes_nothing(world: Zones, issuer: Connection) -> None:
    admin = Operators({"Org1MSP": world.connection("admin1", "Org1MSP", Role.ADMIN)})
    present = Accounts(issuer.ledger("zone-a")).parameters
    set_up(admin, PLACES, world.pattern(), "f" * 40)
    assert Accounts(issuer.ledger("zone-a")).parameters == present


def test_a_client_cannot_set_up(world: Zones, issuer: Connection) -> None:
    clients = Operators({"Org1MSP": world.connection("mallory")})
    with pytest.raises(NotAllowed):
        set_up(clients, PLACES, world.pattern(), "f" * 40)
    with pytest.raises(Misuse):
        Operators({})


def test_a_device_is_put_into_the_zone_it_is_in(alice: Device, bob: Device) -> None:
    assert (alice.zone, bob.zone) == ("zone-a", "zone-b")
    account = alice.accounts().account(alice.account)
    assert account.signing_key == alice.keys.signing_key
    assert account.envelope_key == alice.keys.envelope_key == envelope_key_of(alice.keys.signing_key)


def test_joining_again_goes_on_where_it_stopped(world: Zones, issuer: Connection) -> None:
    connection = world.connection("halfway")
    Registry(connection.ledger(CHANNEL)).assign(*AT_A)
    placed = world.device(AT_A)
    again = Device(placed.folder, connection, placed.keys)
    assert again.join(*AT_A).zone == "zone-a"
    assert again.join(*AT_B).zone == "zone-a"
    assert again.accounts().balance(again.account) == 0


def test_a_device_that_moves_has_an_account_in_its_new_zone(alice: Device) -> None:
    moved = alice.move(*AT_B)
    assert (moved.zone, moved.moves) == ("zone-b", 1)
    assert alice.accounts("zone-a").balance(alice.account) == 1000
    assert alice.accounts().balance(alice.account) == 0
    with pytest.raises(AlreadyExists):
        alice.registry.assign(*AT_A)


def test_unknown_devices_zones_and_accounts(alice: Device) -> None:
    for ask in (
        lambda: alice.registry.device("0" * 40),
        lambda: alice.registry.zone("zone-x"),
        lambda: alice.ledger("zone-x"),
        lambda: alice.accounts().balance("0" * 40),
        lambda: alice.accounts().transfer("0" * 40, 1),
        lambda: alice.accounts().outbound("transfer.none"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_the_registry_folds_its_loads(alice: Device) -> None:
    devices = sum(device.zone == "zone-a" for device in alice.registry.devices())
    assert alice.registry.fold("zone-a") == devices
    assert alice.registry.fold("zone-a") == devices


def test_a_load_that_another_folds_first(world: Zones, alice: Device) -> None:
    world.device(AT_A)

    class Late(Registry):
        """Another device folds between its look and its transaction."""

        def submit(self, function: str, *args: Any) -> Committed:
            alice.registry.fold("zone-a")
            return super().submit(function, *args)

    devices = sum(device.zone == "zone-a" for device in alice.registry.devices())
    assert Late(alice.registry.ledger).fold("zone-a") == devices


def test_transfer(world: Zones, alice: Device) -> None:
    carol = world.device(AT_A)
    alice.accounts().transfer(carol.account, 1)
    assert carol.accounts().balance(carol.account) == 1
    assert alice.accounts().balance(alice.account) == 999


@pytest.mark.parametrize("amount", [0, -1, 2**63, 2**64, -(2**70)])
def test_amounts_that_are_none(alice: Device, bob: Device, issuer: Connection, amount: int) -> None:
    accounts = alice.accounts()
    for act in (
        lambda: accounts.transfer(bob.account, amount),
        lambda: Accounts(issuer.ledger("zone-a")).issue(alice.account, amount),
        lambda: accounts.send("zone-b", bob.account, amount),
        # Past the typed SDK, the contract says the same.
        lambda: accounts.submit("transfer", bob.account, amount),
    ):
        with pytest.raises(BadAmount):
            act()
    assert accounts.balance(alice.account) == 1000


def test_over_the_balance_and_over_what_a_balance_holds(alice: Device, bob: Device, issuer: Connection) -> None:
    with pytest.raises(InsufficientFunds) as poor:
        alice.accounts().transfer(alice.account, 1001)
    assert poor.value.values == {"balance": 1000, "needed": 1001}
    with pytest.raises(InsufficientFunds):
        alice.accounts().send("zone-b", bob.account, 1001)
    with pytest.raises(LimitExceeded):
        Accounts(issuer.ledger("zone-a")).issue(alice.account, 2**63 - 1)
    with pytest.raises(NotAllowed):
        alice.accounts().issue(alice.account, 1)


def test_money_across_zones(alice: Device, bob: Device) -> None:
    source, dest = alice.accounts(), bob.accounts()
    outbound = send_across(source, alice.accounts("zone-b"), bob.account, 30)
    assert outbound.status is OutboundStatus.RECEIVED
    assert (source.balance(alice.account), dest.balance(bob.account)) == (970, 30)
    assert finish(source, dest, outbound.id) == outbound


def test_money_for_nobody_is_not_sent(alice: Device) -> None:
    with pytest.raises(NotFound):
        send_across(alice.accounts(), alice.accounts("zone-b"), "0" * 40, 30)
    assert alice.accounts().balance(alice.account) == 1000


@pytest.mark.parametrize("done", ["sent", "received"])
def test_a_crossing_that_stopped_half_way_is_finished(alice: Device, bob: Device, done: str) -> None:
    source, dest = alice.accounts(), bob.accounts()
    outbound = source.send("zone-b", bob.account, 7)
    if done == "received":
        dest.receive("zone-a", source.prove_outbound(outbound.id))
    audit_network([alice.ledger("zone-a"), alice.ledger("zone-b")])
    assert finish(source, dest, outbound.id).status is OutboundStatus.RECEIVED
    assert dest.balance(bob.account) == 7


def test_money_not_taken_in_time_comes_back(world: Zones, alice: Device, bob: Device) -> None:
    source, dest = alice.accounts(), bob.accounts()
    before = world.clock() + 1000
    outbound = source.send("zone-b", bob.account, 9, before)
    tolerance = dest.parameters.clock_tolerance
    world.clock.ahead = 1001
    try:
        with pytest.raises(TooEarly):
            finish(source, dest, outbound.id)
        world.clock.ahead = 1001 + 2 * tolerance
        assert finish(source, dest, outbound.id).status is OutboundStatus.RECLAIMED
    finally:
        world.clock.ahead = 0
    assert (source.balance(alice.account), dest.balance(bob.account)) == (1000, 0)


def test_collect_brings_in_what_waits(alice: Device, bob: Device) -> None:
    source, dest = alice.accounts(), bob.accounts()
    for amount in (3, 4):
        source.send("zone-b", bob.account, amount)
    got = collect([bob.accounts("zone-a")], dest, bob.account)
    assert sorted(each.amount for each in got) == [3, 4]
    assert collect([bob.accounts("zone-a")], dest, bob.account) == []
    assert dest.balance(bob.account) == 7


def _terms(world: Zones, seller: Device, buyer: Device, amount: int) -> MacroTerms:
    now, hour = world.clock(), 3_600_000
    return MacroTerms(
        seller_zone=seller.zone,
        seller=seller.account,
        buyer_zone=buyer.zone,
        buyer=buyer.account,
        arbiter="a" * 40,
        goods="a year of maps",
        goods_hash=b"",
        amount=amount,
        pay_before=now + hour,
        deliver_before=now + 2 * hour,
        dispute_before=now + 3 * hour,
        decide_before=now + 4 * hour,
        nonce=os.urandom(16),
    )


def test_a_large_trade_across_zones(world: Zones, alice: Device, bob: Device) -> None:
    theirs, mine = Macros(bob.ledger()), Macros(alice.ledger())
    id = theirs.offer(terms := _terms(world, bob, alice, 400))
    there = Macros(alice.ledger("zone-b"))
    assert pay_across(mine, there, terms).status is MacroStatus.PAID
    assert pay_across(mine, there, terms).status is MacroStatus.PAID
    audit_zone(alice.ledger("zone-b"))
    theirs.deliver(id)
    assert there.complete(id).status is MacroStatus.COMPLETED
    assert (alice.accounts().balance(alice.account), bob.accounts().balance(bob.account)) == (600, 400)
    assert [status.value for _, _, status in theirs.history(id)] == ["offered", "paid", "delivered", "completed"]


def test_a_refund_across_zones_waits_until_it_is_collected(world: Zones, alice: Device, bob: Device) -> None:
    theirs = Macros(bob.ledger())
    id = theirs.offer(terms := _terms(world, bob, alice, 50))
    pay_across(Macros(alice.ledger()), Macros(alice.ledger("zone-b")), terms)
    theirs.refund(id)
    assert [each.id for each in collect([alice.accounts("zone-b")], alice.accounts(), alice.account)] == [f"macro.{id}"]
    assert alice.accounts().balance(alice.account) == 1000


def test_audit_proves_what_all_zones_hold(alice: Device, bob: Device) -> None:
    send_across(alice.accounts(), alice.accounts("zone-b"), bob.account, 11)
    ledgers = [alice.ledger("zone-a"), alice.ledger("zone-b")]
    found = audit_network(ledgers)
    assert found.issued == found.held >= 1000
    assert {zone.zone for zone in found.zones} == {"zone-a", "zone-b"}


def test_audit_reads_every_page(alice: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = audit_zone(alice.ledger())
    monkeypatch.setattr("zoneshare.calls.PAGE", 2)
    monkeypatch.setattr(Accounts.pages, "__defaults__", (2,))
    assert audit_zone(alice.ledger()) == whole


def test_audit_notices_what_a_zone_makes_or_loses(alice: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    held = audit_zone(alice.ledger()).books.held
    monkeypatch.setattr(Accounts, "issues", lambda _: iter(()))
    received = audit_zone(alice.ledger("zone-b"))
    with pytest.raises(NotConserved) as breach:
        audit_zone(alice.ledger("zone-a"))
    assert breach.value.values["actual"] == held
    assert received.books.issued == 0


def test_audit_notices_what_is_missing_between_zones(alice: Device, bob: Device) -> None:
    outbound = send_across(alice.accounts(), alice.accounts("zone-b"), bob.account, 13)
    a, b = (audit_zone(alice.ledger(zone)) for zone in ("zone-a", "zone-b"))
    check_network((a, b))
    denied = type(b)(b.zone, b.books, b.outbounds, {k: v for k, v in b.inbounds.items() if k[1] != outbound.id})
    with pytest.raises(NotConserved, match="denies"):
        check_network((a, denied))
    forged = type(a)(a.zone, a.books, {k: v for k, v in a.outbounds.items() if k != outbound.id}, a.inbounds)
    with pytest.raises(NotConserved, match="did not leave") as breach:
        check_network((forged, b))
    assert (breach.value.values["expected"], breach.value.values["actual"]) == (0, 13)
