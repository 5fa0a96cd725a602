"""Money between zones, rule by rule; the proofs themselves are tested with the contracts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadAmount,
    BadProof,
    NotAllowed,
    RuleBroken,
    TooEarly,
    TooLate,
    WrongPhase,
)
from zoneshare_protocols.sharing import crosszone as rules
from zoneshare_protocols.sharing.records import (
    ChannelTerms,
    Destination,
    Inbound,
    InboundStatus,
    Outbound,
    OutboundStatus,
)

MARGIN = 10
TERMS = ChannelTerms("a", "alice", bytes(32), "b", "bob", bytes(32), 70, 100, 900, 1, 50, bytes(16))


def locked(before: int = 100, amount: int = 70, now: int = 0) -> Outbound:
    return rules.outbound(
        "transfer.t",
        zone="a",
        source="alice",
        dest_zone="b",
        kind=Destination.ACCOUNT,
        dest="bob",
        amount=amount,
        before=before,
        now=now,
    )


def with_fields(record: Outbound | Inbound, **values: object) -> Outbound | Inbound:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return type(record)(**(fields | values))


def test_a_deposit_is_locked_by_its_payer_only() -> None:
    found = rules.channel_outbound(TERMS, "a", "alice", 99)
    assert (found.id, found.kind, found.dest) == (f"channel.{TERMS.channel}", Destination.CHANNEL, TERMS.channel)
    assert (found.amount, found.before, found.dest_zone) == (70, 100, "b")
    for zone, caller in (("a", "mallory"), ("b", "alice")):
        with pytest.raises(NotAllowed):
            rules.channel_outbound(TERMS, zone, caller, 0)


def test_what_cannot_be_locked() -> None:
    for amount in (0, -1, MAX_AMOUNT + 1):
        with pytest.raises(BadAmount):
            locked(amount=amount)
    with pytest.raises(TooLate):
        locked(before=100, now=100)
    assert locked(before=0, now=10**15).before == 0
    with pytest.raises(RuleBroken):
        rules.outbound(
            "x", zone="a", source="s", dest_zone="a", kind=Destination.ACCOUNT, dest="d", amount=1, before=0, now=0
        )


def test_a_shown_outbound_must_be_locked_there_for_here() -> None:
    rules.check_outbound(locked(), "a", "b")
    for trusted, here in (("c", "b"), ("a", "c")):
        with pytest.raises(BadProof):
            rules.check_outbound(locked(), trusted, here)
    for status in (OutboundStatus.RECEIVED, OutboundStatus.RECLAIMED):
        shown = with_fields(locked(), status=status)
        assert isinstance(shown, Outbound)
        with pytest.raises(BadProof):
            rules.check_outbound(shown, "a", "b")


@given(st.integers(0, 300), st.integers(0, 300))
def test_take_and_bury_never_both_fit(before: int, now: int) -> None:
    outbound = locked(before=before, now=-1)
    answers = []
    for act in ("take", "bury"):
        try:
            taken = act == "take"
            answers.append(rules.take(outbound, None, now) if taken else rules.bury(outbound, None, now, MARGIN))
        except (TooEarly, TooLate, RuleBroken):
            continue
    assert len(answers) <= 1
    assert bool(answers) == (before == 0 or now < before or now >= before + MARGIN)


def test_one_answer_for_ever() -> None:
    taken = rules.take(locked(), None, 99)
    stone = rules.bury(locked(), None, 110, MARGIN)
    assert (taken.status, stone.status) == (InboundStatus.RECEIVED, InboundStatus.TOMBSTONE)
    for present in (taken, stone):
        for act in (rules.take, lambda o, p, n: rules.bury(o, p, n, MARGIN)):
            for now in (99, 110):
                with pytest.raises(AlreadyExists):
                    act(locked(), present, now)
    with pytest.raises(TooLate) as late:
        rules.take(locked(), None, 100)
    assert late.value.values == {"now": 100, "until": 100}
    with pytest.raises(TooEarly) as early:
        rules.bury(locked(), None, 109, MARGIN)
    assert early.value.values == {"now": 109, "from_": 110}
    with pytest.raises(RuleBroken):
        rules.bury(locked(before=0), None, 10**15, MARGIN)


FORGED = {"id": "x", "source_zone": "x", "zone": "x", "dest": "x", "amount": 71}


@pytest.mark.parametrize("name", FORGED)
def test_an_answer_to_something_else_is_no_proof(name: str) -> None:
    for answer, act in (
        (rules.take(locked(), None, 0), rules.acknowledge),
        (rules.bury(locked(), None, 110, MARGIN), rules.reclaim),
    ):
        act(locked(), answer, "b")
        shown = with_fields(answer, **{name: FORGED[name]})
        assert isinstance(shown, Inbound)
        with pytest.raises(BadProof):
            act(locked(), shown, "b")
        with pytest.raises(BadProof):
            act(locked(), answer, "c")


def test_reclaim_needs_a_tombstone_and_acknowledge_a_receipt() -> None:
    with pytest.raises(BadProof):
        rules.reclaim(locked(), rules.take(locked(), None, 0), "b")
    with pytest.raises(BadProof):
        rules.acknowledge(locked(), rules.bury(locked(), None, 110, MARGIN), "b")


def test_an_outbound_ends_once() -> None:
    taken = rules.take(locked(), None, 0)
    stone = rules.bury(locked(), None, 110, MARGIN)
    ends = (rules.acknowledge(locked(), taken, "b"), rules.reclaim(locked(), stone, "b"))
    assert [end.status for end in ends] == [OutboundStatus.RECEIVED, OutboundStatus.RECLAIMED]
    for end in ends:
        for act, shown in ((rules.acknowledge, taken), (rules.reclaim, stone)):
            with pytest.raises(WrongPhase) as refusal:
                act(end, shown, "b")
            assert refusal.value.values["phase"] == end.status.value
