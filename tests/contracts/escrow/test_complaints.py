"""Garbage for money: what a complaint must show, what it is worth, and that an honest seller fears none."""

import pytest
from msgspec.structs import replace

from tests.support.escrow_world import BOND, CHALLENGE, DEPOSIT, PRICE, EscrowWorld, make_goods
from tests.support.memory_stub import MVCC, VALID
from tests.support.memory_world import CLIENT, MARGIN, balance, refused
from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    LimitExceeded,
    NotConserved,
    NotFound,
    RuleBroken,
    WrongPhase,
)
from zoneshare_protocols.sharing import escrow as rules
from zoneshare_protocols.sharing.records import Phase, TradeSecret

KINDS = ("undecryptable", "other data", "other index", "other secret")


def selling(garbage: dict[int, str], chunks: int = 5) -> EscrowWorld:
    e = EscrowWorld().fund()
    e.commit(make_goods(e.terms, e.anna, garbage=garbage, chunks=chunks))
    return e


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_garbage_costs_the_price_and_the_bond(kind: str) -> None:
    e = selling({2: kind})
    e.close(e.signed(3, 3, 2), e.goods.evidence(2))
    e.begin()
    e.b.submit(CLIENT, "escrow:complain", e.goods.complaint(2))
    assert e.channel().phase is Phase.CHALLENGE
    channel = e.settle()
    assert (channel.paid, channel.returned) == (2 * PRICE, DEPOSIT - 2 * PRICE + BOND)
    assert balance(e.b, e.ben) == 500 - BOND + 2 * PRICE


def test_an_honest_seller_fears_no_complaint() -> None:
    e = selling({})
    good = e.goods.complaint(1)
    other = make_goods(e.terms, e.anna, name="other", garbage={1: "other data"})
    flipped = bytes([good.ciphertext[0] ^ 1]) + good.ciphertext[1:]
    leaf = replace(good.revealed.leaf, plain_hash=bytes(32))
    for complaint, error in [
        (good, RuleBroken),
        (replace(good, ciphertext=flipped), BadProof),
        (replace(good, ciphertext=b""), BadProof),
        (replace(good, ciphertext=e.goods.ciphertexts[2]), BadProof),
        (replace(good, secret=TradeSecret(bytes(32), good.secret.salt)), BadProof),
        (replace(good, secret=TradeSecret(good.secret.secret, bytes(32))), BadProof),
        (replace(good, revealed=e.goods.reveal(1, key=e.goods.keys[2])), BadProof),
        (replace(good, revealed=e.goods.reveal(1, key=bytes(32))), BadProof),
        (replace(good, revealed=e.goods.reveal(1, leaf=leaf)), BadProof),
        (replace(good, revealed=e.goods.reveal(1, path=())), BadProof),
        (replace(other.complaint(1), trade=good.trade), BadProof),
        (other.complaint(1), NotFound),
        (replace(good, trade=bytes(32)), NotFound),
        (replace(good, channel="0" * 64), NotFound),
    ]:
        refused(e.b, error, CLIENT, "escrow:complain", complaint)


def test_a_chunk_is_complained_about_once() -> None:
    e = selling({0: "other data"})
    twice = [e.b.endorse(CLIENT, "escrow:complain", e.goods.complaint(0)) for _ in range(2)]
    assert [e.b.commit(each) for each in twice] == [VALID, MVCC]
    refused(e.b, AlreadyExists, CLIENT, "escrow:complain", e.goods.complaint(0))
    e.close(e.signed(1, 1, 0), e.goods.evidence(0))
    e.begin()
    assert e.settle().returned == DEPOSIT + BOND


def test_two_bad_chunks_are_two_prices_and_one_bond() -> None:
    e = selling({0: "other data", 1: "undecryptable"})
    for i in (0, 1):
        e.b.submit(CLIENT, "escrow:complain", e.goods.complaint(i))
    e.close(e.signed(3, 3, 0), e.goods.evidence(0, 1, 2))
    e.begin()
    channel = e.settle()
    assert (channel.paid, channel.returned) == (PRICE, DEPOSIT - PRICE + BOND)


def test_a_chunk_never_paid_for_costs_the_bond_alone() -> None:
    e = selling({4: "other data"})
    e.b.submit(CLIENT, "escrow:complain", e.goods.complaint(4))
    e.close(e.signed(2, 2, 2))
    e.begin()
    assert e.settle().paid == 2 * PRICE


def test_a_complaint_about_an_older_trade_costs_its_bond_and_no_others() -> None:
    e = selling({4: "other data"})
    old = e.goods
    e.commit(make_goods(e.terms, e.anna, name="next", bond=30))
    e.b.submit(CLIENT, "escrow:complain", old.complaint(4))
    e.close(e.signed(6, 2, 2, earned=4 * PRICE))
    e.begin()
    channel = e.settle()
    assert (channel.paid, channel.returned) == (6 * PRICE + 30, DEPOSIT - 6 * PRICE + BOND)


def test_a_key_shown_in_the_last_moment_can_still_be_complained_about() -> None:
    e = selling({2: "undecryptable"})
    e.close(e.signed(3, 3, 2))
    e.begin()
    e.turn_to(e.now + CHALLENGE + MARGIN)
    e.b.submit(CLIENT, "escrow:challenge", e.signed(3, 3, 2), e.goods.evidence(2))
    refused(e.b, WrongPhase, CLIENT, "escrow:settle", e.id)
    e.begin()
    settle = e.b.endorse(CLIENT, "escrow:settle", e.id)
    assert settle.response.status != 200
    e.b.submit(CLIENT, "escrow:complain", e.goods.complaint(2))
    assert e.settle().paid == 2 * PRICE


def test_a_settlement_held_back_loses_to_a_complaint() -> None:
    e = selling({0: "other data"})
    e.close(e.signed(1, 1, 0), e.goods.evidence(0))
    e.begin()
    e.turn_to(e.now + CHALLENGE + MARGIN)
    held = e.b.endorse(CLIENT, "escrow:settle", e.id)
    e.b.submit(CLIENT, "escrow:complain", e.goods.complaint(0))
    assert e.b.commit(held) == MVCC
    assert e.settle().paid == 0


def test_a_complaint_counts_in_a_settlement_by_both_too() -> None:
    e = selling({1: "other data"})
    e.b.submit(CLIENT, "escrow:complain", e.goods.complaint(1))
    e.b.submit(CLIENT, "escrow:settle_final", e.final(3, 2, 2))
    assert e.channel().paid == PRICE
    refused(e.b, WrongPhase, CLIENT, "escrow:complain", e.goods.complaint(1))


def test_enough_complaints_about_one_trade() -> None:
    e = selling(dict.fromkeys(range(66), "undecryptable"), chunks=66)
    for i in range(64):
        e.b.submit(CLIENT, "escrow:complain", e.goods.complaint(i))
    refused(e.b, LimitExceeded, CLIENT, "escrow:complain", e.goods.complaint(64))
    e.close(e.signed(66, 66, 2), e.goods.evidence(*range(2, 66)))
    e.begin()
    channel = e.settle()
    assert channel.paid + channel.returned == DEPOSIT + BOND


def test_a_settlement_that_makes_or_loses_money_is_refused_with_both_numbers() -> None:
    channel = selling({}).channel()
    settled = replace(channel, phase=Phase.SETTLED, paid=DEPOSIT, returned=BOND)
    rules.check_conserved(settled)
    for paid, returned in [(DEPOSIT, BOND + 1), (DEPOSIT - 1, BOND), (DEPOSIT + BOND + 1, -1), (MAX_AMOUNT, 0)]:
        with pytest.raises(NotConserved) as refusal:
            rules.check_conserved(replace(settled, paid=paid, returned=returned))
        assert refusal.value.values == {"expected": DEPOSIT + BOND, "actual": paid + returned}
