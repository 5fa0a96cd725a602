"""Macro-transactions: one transition table, and nothing beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.errors import BadProof, NotAllowed, RuleBroken, TooEarly, TooLate, WrongPhase
from zoneshare_protocols.sharing.macro import (
    HOLDING,
    TRANSITIONS,
    Event,
    Role,
    check_payment,
    offer,
    payment,
    step,
)
from zoneshare_protocols.sharing.records import Destination, Macro, MacroStatus, MacroTerms, OutboundStatus

MARGIN = 10
TERMS = MacroTerms(
    seller_zone="zs",
    seller="seller",
    buyer_zone="zb",
    buyer="buyer",
    arbiter="arbiter",
    goods="a turbine",
    goods_hash=b"",
    amount=500,
    pay_before=100,
    deliver_before=200,
    dispute_before=300,
    decide_before=400,
    nonce=bytes(16),
)
LATE = {name: getattr(TERMS, name) for name in ("pay_before", "deliver_before", "dispute_before", "decide_before")}


def changed(**values: object) -> MacroTerms:
    fields = {name: getattr(TERMS, name) for name in TERMS.__struct_fields__}
    return MacroTerms(**(fields | values))


def test_an_offer_is_the_sellers_in_its_zone_in_time() -> None:
    assert offer(TERMS, "zs", "seller", 99, MARGIN) == Macro(TERMS, MacroStatus.OFFERED)
    for zone, caller in (("zb", "seller"), ("zs", "buyer")):
        with pytest.raises(NotAllowed):
            offer(TERMS, zone, caller, 0, MARGIN)
    with pytest.raises(TooLate):
        offer(TERMS, "zs", "seller", 100, MARGIN)
    for broken in (
        changed(buyer="seller"),
        changed(arbiter="buyer"),
        changed(arbiter="seller"),
        changed(deliver_before=120),
        changed(dispute_before=220),
        changed(decide_before=320),
    ):
        with pytest.raises(RuleBroken):
            offer(broken, "zs", "seller", 0, MARGIN)


@pytest.mark.parametrize("status", MacroStatus)
@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("caller", ["seller", "buyer", "arbiter", "mallory"])
def test_every_step_follows_the_table(status: MacroStatus, event: Event, caller: str) -> None:
    macro = Macro(TERMS, status)
    found = TRANSITIONS.get((status, event))
    if found is None:
        with pytest.raises(WrongPhase) as refusal:
            step(macro, event, caller, 0, MARGIN)
        assert refusal.value.values["phase"] == status.value
        assert refusal.value.values["event"] == event.value
        return
    following, rights = found
    right = next((r for r in rights if r.role == caller), None)
    if right is None:
        with pytest.raises(NotAllowed):
            step(macro, event, caller, 0, MARGIN)
        return
    first = LATE[right.after] + MARGIN if right.after else 0
    last = LATE[right.before] - 1 if right.before else 10**9
    for moment in (first, last):
        assert step(macro, event, caller, moment, MARGIN) == Macro(TERMS, following)
    if right.after:
        with pytest.raises(TooEarly):
            step(macro, event, caller, first - 1, MARGIN)
    if right.before:
        with pytest.raises(TooLate):
            step(macro, event, caller, last + 1, MARGIN)


def test_money_is_held_exactly_between_payment_and_the_end() -> None:
    for (status, event), (following, _) in TRANSITIONS.items():
        if event is Event.PAY:
            assert (status in HOLDING, following in HOLDING) == (False, True)
        elif event in (Event.COMPLETE, Event.REFUND):
            assert (status in HOLDING, following in HOLDING) == (True, False)
        else:
            assert (status in HOLDING) == (following in HOLDING)


def test_nobody_can_be_kept_waiting_for_ever() -> None:
    """Wherever money is held, a party that is owed it can end the trade alone, once a deadline is past."""
    for status in HOLDING:
        alone = [
            right
            for (at, event), (_, rights) in TRANSITIONS.items()
            for right in rights
            if at is status and event in (Event.COMPLETE, Event.REFUND) and right.after
        ]
        assert len(alone) == 1
        assert alone[0].role in (Role.BUYER, Role.SELLER)


@given(
    st.lists(st.tuples(st.sampled_from(Event), st.sampled_from(["seller", "buyer", "arbiter"]), st.integers(0, 500)))
)
def test_an_ended_trade_stays_ended(steps: list[tuple[Event, str, int]]) -> None:
    macro = Macro(TERMS, MacroStatus.OFFERED)
    payments = ends = 0
    for event, caller, now in steps:
        try:
            macro = step(macro, event, caller, now, MARGIN)
        except (WrongPhase, NotAllowed, TooEarly, TooLate):
            continue
        payments += event is Event.PAY
        ends += event in (Event.COMPLETE, Event.REFUND)
        assert payments - ends == (macro.status in HOLDING)


def test_a_payment_is_the_buyers_and_for_this_trade_alone() -> None:
    paid = payment(TERMS, "zb", "buyer", 99)
    assert (paid.id, paid.kind, paid.dest) == (f"macro.{TERMS.id}", Destination.MACRO, TERMS.id)
    check_payment(TERMS, paid)
    for zone, caller in (("zs", "buyer"), ("zb", "mallory")):
        with pytest.raises(NotAllowed):
            payment(TERMS, zone, caller, 0)
    with pytest.raises(TooLate):
        payment(TERMS, "zb", "buyer", 100)
    forged: dict[str, object] = {
        "id": "x",
        "source": "x",
        "amount": 499,
        "dest": "x",
        "kind": Destination.ACCOUNT,
        "before": 0,
        "status": OutboundStatus.RECEIVED,
        "source_zone": "x",
        "dest_zone": "x",
    }
    for name, value in forged.items():
        fields = {field: getattr(paid, field) for field in paid.__struct_fields__}
        with pytest.raises(BadProof):
            check_payment(TERMS, type(paid)(**(fields | {name: value})))
