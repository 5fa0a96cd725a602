"""The registry: zones by all organisations together, devices placed and moved, loads without a hot key."""

import pytest

from tests.support.memory_identity import Identity, identity
from tests.support.memory_proofs import trust_in
from tests.support.memory_stub import MVCC, PHANTOM, VALID
from tests.support.memory_world import CLIENT, ORGS, World, approve, pages, refused
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import AlreadyExists, LimitExceeded, Malformed, NotAllowed, NotFound
from zoneshare_protocols.sharing.records import Device, ZoneInfo, ZoneLoad

WEST, EAST = (0, 0), (0, 1_000_000)


def car(n: int) -> Identity:
    return identity("Org1MSP", f"car{n}")


@pytest.fixture
def world() -> World:
    world = World()
    approve(world.registry, "zone", ZoneInfo("zone-a", *WEST, 4, trust_in("zone-a", ORGS)))
    approve(world.registry, "zone", ZoneInfo("zone-b", *EAST, 4, trust_in("zone-b", ORGS)))
    return world


def assign(world: World, n: int, at: tuple[int, int] = WEST) -> Device:
    return decode(Device, world.registry.submit(car(n), "registry:assign", *at))


def deltas(world: World, zone: str) -> dict[str, int]:
    found: dict[str, int] = {}
    bookmark = ""
    while True:
        answer = world.registry.evaluate(CLIENT, "registry:deltas", zone, 2, bookmark)
        rows, bookmark = decode(tuple[tuple[tuple[str, int], ...], str], answer)
        found |= dict(rows)
        if not bookmark:
            return found


def loads(world: World) -> dict[str, int]:
    zones = decode(tuple[ZoneLoad, ...], world.registry.evaluate(CLIENT, "registry:zones"))
    return {each.zone.id: each.load for each in zones}


def fold(world: World) -> None:
    for zone in ("zone-a", "zone-b"):
        if rows := deltas(world, zone):
            world.registry.submit(CLIENT, "registry:fold", zone, tuple(rows))


def test_a_device_is_put_in_its_nearest_zone_and_found_there(world: World) -> None:
    assert assign(world, 1).zone == "zone-a"
    placed = assign(world, 2, EAST)
    assert placed == Device(car(2).account, *EAST, "zone-b", 0)
    assert decode(Device, world.registry.evaluate(CLIENT, "registry:device", car(2).account)) == placed
    assert {d.id for d in pages(world.registry, "registry:devices", Device, 1)} == {car(1).account, car(2).account}
    assert world.registry.events[-1].name == "assigned"


def test_a_full_zone_is_skipped_and_full_zones_refuse(world: World) -> None:
    zones = []
    for n in range(8):
        zones.append(assign(world, n).zone)
        fold(world)
    assert sorted(zones) == ["zone-a"] * 4 + ["zone-b"] * 4
    assert loads(world) == {"zone-a": 4, "zone-b": 4}
    refused(world.registry, LimitExceeded, car(9), "registry:assign", *WEST)


def test_devices_placed_at_the_same_time_do_not_conflict(world: World) -> None:
    together = [world.registry.endorse(car(n), "registry:assign", *WEST) for n in range(5)]
    assert [world.registry.commit(each) for each in together] == [VALID] * 5
    assert len(deltas(world, "zone-a")) == 5
    assert loads(world) == {"zone-a": 0, "zone-b": 0}
    fold(world)
    assert loads(world) == {"zone-a": 5, "zone-b": 0}
    assert deltas(world, "zone-a") == {}


def test_a_fold_is_not_disturbed_by_devices_placed_meanwhile(world: World) -> None:
    assign(world, 1)
    held = world.registry.endorse(CLIENT, "registry:fold", "zone-a", tuple(deltas(world, "zone-a")))
    assign(world, 2)
    assert world.registry.commit(held) == VALID
    assert loads(world)["zone-a"] == 1
    fold(world)
    assert loads(world)["zone-a"] == 2


def test_nothing_is_folded_twice(world: World) -> None:
    assign(world, 1)
    rows = tuple(deltas(world, "zone-a"))
    first, second = (world.registry.endorse(CLIENT, "registry:fold", "zone-a", rows) for _ in range(2))
    assert [world.registry.commit(first), world.registry.commit(second)] == [VALID, MVCC]
    refused(world.registry, NotFound, CLIENT, "registry:fold", "zone-a", rows)
    assert loads(world)["zone-a"] == 1


def test_one_row_named_twice_counts_once(world: World) -> None:
    assign(world, 1)
    (row,) = deltas(world, "zone-a")
    refused(world.registry, NotFound, CLIENT, "registry:fold", "zone-a", (row, row))
    refused(world.registry, NotFound, CLIENT, "registry:fold", "zone-b", (row,))
    refused(world.registry, Malformed, CLIENT, "registry:fold", "zone-a", ())


def test_a_device_that_moves_takes_its_load_along_and_does_not_flap(world: World) -> None:
    assign(world, 1)
    fold(world)
    border = (0, 520_000)
    stayed = decode(Device, world.registry.submit(car(1), "registry:move", *border))
    assert (stayed.zone, stayed.longitude_e6, stayed.moves) == ("zone-a", 520_000, 0)
    assert deltas(world, "zone-a") == {}
    moved = decode(Device, world.registry.submit(car(1), "registry:move", *EAST))
    assert (moved.zone, moved.moves) == ("zone-b", 1)
    fold(world)
    assert loads(world) == {"zone-a": 0, "zone-b": 1}


def test_a_device_cannot_be_in_two_zones(world: World) -> None:
    both = [world.registry.endorse(car(1), "registry:assign", *at) for at in (WEST, EAST)]
    assert [world.registry.commit(each) for each in both] == [VALID, MVCC]
    refused(world.registry, AlreadyExists, car(1), "registry:assign", *EAST)


def test_bad_devices(world: World) -> None:
    refused(world.registry, NotFound, car(1), "registry:move", *WEST)
    refused(world.registry, NotFound, CLIENT, "registry:device", "nobody")
    for position in ((90_000_001, 0), (0, -180_000_001)):
        refused(world.registry, Malformed, car(1), "registry:assign", *position)
    refused(World().registry, NotFound, car(1), "registry:assign", *WEST)


def test_a_zone_changes_by_all_organisations_only(world: World) -> None:
    smaller = ZoneInfo("zone-a", *WEST, 1, trust_in("zone-a", ORGS, version=2))
    refused(world.registry, NotAllowed, CLIENT, "ledger:approve", "zone", encode(smaller))
    held = world.registry.endorse(car(1), "registry:assign", *WEST)
    approve(world.registry, "zone", smaller)
    assert world.registry.commit(held) in (MVCC, PHANTOM)
