"""A whole auction up to the commit, and what the ledger has of it then."""

from tests.contracts.seal.seal_world import RICH, SealWorld
from zoneshare_protocols.seal.phases import Phase


def test_from_notice_to_commit_and_the_losers_money() -> None:
    world = SealWorld()
    one = world.open()
    found = one.until_commit()
    assert one.auction.phase is Phase.COMMIT
    one.commit(found)
    present = one.auction
    assert present.phase is Phase.EXCHANGE
    assert present.committed == world.now
    (seat,) = found.result.outcome.winners
    winner = one.winner(seat)
    assert winner.bidder == world.ann.account
    assert [award.task for award in winner.awards] == [1, 2]
    world.books_balance()
    one.submit(world.bob, "withdraw")
    assert world.money(world.bob) == RICH
    world.books_balance()
