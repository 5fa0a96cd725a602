"""A contract's error crosses Fabric whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.errors import InsufficientFunds, RuleBroken, ZoneshareError, from_wire, to_wire

NAMES = st.text(alphabet="abcdefgh_", min_size=1, max_size=8).filter(lambda n: n not in ("message", "self"))
VALUES = st.dictionaries(
    NAMES, st.one_of(st.integers(-(2**53), 2**53), st.text(), st.booleans(), st.none()), max_size=4
)


@given(st.sampled_from(sorted(ZoneshareError.kinds)), st.text(), VALUES)
def test_every_error_comes_back_as_it_went(kind: str, message: str, values: dict[str, int | str | bool | None]) -> None:
    cls = ZoneshareError.kinds[kind]
    if cls.__init__ is not ZoneshareError.__init__:
        return  # carries more than values: raised by the client only, never by a contract
    error = cls(message, **values)
    back = from_wire(f"chaincode response 500, {to_wire(error)} (and a gateway's own words)")
    assert type(back) is cls
    assert back.message == message
    assert back.values == values


def test_the_line_a_user_reads_names_both_numbers() -> None:
    error = InsufficientFunds("not enough money", balance=5, needed=10)
    assert str(error) == "not enough money (balance=5, needed=10)"


@pytest.mark.parametrize("text", ["", "chaincode response 500, boom", "zoneshare-error:{", 'zoneshare-error:{"a":1}'])
def test_other_messages_are_not_taken_for_ours(text: str) -> None:
    assert from_wire(text) is None


def test_an_unknown_kind_is_still_a_broken_rule() -> None:
    back = from_wire('zoneshare-error:{"kind":"FromTheFuture","message":"m","values":{}}')
    assert type(back) is RuleBroken
