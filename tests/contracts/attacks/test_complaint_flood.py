"""Garbage in every chunk, and a seller that uses the complaints up before the buyer can complain."""

import pytest

from tests.support.escrow_world import DEPOSIT, EscrowWorld, Goods, make_goods
from tests.support.memory_world import CLIENT, refused
from zoneshare_protocols.errors import AlreadyExists, LimitExceeded
from zoneshare_protocols.sharing.records import MAX_WINDOW

CHUNKS = MAX_WINDOW + 8
PAID = 4
"""Chunks that the buyer has signed for when it finds out."""


@pytest.fixture
def e() -> EscrowWorld:
    return EscrowWorld().fund()


@pytest.fixture
def flooded(e: EscrowWorld) -> Goods:
    """The seller has complained about 64 chunks itself, none of which the buyer has signed for."""
    goods = make_goods(
        e.terms, e.anna, chunks=CHUNKS, price=1, bond=0, garbage=dict.fromkeys(range(CHUNKS), "other data")
    )
    e.commit(goods)
    for index in range(CHUNKS - MAX_WINDOW, CHUNKS):
        e.b.submit(e.ben, "escrow:complain", goods.complaint(index))
    return goods


def test_the_sellers_own_complaints_do_not_shut_out_the_buyers(e: EscrowWorld, flooded: Goods) -> None:
    e.close(e.signed(PAID, PAID, 0), flooded.evidence(*range(PAID)))
    for index in range(PAID):
        e.b.submit(CLIENT, "escrow:complain", flooded.complaint(index))
    refused(e.b, AlreadyExists, CLIENT, "escrow:complain", flooded.complaint(0))
    e.begin()
    settled = e.settle()
    assert (settled.paid, settled.returned) == (0, DEPOSIT)


def test_what_is_not_paid_for_is_still_complained_about_a_window_long_only(e: EscrowWorld, flooded: Goods) -> None:
    refused(e.b, LimitExceeded, CLIENT, "escrow:complain", flooded.complaint(0))
    e.close(e.signed(PAID, PAID, 0), flooded.evidence(0, 1))
    refused(e.b, LimitExceeded, CLIENT, "escrow:complain", flooded.complaint(PAID))
    refused(e.b, LimitExceeded, CLIENT, "escrow:complain", flooded.complaint(2))


def test_a_key_of_another_trade_that_is_shown_makes_no_room(e: EscrowWorld, flooded: Goods) -> None:
    honest = make_goods(e.terms, e.anna, name="honest", chunks=8)
    e.commit(honest)
    e.close(e.both(e.state(2, 2, 0, goods=honest)), honest.evidence(0, 1))
    refused(e.b, LimitExceeded, CLIENT, "escrow:complain", flooded.complaint(0))
