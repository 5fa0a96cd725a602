"""One claim for a thousand tasks, and calls that cost the same however large auction and zone are."""

from msgspec.structs import replace

from tests.contracts.seal.claim_world import ClaimWorld, Exchange
from tests.contracts.seal.seal_world import bid_for
from tests.support.memory_stub import Simulation
from zoneshare_chaincode import auction_state as state
from zoneshare_protocols.codec import encode
from zoneshare_protocols.seal.hashchain import Claim, make_chain, meta
from zoneshare_protocols.seal.ledger import Claimed
from zoneshare_protocols.seal.records import Award
from zoneshare_protocols.seal.tasks import prove, release

MANY = 1000


def cost(simulation: Simulation) -> tuple[int, int, int]:
    """Keys read, rows of ranges, keys written."""
    simulation.result()
    return len(simulation.reads), sum(len(rows) for *_, rows in simulation.ranges), len(simulation.writes)


def test_a_thousand_paywords_are_claimed_in_one_transaction() -> None:
    """The ledger as a commit and a thousand releases leave it, but for tasks 7 and 8, which failed."""
    world = ClaimWorld()
    deal = world.exchange()
    awards = tuple(Award(1, deal.seat, 1, 10_000) for _ in range(MANY))
    chain = make_chain(deal.id, deal.seat, b"s" * 32, [1] * MANY)
    winner = replace(deal.winner, awards=awards, chain=meta(deal.seat, chain))
    ledger, now = world.zone.state, world.now
    ledger[state.key(state.WINNER, deal.id, deal.seat)] = (encode(winner), 1)
    for number in range(1, MANY + 1):
        task = release(prove(winner.fresh(number), now), now, 0, published=False)
        if number not in (7, 8):
            ledger[state.key(state.TASK, deal.id, deal.seat, number)] = (encode(task), 1)
    timers = deal.round.notice.timers
    world.wait_until(timers.commit + timers.grace + awards[0].within + 1)
    before = world.money(deal.ann)
    world.call(deal.ann, "claim", Claim(deal.id, deal.seat, MANY, chain[MANY]))
    assert world.money(deal.ann) == before + MANY - 2
    assert world.see(Claimed, "claimed", deal.id, deal.seat).paid == MANY - 2


def costs(auctions: int, more_bidders: int) -> dict[str, tuple[int, int, int]]:
    """Of every call of an exchange, in a zone with so many auctions, one of which has so many more bidders."""
    world = ClaimWorld()
    for nonce in range(auctions - 1):
        world.exchange(world.notice(nonce=100 + nonce))
    one = world.open()
    others = [world.world.person(f"more{number}", world.zone, 10**6) for number in range(more_bidders)]
    for who in others:
        one.bid(who, bid_for((1, 390)))
    one.until_deposits()
    one.pay_in(world.ann, world.bob, world.cid, *others)
    one.close_deposits()
    decided = one.decide()
    one.record(decided)
    one.commit(decided)
    deal = Exchange(world, one)
    locked = deal.locked()
    found: dict[str, tuple[int, int, int]] = {}
    shown, about = deal.shown(locked), (deal.id, deal.seat)
    found["prove"] = cost(world.endorse(deal.ann, "prove", deal.message(locked), transient=shown))
    deal.prove(locked)
    found["show_payword"] = cost(world.endorse(world.dora, "show_payword", *about, 2, deal.chain[2]))
    deal.show(2)
    found["call_key"] = cost(world.endorse(world.dora, "call_key", *about, 1, 2))
    found["release"] = cost(world.endorse(deal.ann, "release", deal.key(locked), encode(locked.encrypted)))
    deal.release(locked)
    found["claim"] = cost(world.endorse(deal.ann, "claim", deal.a_claim(2)))
    return found


def test_no_call_grows_with_auctions_or_bidders() -> None:
    small = costs(1, 0)
    assert all(rows == 0 for _, rows, _ in small.values()), "no call reads a range"
    assert costs(4, 9) == small
