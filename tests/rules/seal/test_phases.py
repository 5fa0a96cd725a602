from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.rules.seal.market import TERMS, task
from zoneshare_protocols.errors import Malformed, TooEarly, TooLate, WrongPhase
from zoneshare_protocols.seal.phases import (
    CONSEQUENCES,
    MAX_SPAN_MS,
    TABLE,
    Event,
    Phase,
    Timers,
    check_time,
    check_timers,
    consequences,
    diagram,
    move,
    task_diagram,
    timed_out,
)
from zoneshare_protocols.seal.records import Award
from zoneshare_protocols.seal.tasks import TaskState, expire, prove, show_payword, sold

PICTURE = Path(__file__).parents[3] / "docs" / "seal-states.md"
TIMERS = Timers(1000, 2000, 3000, 4000, 4000 + 10_000 + 1620 + 300 + 301, 300)


def test_every_pair_moves_as_the_table_says_or_is_refused_with_what_is_allowed() -> None:
    for phase in (None, *Phase):
        allowed = {event for before, event in TABLE if before == phase}
        for event in Event:
            if event in allowed:
                assert move(phase, event) is TABLE[phase, event].after
                continue
            with pytest.raises(WrongPhase) as refusal:
                move(phase, event)
            assert refusal.value.values["phase"] == ("none" if phase is None else phase.value)
            expected = {e.value for e in allowed} or {"nothing"}
            assert set(str(refusal.value.values["allowed"]).split(", ")) == expected


def test_a_closed_auction_is_over_and_every_phase_ends_by_timers_and_refund_alone() -> None:
    assert not [event for phase, event in TABLE if phase is Phase.CLOSED]
    reached: set[Phase | None] = {None}
    while more := {found.after for (before, _), found in TABLE.items() if before in reached} - reached:
        reached |= more
    assert reached == {None, *Phase}
    silent = {event for event in Event if event.value.startswith("t_")} | {Event.REFUND}
    for phase in Phase:
        at = phase
        for _ in Phase:
            ahead = [found.after for (before, event), found in TABLE.items() if before is at and event in silent]
            at = ahead[0] if ahead else at
        assert at is Phase.CLOSED, f"{phase} waits for somebody for ever"


def test_each_timer_fires_after_its_moment_and_not_before() -> None:
    for phase, event, last in (
        (Phase.INIT, Event.T_INIT, TIMERS.init),
        (Phase.DEPOSIT, Event.T_DEP, TIMERS.deposit),
        (Phase.AUCTION, Event.T_AUC, TIMERS.auction),
        (Phase.COMMIT, Event.T_COM, TIMERS.commit),
        (Phase.EXCHANGE, Event.T_CLM, TIMERS.claim),
        (Phase.CLAIM, Event.T_CLM, TIMERS.claim),
    ):
        assert timed_out(phase, TIMERS, last, funded=True) is None
        assert timed_out(phase, TIMERS, last + 1, funded=True) is event
        assert (phase, event) in TABLE
        check_time(event, TIMERS, last + 1)
        with pytest.raises(TooEarly):
            check_time(event, TIMERS, last)
    assert timed_out(Phase.DEPOSIT, TIMERS, TIMERS.deposit + 1, funded=False) is Event.T_DEP_UNFUNDED
    with pytest.raises(TooEarly):
        check_time(Event.T_DEP_UNFUNDED, TIMERS, TIMERS.deposit)
    for phase, last in ((Phase.AUCTION, TIMERS.auction), (Phase.COMMIT, TIMERS.commit), (Phase.CLAIM, TIMERS.claim)):
        assert timed_out(phase, TIMERS, last + 50, funded=True, margin=50) is None, "a clock may be ahead"
        assert timed_out(phase, TIMERS, last + 51, funded=True, margin=50) is not None
    for phase in (Phase.REFUND, Phase.CANCELLED, Phase.CLOSED):
        assert timed_out(phase, TIMERS, 10**9, funded=True) is None


def test_each_step_has_its_last_moment() -> None:
    for event, last in (
        (Event.BID, TIMERS.init),
        (Event.DEPOSIT, TIMERS.deposit),
        (Event.AGREE, TIMERS.deposit),
        (Event.DECLINE, TIMERS.deposit),
        (Event.RECORD, TIMERS.auction),
        (Event.RECORD_EMPTY, TIMERS.auction),
        (Event.COMMIT, TIMERS.commit),
        (Event.CLAIM, TIMERS.claim),
    ):
        check_time(event, TIMERS, last)
        with pytest.raises(TooLate) as refusal:
            check_time(event, TIMERS, last + 1)
        assert refusal.value.values["until"] == last


def test_timers_rise_and_leave_time_for_every_task_and_its_claim() -> None:
    check_timers(TIMERS, 999, [task(0), task(1, deadline=5)], TERMS)
    for wrong in (
        {"init": 999},
        {"deposit": 1000},
        {"auction": 2000},
        {"commit": 3000},
        {"claim": TIMERS.claim - 1},
        {"grace": 301},
        {"claim": 1000 + MAX_SPAN_MS},
    ):
        with pytest.raises(Malformed):
            check_timers(replace(TIMERS, **wrong), 999, [task(0)], TERMS)


def test_the_consequences_are_those_of_the_tasks_rules() -> None:
    fresh = sold(Award(0, 1, 10, 100), 0)
    for shown in (False, True):
        opened = show_payword(fresh, 1) if shown else fresh
        proved = show_payword(prove(fresh, 1), 1) if shown else prove(fresh, 1)
        for state, one in ((TaskState.OPEN, opened), (TaskState.PROVED, proved)):
            assert expire(one, 10_000, 300).at_fault == ("loses s_0j" in CONSEQUENCES[state, shown])


def test_the_pictures_in_the_docs_are_the_tables() -> None:
    text = PICTURE.read_text()
    assert f"```mermaid\n{diagram()}```" in text
    assert f"```mermaid\n{task_diagram()}```" in text
    assert text.endswith(consequences())
