from pathlib import Path

import pytest

from zoneshare_protocols.errors import WrongPhase
from zoneshare_protocols.sharing.phases import TABLE, Event, diagram, move
from zoneshare_protocols.sharing.records import Phase

PICTURE = Path(__file__).parents[3] / "docs" / "states.md"


def test_every_pair_moves_as_the_table_says_or_is_refused_with_what_is_allowed() -> None:
    for phase in (None, *Phase):
        allowed = {event for before, event in TABLE if before == phase}
        for event in Event:
            if event in allowed:
                assert move(phase, event) is TABLE[phase, event]
                continue
            with pytest.raises(WrongPhase) as refusal:
                move(phase, event)
            assert refusal.value.values["phase"] == ("none" if phase is None else phase.value)
            assert refusal.value.values["event"] == event.value
            expected = {e.value for e in allowed} or {"nothing"}
            assert set(str(refusal.value.values["allowed"]).split(", ")) == expected


def test_a_settled_channel_is_over_and_every_channel_can_get_there() -> None:
    assert not [event for phase, event in TABLE if phase is Phase.SETTLED]
    reached: set[Phase | None] = {None}
    while more := {after for (before, _), after in TABLE.items() if before in reached} - reached:
        reached |= more
    assert reached == {None, *Phase}


def test_no_state_is_paid_out_but_from_its_window_or_by_both() -> None:
    ends = {(phase, event) for (phase, event), after in TABLE.items() if after is Phase.SETTLED}
    assert {event for _, event in ends} == {Event.SETTLE, Event.SETTLE_FINAL}
    assert [phase for phase, event in ends if event is Event.SETTLE] == [Phase.CHALLENGE]


def test_the_picture_in_the_docs_is_the_table() -> None:
    assert f"```mermaid\n{diagram()}```" in PICTURE.read_text()
