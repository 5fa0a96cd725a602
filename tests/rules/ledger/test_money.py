"""Money: amounts, balances, and the equation of a zone's books."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.errors import BadAmount, InsufficientFunds, LimitExceeded, NotAllowed, NotConserved
from zoneshare_protocols.sharing.money import Books, check_amount, check_conserved, check_issuer, credit, debit

AMOUNTS = st.integers(1, MAX_AMOUNT)


@pytest.mark.parametrize("amount", [0, -1, -(2**70), 2**63, 2**70])
def test_bad_amounts(amount: int) -> None:
    for act in (lambda: check_amount(amount), lambda: credit(0, amount), lambda: debit(MAX_AMOUNT, amount)):
        with pytest.raises(BadAmount):
            act()


@given(st.integers(0, MAX_AMOUNT), AMOUNTS)
def test_a_balance_stays_between_zero_and_the_limit(balance: int, amount: int) -> None:
    if balance + amount > MAX_AMOUNT:
        with pytest.raises(LimitExceeded) as over:
            credit(balance, amount)
        assert over.value.values == {"value": balance + amount, "limit": MAX_AMOUNT}
    else:
        assert debit(credit(balance, amount), amount) == balance
    if balance < amount:
        with pytest.raises(InsufficientFunds) as under:
            debit(balance, amount)
        assert under.value.values == {"balance": balance, "needed": amount}
    else:
        assert credit(debit(balance, amount), amount) == balance


def test_only_the_issuer() -> None:
    check_issuer("i", "i")
    with pytest.raises(NotAllowed):
        check_issuer("i", "j")


@given(st.lists(st.integers(0, 2**62), min_size=5, max_size=5), st.integers(-3, 3))
def test_books_balance_or_say_both_numbers(sums: list[int], off: int) -> None:
    balances, escrows, locked, received, sent = sums
    issued = balances + escrows + locked - received + sent + off
    books = Books(balances, escrows, locked, issued, received, sent)
    if off == 0:
        check_conserved("z", books)
        return
    with pytest.raises(NotConserved) as broken:
        check_conserved("z", books)
    held = balances + escrows + locked
    assert broken.value.values == {"zone": "z", "expected": held + off, "actual": held}
