"""Which state may follow which: every refusal by its type, and that what follows never pays B less."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from zoneshare_protocols.codec import MAX_AMOUNT, decode, encode
from zoneshare_protocols.errors import (
    BadAmount,
    BadSignature,
    LimitExceeded,
    Malformed,
    NotFound,
    NotNewer,
    RuleBroken,
    ZoneshareError,
)
from zoneshare_protocols.sharing.channel import (
    check_signed,
    check_terms,
    check_update,
    final_state,
    initial_state,
    lock_of,
    next_state,
    updates_left,
)
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.payment import PAYMENT, check_payment_step, spent
from zoneshare_protocols.sharing.records import MAX_WINDOW, ChannelTerms, Payment, SignedState, State

A = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
B = Ed25519PrivateKey.from_private_bytes(b"b" * 32)
TERMS = ChannelTerms(
    "zone-a", "anna", A.public_key().public_bytes_raw(), "zone-b", "ben", B.public_key().public_bytes_raw(),
    1_000, 50_000, 100_000, 1_000, 5_000, bytes(16),
)  # fmt: skip
TRADE = b"t" * 32
LAST = Payment(earned=100, trade=TRADE, price=10, count=7, acked=5)


def state(payment: Payment, version: int = 8, **changes: Any) -> State:
    return replace(next_state(TERMS, TERMS.channel, version, payment), **changes)


def follow(new: State, last: Payment = LAST, earliest: int = 0) -> None:
    check_update(TERMS, state(last), new, earliest)


def step(**changes: Any) -> State:
    return state(replace(LAST, **changes), 9)


def test_the_states_that_may_follow() -> None:
    follow(step(count=8))
    follow(step(acked=7))
    follow(step(count=8, acked=7))
    done = replace(LAST, acked=7)
    follow(state(Payment(170, b"u" * 32, 20, 1, 0), 9), done)
    follow(final_state(state(LAST), LAST))
    follow(final_state(state(LAST), done))
    check_update(TERMS, initial_state(TERMS), state(Payment(0, TRADE, 10, 1, 0), 1))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"count": 6}, NotNewer),
        ({"acked": 4, "count": 8}, NotNewer),
        ({"earned": 99, "count": 8}, NotNewer),
        ({"earned": 101, "count": 8}, RuleBroken),
        ({}, NotNewer),
        ({"count": 9}, LimitExceeded),
        ({"count": 8, "acked": 9}, LimitExceeded),
        ({"price": 9, "count": 8}, RuleBroken),
        ({"price": 11, "count": 8}, RuleBroken),
        ({"trade": b"u" * 32, "count": 1, "acked": 0, "earned": 170}, RuleBroken),
    ],
)
def test_a_payment_that_may_not_follow(changes: dict[str, Any], error: type[ZoneshareError]) -> None:
    with pytest.raises(error) as refusal:
        follow(step(**changes))
    assert type(refusal.value) is error


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"earned": 169}, NotNewer),
        ({"earned": 171}, RuleBroken),
        ({"count": 2}, LimitExceeded),
        ({"count": 0}, LimitExceeded),
        ({"count": 1, "acked": 1}, LimitExceeded),
        ({"price": 0}, BadAmount),
        ({"price": 1_000}, BadAmount),
        ({"trade": b"u" * 31}, RuleBroken),
        ({"trade": b""}, RuleBroken),
    ],
)
def test_a_next_trade_that_may_not_follow(changes: dict[str, Any], error: type[ZoneshareError]) -> None:
    fields: dict[str, Any] = {"earned": 170, "trade": b"u" * 32, "price": 20, "count": 1, "acked": 0}
    with pytest.raises(error) as refusal:
        follow(state(Payment(**(fields | changes)), 9), replace(LAST, acked=7))
    assert type(refusal.value) is error


def test_over_the_deposit_and_over_the_window() -> None:
    rich = replace(LAST, earned=930, acked=7)
    with pytest.raises(BadAmount):
        follow(state(replace(rich, count=8), 9), rich)
    wide = Payment(0, TRADE, 1, MAX_WINDOW, 0)
    with pytest.raises(LimitExceeded):
        follow(state(replace(wide, count=MAX_WINDOW + 1), 9), wide)


def test_the_first_state_needs_a_trade() -> None:
    with pytest.raises(RuleBroken):
        check_update(TERMS, initial_state(TERMS), state(Payment(0, b"", 1, 1, 0), 1))


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (state(replace(LAST, count=8), 8), NotNewer),
        (state(replace(LAST, count=8), 7), NotNewer),
        (state(replace(LAST, count=8), 10), LimitExceeded),
        (step(count=8).__class__("0" * 64, 9, 91_000, False, "payment", encode(replace(LAST, count=8))), RuleBroken),
        (state(replace(LAST, count=8), 9, lock=92_000), RuleBroken),
        (state(replace(LAST, count=8), 9, lock=100_000), RuleBroken),
        (state(replace(LAST, count=8), 9, lock=0), RuleBroken),
        (state(replace(LAST, count=8), 9, app="chess"), RuleBroken),
        (state(replace(LAST, count=8), 9, app_state=b"\x90"), Malformed),
        (replace(final_state(state(LAST), LAST), lock=1), RuleBroken),
        (final_state(state(LAST), replace(LAST, acked=4)), NotNewer),
        (final_state(state(LAST), replace(LAST, acked=8)), RuleBroken),
        (final_state(state(LAST), replace(LAST, count=8)), RuleBroken),
        (final_state(state(LAST), replace(LAST, earned=0)), RuleBroken),
    ],
)
def test_a_state_that_may_not_follow(new: State, error: type[ZoneshareError]) -> None:
    with pytest.raises(error) as refusal:
        follow(new)
    assert type(refusal.value) is error


def test_nothing_follows_the_final_state_or_an_unknown_application() -> None:
    final = final_state(state(LAST), LAST)
    with pytest.raises(RuleBroken, match="final"):
        check_update(TERMS, final, state(replace(LAST, count=8), 10))
    with pytest.raises(NotFound):
        check_update(TERMS, state(LAST, app="chess"), step(count=8).__class__(
            TERMS.channel, 9, 91_000, False, "chess", b""
        ))  # fmt: skip


def test_locks_fall_by_one_tick_and_run_out() -> None:
    assert [lock_of(TERMS, i) for i in (0, 1, 100)] == [100_000, 99_000, 0]
    with pytest.raises(LimitExceeded):
        lock_of(TERMS, 101)
    assert updates_left(TERMS, 0, 0) == 100
    assert updates_left(TERMS, 8, 50_000) == 42
    assert updates_left(TERMS, 8, 99_000) == 0
    follow(step(count=8), earliest=91_000)
    with pytest.raises(LimitExceeded, match="run out"):
        follow(step(count=8), earliest=91_001)


def test_a_gigabyte_in_small_chunks_is_sold_in_one_sitting() -> None:
    day = replace(TERMS, refund_from=24 * 3_600_000, tick=1_000)
    assert updates_left(day, 0, 10 * 3_600_000) >= 2**30 / 100_000


@given(st.integers(0, 2**20), st.integers(0, 2**20), st.integers(1, 2**30))
def test_as_many_updates_are_left_as_can_be_signed(version: int, earliest: int, tick: int) -> None:
    terms = replace(TERMS, refund_from=2**20, tick=tick)
    last = version + updates_left(terms, version, earliest)
    if last > version:
        assert lock_of(terms, last) >= earliest
    if last * tick <= 2**20 - tick:
        assert lock_of(terms, last + 1) < earliest


def test_both_must_have_signed() -> None:
    new = step(count=8)
    check_signed(TERMS, SignedState(new, sign(A, new), sign(B, new)))
    other = step(acked=7)
    for payer, payee in [
        (None, sign(B, new)),
        (sign(A, new), None),
        (sign(A, new), sign(A, new)),
        (sign(B, new), sign(A, new)),
        (sign(A, other), sign(B, new)),
        (sign(A, new), sign(B, other)),
    ]:
        with pytest.raises(BadSignature):
            check_signed(TERMS, SignedState(new, payer, payee))


@pytest.mark.parametrize(
    "changes",
    [
        {"fund_before": 10},
        {"refund_from": 50_999},
        {"refund_from": MAX_AMOUNT},
        {"payee_key": TERMS.payer_key},
        {"payee_zone": "zone-a"},
    ],
)
def test_terms_nobody_can_live_with(changes: dict[str, Any]) -> None:
    check_terms(TERMS, 1_000, 10)
    with pytest.raises(RuleBroken):
        check_terms(replace(TERMS, **changes), 1_000, 10)


payments = st.builds(
    Payment,
    earned=st.integers(0, 40),
    trade=st.sampled_from([b"", TRADE, b"u" * 32]),
    price=st.integers(0, 3),
    count=st.integers(0, 4),
    acked=st.integers(0, 4),
)


@given(payments, payments, st.integers(0, 60))
def test_a_step_that_is_allowed_never_takes_from_either(old: Payment, new: Payment, deposit: int) -> None:
    """With all keys shown B never gets less than before, nor A pays more than one chunk more."""
    try:
        check_payment_step(old, new, deposit)
    except RuleBroken:
        return
    owed_before = old.earned + old.price * old.acked
    assert new.earned + new.price * new.acked >= owed_before
    if old.acked <= old.count:
        assert spent(old) <= spent(new) <= spent(old) + new.price
    assert spent(new) <= deposit
    full = PAYMENT.outcome(encode(new), (), (), deposit)
    assert full == min(new.earned + new.price * new.acked, deposit)
    assert decode(Payment, encode(new)) == new
