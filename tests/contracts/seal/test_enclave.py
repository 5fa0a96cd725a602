"""The enclave's program: what it believes, what it takes, and that it says nothing but the result."""

import logging
import subprocess
import sys
from typing import Any

import pytest
from msgspec.structs import replace
from pyhpke import KEMKey

from tests.contracts.seal.seal_world import DWELL, MemoryStore, Round, SealWorld, bid_for
from tests.support.memory_identity import Identity
from tests.support.memory_proofs import prove
from tests.support.memory_world import CLIENT
from zoneshare.seal import enclave as program
from zoneshare.seal import measurement
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.measurement import MODULES, measure, source
from zoneshare.seal.sealing import SUITE, open_bid, seal_bid
from zoneshare.seal.setup import make_notice
from zoneshare_protocols.codec import encode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    DataCorrupt,
    InsufficientFunds,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
)
from zoneshare_protocols.seal import bids
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.bids import SealedBid
from zoneshare_protocols.seal.deposits import drone_deposit
from zoneshare_protocols.seal.records import Bid, Bidder, Item


@pytest.fixture
def one() -> Round:
    return SealWorld().open()


def hand_in(one: Round, who: Identity, sealed: SealedBid) -> None:
    """A sealed bid as it is, however bad."""
    one.submit(who, "bid", sealed.hash)
    one.sealed[who.account] = sealed
    one.receipts[who.account] = one.world.enclave.take(sealed, who.account)


def through(one: Round, *bidders: Identity) -> None:
    one.close_bids()
    one.pay_in(*bidders)
    one.close_deposits()


def junk(one: Round, who: Identity, plaintext: bytes, *, aad: bytes | None = None) -> SealedBid:
    """Well sealed to the enclave, with another plaintext or context."""
    key = KEMKey.from_pyca_cryptography_key(one.world.enclave._auctions[one.id].sealing.public_key())
    enc, context = SUITE.create_sender_context(key, info=b"zoneshare/seal-bid/1")
    bound = bids.aad(one.id, who.account, one.quote.sealing_key) if aad is None else aad
    return SealedBid(one.id, who.account, enc + context.seal(plaintext, bound))


def test_it_decides_as_the_rules_do(one: Round) -> None:
    world = one.world
    one.until_auction()
    found = one.decide()
    ready = world.enclave._ready(one.order())[0]
    prices = {world.ann.account: 100, world.bob.account: 150, world.cid.account: 400}
    bidders = [
        Bidder(entry.seat, DWELL, bid_for((1, prices[entry.bidder]), (2, prices[entry.bidder])))
        for entry in ready.bid_set.entries
    ]
    assert found.result.outcome == run(one.notice.tasks, bidders, one.notice.terms)
    assert found.result.refused == ()


def test_the_result_tells_the_critical_bids_and_no_others(one: Round) -> None:
    """Appendix D: it is the same for whatever else winners and losers have bid; another critical bid moves it by 1."""
    world = one.world
    other, moved = world.open(world.notice(nonce=1)), world.open(world.notice(nonce=2))
    rounds = {one: (100, 150, 400), other: (37, 150, 999), moved: (100, 151, 400)}
    for each, prices in rounds.items():
        for who, price in zip((world.ann, world.bob, world.cid), prices, strict=True):
            each.bid(who, bid_for((1, price), (2, price)))
    for each in rounds:
        each.close_bids()
    for each in rounds:
        each.pay_in(world.ann, world.bob, world.cid)
    for each in rounds:
        each.close_deposits()
    found = [each.decide().result.outcome for each in rounds]
    assert found[0] == found[1]
    paid = [[award.payment for award in outcome.awards] for outcome in found]
    assert paid[2] == [payment + 1 for payment in paid[0]]


def test_it_prepares_for_the_drone_and_its_own_program_only(one: Round) -> None:
    world = one.world
    notice = world.notice(nonce=1)
    with pytest.raises(NotAllowed):
        world.enclave.prepare(notice, world.ann.account)
    with pytest.raises(BadProof):
        world.enclave.prepare(replace(notice, measurement=b"m" * 32), world.dora.account)
    opening = world.enclave.prepare(notice, world.dora.account)
    assert world.enclave.prepare(notice, world.dora.account) == opening
    assert opening.quote.quote.sealing_key != one.quote.sealing_key


def test_it_has_room_for_so_many_auctions(one: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    world = one.world
    monkeypatch.setattr(program, "MAX_AUCTIONS", 2)
    world.enclave.prepare(world.notice(nonce=1), world.dora.account)
    with pytest.raises(LimitExceeded):
        world.enclave.prepare(world.notice(nonce=2), world.dora.account)
    world.wait_until(one.notice.timers.auction + 1)
    world.enclave.prepare(world.notice(nonce=3), world.dora.account)
    assert one.id not in world.store.sealed


def test_it_takes_one_bid_each_from_its_maker(one: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    world, ann = one.world, one.world.ann
    sealed = seal_bid(bid_for((1, 100)), one.notice, one.quote, ann.account)
    with pytest.raises(NotAllowed):
        world.enclave.take(sealed, world.bob.account)
    receipt = world.enclave.take(sealed, ann.account)
    assert world.enclave.take(sealed, ann.account) == receipt
    with pytest.raises(AlreadyExists):
        world.enclave.take(seal_bid(bid_for((1, 101)), one.notice, one.quote, ann.account), ann.account)
    with pytest.raises(NotFound):
        world.enclave.take(replace(sealed, auction=b"a" * 32), ann.account)
    monkeypatch.setattr(program, "MAX_HELD", 1200)
    with pytest.raises(LimitExceeded):
        world.enclave.take(seal_bid(bid_for((1, 101)), one.notice, one.quote, world.bob.account), world.bob.account)


def test_a_bid_is_sealed_only_to_its_own_auctions_enclave_and_when_it_fits(one: Round) -> None:
    other = one.world.open(one.world.notice(nonce=1))
    with pytest.raises(BadProof):
        seal_bid(bid_for((1, 1)), one.notice, other.quote, "ann")
    with pytest.raises(LimitExceeded):
        seal_bid(Bid(10, (Item(1, 11, 5),)), one.notice, one.quote, "ann")
    with pytest.raises(Malformed):
        seal_bid(bid_for((7, 1)), one.notice, one.quote, "ann")


def test_the_size_of_a_sealed_bid_tells_nothing_of_few_tasks(one: Round) -> None:
    sealed = [seal_bid(bid, one.notice, one.quote, "ann") for bid in (bid_for((1, 1)), bid_for((1, 10**9), (2, 10**9)))]
    assert len({len(each.sealed) for each in sealed}) == 1


def test_what_is_no_bid_is_out_and_stops_nobody(one: Round) -> None:
    """Not to this key, for somebody else, no bid inside, a task twice: refused, not why."""
    world = one.world
    people = [world.world.person(f"p{n}", world.zone, 10**6) for n in range(5)]
    good = encode(bid_for((1, 1)))
    length = len(good).to_bytes(4, "big")
    twice = encode(Bid(4, (Item(1, 2, 1), Item(1, 2, 1))))
    bad = [
        SealedBid(one.id, people[0].account, b"\x09" + bytes(2000)),
        junk(one, people[1], length + good, aad=b"somebody else's"),
        junk(one, people[2], b"\xff" * 100),
        junk(one, people[3], len(twice).to_bytes(4, "big") + twice),
        replace(seal_bid(bid_for((1, 1)), one.notice, one.quote, world.bob.account), bidder=people[4].account),
    ]
    for who, sealed in zip(people, bad, strict=True):
        hand_in(one, who, sealed)
    one.bid(world.ann, bid_for((1, 100), (2, 100)))
    through(one, world.ann, *people)
    found = one.decide()
    entries = {entry.bidder: entry.seat for entry in world.enclave._ready(one.order())[0].bid_set.entries}
    assert found.result.refused == tuple(sorted(entries[who.account] for who in people))
    assert found.result.outcome.winners == (entries[world.ann.account],)
    one.record(found)


def test_a_bid_over_its_budget_is_cut_in_the_order_of_urgency(one: Round) -> None:
    world = one.world
    over = encode(Bid(10**9, (Item(1, 10**9, 1), Item(2, 10**9, 1))))
    hand_in(one, world.ann, junk(one, world.ann, len(over).to_bytes(4, "big") + over))
    through(one, world.ann)
    found = one.decide()
    assert [award.task for award in found.result.outcome.awards] == [1]


def test_a_host_that_loses_a_bid_gets_no_result(one: Round) -> None:
    world = one.world
    one.until_auction()
    world.store.bids[one.id] = [bid for bid in world.store.bids[one.id] if bid.bidder != world.bob.account]
    world.enclave = world.start_enclave()
    with pytest.raises(BadProof, match="missing=1"):
        one.decide()
    found = one.decide((one.sealed[world.bob.account],))
    one.record(found)


def test_a_bid_that_the_host_did_not_take_is_on_the_ledger(one: Round) -> None:
    world = one.world
    sealed = one.bid(world.ann, bid_for((1, 100)), deliver=False)
    through(one, world.ann)
    with pytest.raises(BadProof):
        one.decide()
    published: SealedBid = world.ask(SealedBid, "sealed", one.id, world.ann.account)
    assert published == sealed
    one.record(one.decide((published,)))


def test_a_bidder_that_forgot_its_first_bid_goes_on_by_the_ledger(one: Round) -> None:
    """Killed between enclave and ledger, it seals anew: the bid whose hash is on the ledger counts."""
    world, ann = one.world, one.world.ann
    forgotten = seal_bid(bid_for((1, 700)), one.notice, one.quote, ann.account)
    world.enclave.take(forgotten, ann.account)
    sealed = one.bid(ann, bid_for((1, 100)), deliver=False)
    with pytest.raises(AlreadyExists):
        world.enclave.take(sealed, ann.account)
    through(one, ann)
    found = one.decide((sealed,))
    assert [award.task for award in found.result.outcome.awards] == [1]


def test_a_bid_of_who_takes_no_part_is_not_opened(one: Round) -> None:
    world = one.world
    one.bid(world.ann, bid_for((1, 100)))
    one.bid(world.bob, bid_for((1, 1)))
    through(one, world.ann)
    found = one.decide()
    assert [award.payment for award in found.result.outcome.awards] == [
        award.payment for award in run(one.notice.tasks, [Bidder(1, DWELL, bid_for((1, 100)))], one.notice.terms).awards
    ]


def test_it_believes_the_ledgers_endorsers_only(one: Round) -> None:
    one.until_auction()
    order = one.order()
    world = one.world
    with pytest.raises(BadProof):
        world.enclave.decide(replace(order, response_payload=order.response_payload + b"0"), ())
    with pytest.raises(BadProof, match="policy"):
        world.enclave.decide(replace(order, endorsements=order.endorsements[:1]), ())
    with pytest.raises(BadProof):
        world.enclave.decide(prove(world.zone, CLIENT, "auction:auction", one.id), ())
    with pytest.raises(BadProof, match="channel"):
        world.enclave.decide(prove(world.world.b, CLIENT, "ledger:parameters"), ())


def test_it_runs_once_and_the_same_order_gets_the_same_result(one: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    world = one.world
    one.until_auction()
    found = one.decide()
    assert one.decide() == found
    ready, here = world.enclave._ready(one.order())
    fewer = replace(ready, bid_set=replace(ready.bid_set, entries=ready.bid_set.entries[:1]))
    monkeypatch.setattr(Enclave, "_ready", lambda *_: (fewer, here))
    with pytest.raises(NotAllowed, match="once"):
        one.decide()


def test_restarted_on_an_old_disk_it_decides_the_same(one: Round) -> None:
    """There is one set of bids: rolling the disk back and replaying the order teaches the host nothing."""
    world = one.world
    before = dict(world.store.sealed)
    one.until_auction()
    found = one.decide()
    world.store.sealed = before
    world.enclave = world.start_enclave()
    assert one.decide() == found


def test_its_disk_is_read_by_the_same_program_on_the_same_platform_only(
    one: Round, caplog: pytest.LogCaptureFixture
) -> None:
    world = one.world
    sealed = world.store.sealed[one.id]
    with pytest.raises(DataCorrupt):
        world.other_program.unseal(sealed, one.id)
    with pytest.raises(DataCorrupt):
        world.platform.unseal(sealed, b"another auction")
    with pytest.raises(DataCorrupt):
        world.platform.unseal(b"short", one.id)
    world.store.sealed = {b"o" * 32: sealed, one.id: sealed}
    again = world.start_enclave()
    assert "cannot go on" in caplog.text
    assert again.prepare(one.notice, world.dora.account) == one.opening


def test_another_enclave_of_the_same_program_is_not_the_auctions(one: Round) -> None:
    """One that was prepared for the same notice has other keys: neither order nor result fits."""
    world = one.world
    one.until_auction()
    other = Enclave(world.platform, world.trust, MemoryStore(), lambda: world.now)
    with pytest.raises(NotFound):
        other.decide(one.order(), ())
    other.prepare(one.notice, world.dora.account)
    with pytest.raises(BadProof, match="another enclave"):
        other.decide(one.order(), tuple(one.sealed.values()))


def test_the_drones_deposit_is_checked_inside(one: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    one.until_auction()
    ready, here = one.world.enclave._ready(one.order())
    monkeypatch.setattr(Enclave, "_ready", lambda *_: (replace(ready, deposit=ready.deposit - 1), here))
    with pytest.raises(InsufficientFunds):
        one.decide()


def test_nothing_of_a_bid_is_logged_or_raised(one: Round, caplog: pytest.LogCaptureFixture) -> None:
    world, number = one.world, 73_129_465_817
    caplog.set_level(logging.DEBUG)
    bad = Bid(number, (Item(7, number, number), Item(7, number, number)))
    sealed = junk(one, world.ann, len(encode(bad)).to_bytes(4, "big") + encode(bad))
    private = world.enclave._auctions[one.id].sealing
    assert open_bid(sealed, private) == bad
    hand_in(one, world.ann, sealed)
    broken = junk(one, world.bob, b"\0\0\0\x0b" + str(number).encode())
    with pytest.raises(Malformed) as refusal:
        open_bid(broken, private)
    assert str(number) not in repr(refusal.value.__dict__) + str(refusal.value)
    assert refusal.value.__suppress_context__
    hand_in(one, world.bob, broken)
    through(one, world.ann, world.bob)
    assert str(number) not in caplog.text + repr(one.decide())


def test_a_notice_that_the_balance_covers(one: Round) -> None:
    """H9: the least urgent tasks are left out before anybody bids."""
    notice = one.notice
    tasks = [replace(task, urgency=task.id) for task in notice.tasks]
    options: dict[str, Any] = {"measurement": notice.measurement, "nonce": notice.nonce}
    whole = drone_deposit(tasks, notice.terms)
    kept = make_notice(notice.drone, tasks, notice.terms, notice.timers, budget=whole - 1, **options)
    assert [task.id for task in kept.tasks] == [2]
    assert len(make_notice(notice.drone, tasks, notice.terms, notice.timers, budget=whole, **options).tasks) == 2
    with pytest.raises(InsufficientFunds):
        make_notice(notice.drone, tasks, notice.terms, notice.timers, budget=10, **options)


def test_the_measurement_covers_all_that_the_program_loads() -> None:
    code = "import sys, zoneshare.seal.enclave; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.partition(".")[0] in ("zoneshare", "zoneshare_protocols")}
    assert ours == set(MODULES)


def test_the_measurement_is_of_sources_and_zone(one: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    trust = one.world.trust
    assert measure(trust) == one.world.platform.measurement
    assert measure(replace(trust, version=trust.version + 1)) != measure(trust)
    changed = "zoneshare_protocols.seal.auction"
    before = measure(trust)
    monkeypatch.setattr(measurement, "source", lambda name: source(name) + b"#" * (name == changed))
    measurement.program.cache_clear()
    assert measure(trust) != before
    measurement.program.cache_clear()
