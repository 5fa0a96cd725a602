"""What a call reads and writes does not grow with what it does not concern."""

import pytest

from tests.contracts.seal.seal_world import Round, SealWorld, bid_for
from tests.support.memory_identity import Identity
from tests.support.memory_stub import Simulation
from tests.support.memory_world import MARGIN
from zoneshare_protocols.codec import digest
from zoneshare_protocols.seal.bids import Agreement
from zoneshare_protocols.seal.hashchain import make_chain, meta

Cost = tuple[int, int, int]
"""Keys read, rows of ranges, keys written."""


def cost(simulation: Simulation) -> Cost:
    simulation.result()
    return len(simulation.reads), sum(len(rows) for *_, rows in simulation.ranges), len(simulation.writes)


def costs(auctions: int, more_bidders: int = 0) -> dict[str, Cost]:
    """Of every call in a zone with so many auctions, in one of them that has so many more bidders."""
    world = SealWorld()
    zone = world.zone
    for nonce in range(auctions - 1):
        other = world.open(world.notice(nonce=1000 + nonce))
        other.submit(world.cid, "bid", b"h" * 32)
    found: dict[str, Cost] = {}
    opening = world.enclave.prepare(world.notice(), world.dora.account)
    found["open"] = cost(zone.endorse(world.dora, "auction:open", opening))
    one = Round(world, opening)
    others = [world.world.person(f"v{n}", zone, 10**6) for n in range(more_bidders)]
    for who in others:
        one.submit(who, "bid", digest(Agreement(b"q" * 32, b"b" * 32, who.account)))

    def tell(function: str, who: Identity, *args: object) -> None:
        found[function] = cost(zone.endorse(who, f"auction:{function}", *args))

    tell("bid", world.ann, one.id, b"h" * 32)
    one.bid(world.ann, bid_for((1, 100), (2, 100)))
    one.bid(world.bob, bid_for((1, 150), (2, 150)))
    one.close_bids()
    tell("deposit", world.ann, one.id)
    agreement = Agreement(digest(one.quote), one.bids, world.ann.account)
    tell("agree", world.ann, one.id, agreement, one.receipts[world.ann.account])
    tell("decline", world.ann, one.id)
    one.pay_in(world.ann, world.bob)
    one.close_deposits()
    decided = one.decide()
    tell("record", world.dora, decided.result, decided.signature)
    one.record(decided)
    tell("withdraw", world.bob, one.id)
    (seat,) = decided.result.outcome.winners
    chain = make_chain(one.id, seat, b"s" * 32, [award.payment for award in decided.result.outcome.of(seat)])
    tell("commit", world.dora, one.commitment((meta(seat, chain),)))
    one.commit(decided)
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    if not more_bidders:
        tell("refund", world.cid, one.id)
    return found


@pytest.fixture(scope="module")
def small() -> dict[str, Cost]:
    return costs(10)


def test_calls_cost_the_same_among_ten_and_a_hundred_auctions(small: dict[str, Cost]) -> None:
    assert costs(100) == small
    assert len(small) == 9


def test_a_partys_call_costs_the_same_among_two_and_a_hundred_bidders(small: dict[str, Cost]) -> None:
    crowded = costs(1, more_bidders=98)
    for function in crowded:
        assert crowded[function] == small[function], function
    # The head, the parameters, the account, the balance; its own record.
    assert all(reads <= 8 for reads, _, _ in crowded.values())
    assert all(rows == 0 for _, rows, _ in crowded.values())
