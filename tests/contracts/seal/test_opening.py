"""Opening an auction: whose enclave, which program, which platform, and when."""

import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.contracts.seal.seal_world import DAY, STEP, SealWorld
from tests.rules.seal.market import TERMS, task
from tests.support.memory_identity import identity
from tests.support.memory_world import ORGS, TOLERANCE, World, refused
from zoneshare.seal.platform import KEY_FILE, SimulatedPlatform, make_simulated_platform
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    BadSignature,
    LimitExceeded,
    Malformed,
    Misuse,
    NotAllowed,
    NotFound,
    NotNewer,
    TooEarly,
    TooLate,
    ZoneshareError,
)
from zoneshare_protocols.fabric.chain import UnknownAuthority
from zoneshare_protocols.seal.attestation import check_opening
from zoneshare_protocols.seal.ledger import Opening, PlatformRoot, ProofKey
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.sharing.keys import sign


@pytest.fixture(scope="module")
def world() -> SealWorld:
    return SealWorld()


def opening(world: SealWorld, nonce: int = 0) -> Opening:
    return world.enclave.prepare(world.notice(nonce=nonce), world.dora.account)


def refuse(world: SealWorld, error: type[ZoneshareError], tried: Opening) -> Exception:
    return refused(world.zone, error, world.dora, "auction:open", tried)


def other_platform(world: SealWorld, folder: Path, begins: int, valid: datetime.timedelta) -> SimulatedPlatform:
    """One that the zone allows beside the first."""
    moment = datetime.datetime.fromtimestamp(begins / 1000, datetime.UTC)
    root = make_simulated_platform(folder, moment, valid)
    world.rules = replace(world.rules, version=world.rules.version + 1, platforms=(*world.rules.platforms, root))
    world.approve(world.rules)
    return SimulatedPlatform(folder, world.trust)


def on(world: SealWorld, platform: SimulatedPlatform, made: int | None = None) -> Opening:
    notice = world.notice(nonce=77)
    quote = platform.quote(notice.id, b"s" * 32, b"x" * 32, world.now if made is None else made)
    return Opening(notice, quote, platform.chain)


def test_opened_as_the_table_says(world: SealWorld) -> None:
    one = world.open()
    assert one.auction.phase is Phase.INIT
    assert world.ask(Opening, "opening", one.id) == one.opening
    assert isinstance(refuse(world, AlreadyExists, one.opening), AlreadyExists)


def test_by_its_drone_only(world: SealWorld) -> None:
    refused(world.zone, NotAllowed, world.ann, "auction:open", opening(world, 1))


def test_another_program_is_refused(world: SealWorld) -> None:
    """The zone's rules, the notice and the quote must all name the same."""
    notice = replace(world.notice(), measurement=b"m" * 32)
    forged = replace(opening(world, 1), notice=notice)
    refuse(world, NotAllowed, forged)
    other = world.other_program
    assert other.measurement != world.platform.measurement
    refuse(world, BadProof, on(world, other))


def test_a_quote_of_another_auction_or_key(world: SealWorld) -> None:
    one, other = opening(world, 1), opening(world, 2)
    refuse(world, BadProof, replace(one, quote=other.quote))
    changed = replace(one.quote, quote=replace(one.quote.quote, signing_key=b"k" * 32))
    refuse(world, BadSignature, replace(one, quote=changed))


def test_a_simulated_platform_must_say_so(world: SealWorld) -> None:
    one = opening(world, 1)
    lying = replace(one.quote.quote, simulated=False)
    signed = replace(one.quote, quote=lying, signature=sign(world.platform._key, lying))
    assert "simulated" in str(refuse(world, BadProof, replace(one, quote=signed)))


def test_a_quote_out_of_its_time(world: SealWorld) -> None:
    refuse(world, TooLate, on(world, world.platform, world.now - STEP - 1))
    refuse(world, TooEarly, on(world, world.platform, world.now + TOLERANCE + 1))


def test_a_platforms_clock_may_be_ahead_by_the_zones_tolerance() -> None:
    world = SealWorld()
    ahead = on(world, world.platform, world.now + TOLERANCE)
    world.submit(world.dora, "open", ahead)
    with pytest.raises(TooEarly):
        check_opening(ahead, world.rules, world.now)
    check_opening(ahead, world.rules, world.now, opened=world.now, tolerance=TOLERANCE)


def test_an_unknown_platform(world: SealWorld, tmp_path: Path) -> None:
    make_simulated_platform(tmp_path, datetime.datetime.fromtimestamp(world.now / 1000, datetime.UTC))
    refuse(world, UnknownAuthority, on(world, SimulatedPlatform(tmp_path, world.trust)))


def test_an_expired_certificate(tmp_path: Path) -> None:
    world = SealWorld()
    platform = other_platform(world, tmp_path, world.now, datetime.timedelta(seconds=2 * STEP / 1000))
    assert "before the auction is over" in str(refuse(world, TooLate, on(world, platform)))
    world.wait_until(world.now + 2 * STEP + 1000)
    assert "has expired" in str(refuse(world, TooLate, on(world, platform)))


def test_a_certificate_not_yet_valid(tmp_path: Path) -> None:
    world = SealWorld()
    refuse(world, TooEarly, on(world, other_platform(world, tmp_path, world.now + DAY, datetime.timedelta(days=2))))


def test_no_chain_is_refused(world: SealWorld) -> None:
    refuse(world, Malformed, replace(opening(world, 1), chain=(b"no certificate",)))


@pytest.mark.parametrize("mark", ["init", "deposit", "auction", "commit", "claim"])
def test_timers_must_rise_and_leave_time(world: SealWorld, mark: str) -> None:
    notice = world.notice(nonce=3)
    timers = replace(notice.timers, **{mark: world.now})
    changed = replace(notice, timers=timers)
    refuse(world, Malformed, world.enclave.prepare(changed, world.dora.account))


def test_tasks_that_cannot_be_auctioned(world: SealWorld) -> None:
    twice = world.notice(tasks=(task(1), task(1)), nonce=4)
    refuse(world, Malformed, world.enclave.prepare(twice, world.dora.account))
    free = replace(TERMS, cap=0, cloud=None, local=None)
    worthless = world.notice(terms=free, nonce=5)
    refuse(world, Malformed, world.enclave.prepare(worthless, world.dora.account))
    huge = world.notice(terms=replace(free, cap=2**63 - 1), nonce=6)
    refuse(world, LimitExceeded, world.enclave.prepare(huge, world.dora.account))


def test_without_rules_no_auction() -> None:
    bare = World()
    who = bare.person("dora", bare.a)
    with_rules = SealWorld()
    found = replace(with_rules.notice(), drone=who.account)
    made = Opening(found, opening(with_rules, 1).quote, with_rules.platform.chain)
    assert "rules for auctions" in str(refused(bare.a, NotFound, who, "auction:open", made))


def test_rules_are_the_organisations_together() -> None:
    world = SealWorld()
    new = replace(world.rules, version=2, measurements=(b"n" * 32,))
    world.approve(new, ORGS[:1])
    assert world.ask(type(new), "zone") == world.rules
    refused(world.zone, NotAllowed, world.dora, "auction:approve", new)
    world.approve(new, ORGS[1:])
    assert world.ask(type(new), "zone") == new
    refuse(world, NotAllowed, opening(world))


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (Malformed, {"zone": "zone-b"}),
        (NotNewer, {"version": 1}),
        (NotNewer, {"version": 3}),
        (Malformed, {"measurements": ()}),
        (Malformed, {"platforms": ()}),
        (NotAllowed, {"production": True}),
    ],
)
def test_rules_that_are_none(world: SealWorld, error: type[ZoneshareError], change: dict[str, object]) -> None:
    admin = identity(ORGS[0], "admin", "admin")
    base = replace(world.rules, version=world.rules.version + 1)
    refused(world.zone, error, admin, "auction:approve", replace(base, **change))


def test_a_production_zone_takes_nothing_simulated_and_nothing_unsafe() -> None:
    world = SealWorld()
    admin = identity(ORGS[0], "admin", "admin")
    hardware = replace(world.rules.platforms[0], simulated=False)
    real = replace(world.rules, version=2, production=True, platforms=(hardware,))
    unsafe = ProofKey("result", b"v" * 32, unsafe=True)
    refused(world.zone, NotAllowed, admin, "auction:approve", replace(real, proof_keys=(unsafe,)))
    world.approve(replace(real, proof_keys=(replace(unsafe, unsafe=False),)))
    # The simulated platform's quote, even under a root that the zone believes to be hardware's.
    refuse(world, BadProof, opening(world))


def test_a_root_that_is_no_ca(world: SealWorld) -> None:
    admin = identity(ORGS[0], "admin", "admin")
    root = PlatformRoot(world.platform.chain[0], simulated=True)
    new = replace(world.rules, version=world.rules.version + 1, platforms=(root,))
    refused(world.zone, Malformed, admin, "auction:approve", new)


def test_a_platform_is_made_once(world: SealWorld, tmp_path: Path) -> None:
    with pytest.raises(Misuse):
        SimulatedPlatform(tmp_path, world.trust)
    make_simulated_platform(tmp_path, datetime.datetime.now(datetime.UTC))
    with pytest.raises(Misuse):
        make_simulated_platform(tmp_path, datetime.datetime.now(datetime.UTC))
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(Misuse, match="read by others"):
        SimulatedPlatform(tmp_path, world.trust)
