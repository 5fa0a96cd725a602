"""The two sides against each other: pipelined, repeated, reordered, resumed, and against a liar."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.rules.sharing.test_channel import TERMS, TRADE, A, B
from zoneshare_protocols.codec import encode
from zoneshare_protocols.errors import (
    BadAmount,
    BadSignature,
    LimitExceeded,
    Misuse,
    NotFound,
    NotNewer,
    RuleBroken,
)
from zoneshare_protocols.sharing.channel import check_signed, final_state, initial_state, next_state
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.payee import PayeeSide
from zoneshare_protocols.sharing.payer import PayerSide
from zoneshare_protocols.sharing.records import Payment, SignedState

OTHER = b"u" * 32
START = initial_state(TERMS)


def sides(window: int = 4) -> tuple[PayerSide, PayeeSide]:
    payer, payee = PayerSide(TERMS, A, START, window=window), PayeeSide(TERMS, B, START, window)
    payee.serve(TRADE, 10, 8)
    payee.serve(OTHER, 5, 3)
    payer.begin_trade(TRADE, 10)
    return payer, payee


def one(payer: PayerSide, payee: PayeeSide) -> int | None:
    """One round trip for a chunk, found right."""
    signed = payer.sign_next(0)
    release = payee.on_update(signed, 0)
    released = payer.on_release(release.signed.state.version, release.signed.payee_signature or b"")
    check_signed(TERMS, released.signed)
    assert released == (release.signed, release.chunk)
    if released.chunk is not None:
        payer.acknowledge(released.chunk)
    return released.chunk


def test_two_trades_and_the_end() -> None:
    payer, payee = sides()
    assert [one(payer, payee) for _ in range(8)] == list(range(8))
    payer.begin_trade(OTHER, 5)
    with pytest.raises(RuleBroken):
        payer.sign_next(0)
    ack = payee.on_update(payer.sign_ack(0), 0)
    assert ack.chunk is None
    payer.on_release(9, ack.signed.payee_signature or b"")
    assert [one(payer, payee) for _ in range(3)] == [0, 1, 2]
    assert payer.payment == Payment(80, OTHER, 5, 3, 2)
    final = payee.on_update(payer.sign_final(), 0)
    assert final.signed.state.final
    assert payee.payment == Payment(80, OTHER, 5, 3, 3)
    check_signed(TERMS, final.signed)


def test_a_window_is_signed_ahead_and_answered_in_order() -> None:
    payer, payee = sides(window=3)
    ahead = [payer.sign_next(0) for _ in range(3)]
    assert not payer.can_sign
    with pytest.raises(LimitExceeded):
        payer.sign_next(0)
    with pytest.raises(LimitExceeded, match="left out"):
        payee.on_update(ahead[1], 0)
    answers = [payee.on_update(signed, 0) for signed in ahead]
    with pytest.raises(NotNewer):
        payer.on_release(2, answers[1].signed.payee_signature or b"")
    with pytest.raises(BadSignature):
        payer.on_release(1, answers[1].signed.payee_signature or b"")
    assert payer.unanswered == tuple(ahead)
    for i, answer in enumerate(answers):
        payer.on_release(i + 1, answer.signed.payee_signature or b"")
    assert payer.unanswered == ()
    with pytest.raises(NotNewer):
        payer.on_release(3, answers[2].signed.payee_signature or b"")
    with pytest.raises(Misuse):
        payer.acknowledge(1)
    payer.acknowledge(0)
    assert payer.sign_next(0).state.version == 4


def test_a_repeated_update_gets_the_same_answer_and_a_changed_one_none() -> None:
    payer, payee = sides()
    first = payer.sign_next(0)
    answer = payee.on_update(first, 0)
    payee.on_update(payer.sign_next(0), 0)
    assert payee.on_update(first, 0) == answer
    assert payee.payment.count == 2
    cheaper = next_state(TERMS, TERMS.channel, 1, Payment(0, TRADE, 10, 0, 0))
    with pytest.raises(NotNewer):
        payee.on_update(SignedState(cheaper, sign(A, cheaper), None), 0)
    with pytest.raises(NotNewer):
        payee.on_update(SignedState(START, sign(A, START), None), 0)


def test_a_liar_gets_no_key() -> None:
    _, payee = sides(window=2)

    def offer(payment: Payment, version: int = 1, signature: bytes | None = None) -> None:
        state = next_state(TERMS, TERMS.channel, version, payment)
        payee.on_update(SignedState(state, signature or sign(A, state), None), 0)

    good = Payment(0, TRADE, 10, 1, 0)
    for payment, error in [
        (replace(good, trade=b"v" * 32), NotFound),
        (replace(good, price=9), RuleBroken),
        (replace(good, count=2), LimitExceeded),
        (replace(good, acked=1), LimitExceeded),
        (replace(good, price=2_000), BadAmount),
    ]:
        with pytest.raises(error):
            offer(payment)
    for signature in (bytes(64), sign(B, next_state(TERMS, TERMS.channel, 1, good))):
        with pytest.raises(BadSignature):
            offer(good, signature=signature)
    state = next_state(TERMS, TERMS.channel, 1, good)
    with pytest.raises(BadSignature):
        payee.on_update(SignedState(state, None, sign(B, state)), 0)
    assert payee.state == START
    offer(good)
    offer(replace(good, count=2), 2)
    with pytest.raises(LimitExceeded, match="window"):
        offer(replace(good, count=3), 3)
    last = payee.state
    owing = final_state(last, payee.payment)
    with pytest.raises(RuleBroken, match="acknowledged"):
        payee.on_update(SignedState(owing, sign(A, owing), None), 0)


def test_a_trade_has_no_more_chunks_than_it_has() -> None:
    payer, payee = sides(window=1)
    for _ in range(8):
        one(payer, payee)
    with pytest.raises(LimitExceeded, match="more chunks"):
        payee.on_update(payer.sign_next(0), 0)


def test_locks_that_run_out_stop_both_sides() -> None:
    payer, payee = sides()
    with pytest.raises(LimitExceeded, match="run out"):
        payer.sign_next(99_001)
    with pytest.raises(LimitExceeded, match="run out"):
        payee.on_update(payer.sign_next(99_000), 99_001)


def test_the_final_state_waits_for_what_is_owed() -> None:
    payer, payee = sides()
    signed = payer.sign_next(0)
    with pytest.raises(RuleBroken):
        payer.sign_final()
    answer = payee.on_update(signed, 0)
    payer.on_release(1, answer.signed.payee_signature or b"")
    with pytest.raises(RuleBroken):
        payer.sign_final()
    payer.acknowledge(0)
    assert payer.sign_final().state.final


def test_an_answer_that_comes_after_its_key_stood_on_the_ledger_changes_nothing() -> None:
    payer, payee = sides()
    answers = [payee.on_update(payer.sign_next(0), 0) for _ in range(2)]
    # A crashed, and found the keys of both chunks on the ledger before B's answers came.
    again = PayerSide(TERMS, A, START, sent=payer.unanswered, window=4, acked=2)
    for index, answer in enumerate(answers):
        again.on_release(index + 1, answer.signed.payee_signature or b"")
        again.acknowledge(index)
    assert again.sign_next(0).state.app_state == encode(Payment(0, TRADE, 10, 3, 2))
    with pytest.raises(Misuse):
        again.acknowledge(2)


moves = st.one_of(
    st.just(("sign", 0, 0)),
    st.tuples(st.just("send"), st.integers(1, 3), st.integers(0, 3)),
    st.just(("crash A", 0, 0)),
    st.just(("crash B", 0, 0)),
)
ALL = [("sign", 0, 0), ("send", 3, 3)] * 8


@settings(max_examples=150, deadline=None)
@given(st.lists(moves, max_size=30))
def test_lost_repeated_and_crashed_sides_come_to_the_same_end(story: list[tuple[str, int, int]]) -> None:
    """Any order of signing, sending, losing answers; both sides rebuilt from what they wrote down at any point."""
    payer, payee = sides(window=3)
    taken: list[SignedState] = []
    both, right = START, 0
    for move, sent, answered in story + ALL:
        if move == "sign" and payer.can_sign and payer.payment.count < 8:
            payer.sign_next(0)
        elif move == "send":
            answers = [payee.on_update(signed, 0) for signed in payer.unanswered[:sent]]
            known = len(taken)
            taken += [a.signed for a in answers if a.signed.state.version > known]
            for answer in answers[:answered]:
                released = payer.on_release(answer.signed.state.version, answer.signed.payee_signature or b"")
                both = released.signed.state
                if released.chunk is not None:
                    payer.acknowledge(released.chunk)
                    right += 1
        elif move == "crash A":
            payer = PayerSide(TERMS, A, both, sent=payer.unanswered, window=3, acked=right)
            if not payer.payment.trade:
                payer.begin_trade(TRADE, 10)
        elif move == "crash B":
            payee = PayeeSide(TERMS, B, START, 3, taken=taken)
            payee.serve(TRADE, 10, 8)
    assert payee.payment.count == payer.payment.count == right == 8
    final = payee.on_update(payer.sign_final(), 0)
    assert final.signed.state.app_state == encode(Payment(0, TRADE, 10, 8, 8))
