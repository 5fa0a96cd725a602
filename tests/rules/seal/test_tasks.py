import pytest

from zoneshare_protocols.errors import TooEarly, TooLate, WrongPhase
from zoneshare_protocols.seal.records import Award
from zoneshare_protocols.seal.tasks import (
    TASK_TABLE,
    TaskEvent,
    TaskState,
    expire,
    move_task,
    prove,
    refute,
    release,
    settled,
    show_payword,
    sold,
)

GRACE = 300
TASK = sold(Award(4, 1, 50, 1000), 10_000)
DUE = 11_000


def test_only_the_tables_moves_exist() -> None:
    for state in TaskState:
        for event in TaskEvent:
            if (state, event) in TASK_TABLE:
                assert move_task(state, event) is TASK_TABLE[state, event]
            else:
                with pytest.raises(WrongPhase) as refusal:
                    move_task(state, event)
                assert refusal.value.values["phase"] == state.value
    changes = {(a.value, b.value) for (a, _), b in TASK_TABLE.items() if a is not b}
    to_failed = {(state, "failed") for state in ("open", "proved", "released")}
    assert changes == {("open", "proved"), ("proved", "released"), *to_failed}


def test_a_key_in_time_is_released_and_costs_nobody_a_deposit() -> None:
    done = release(prove(TASK, DUE), DUE, GRACE, published=False)
    assert (TASK.due, done.state, done.at_fault, done.published) == (DUE, TaskState.RELEASED, False, False)
    assert release(prove(TASK, DUE), DUE, GRACE, published=True).published


def test_too_late_is_too_late() -> None:
    with pytest.raises(TooLate):
        prove(TASK, DUE + 1)
    with pytest.raises(TooLate):
        release(prove(TASK, DUE), DUE + 1, GRACE, published=True)
    with pytest.raises(TooLate):
        show_payword(TASK, DUE + 1)
    with pytest.raises(WrongPhase):
        release(TASK, DUE, GRACE, published=True)


def test_without_a_proof_the_winner_is_to_blame() -> None:
    with pytest.raises(TooEarly):
        expire(TASK, DUE, GRACE)
    assert expire(TASK, DUE + 1, GRACE).at_fault
    shown = show_payword(TASK, DUE)
    assert expire(shown, DUE + 1, GRACE).at_fault, "a payword gives no time for the proof"


def test_a_proof_after_due_saves_the_deposit_and_earns_nothing() -> None:
    """A commit held back until T_com: the task's time is over when its winner first sees it."""
    late = sold(Award(4, 1, 50, 1000), 10_000, excused=20_000)
    assert (late.due, late.latest) == (DUE, 21_000)
    assert settled(late, 21_000, GRACE) is late
    assert expire(late, 21_001, GRACE).at_fault
    saved = prove(show_payword(late, DUE), 21_000)
    assert (saved.state, saved.at_fault) == (TaskState.FAILED, False)
    with pytest.raises(WrongPhase):
        release(saved, 21_000, GRACE, published=True)
    with pytest.raises(TooLate):
        prove(late, 21_001)
    assert prove(late, DUE).state is TaskState.PROVED


def test_a_silent_drone_burns_no_deposit() -> None:
    failed = expire(prove(TASK, DUE), DUE + 1, GRACE)
    assert failed.state is TaskState.FAILED
    assert not failed.at_fault


def test_a_payword_on_the_ledger_calls_for_the_key_within_the_grace_time() -> None:
    shown = show_payword(prove(TASK, 10_100), DUE - 10)
    assert show_payword(shown, DUE).shown_at == DUE - 10, "showing it again gives nobody more time"
    limit = DUE - 10 + GRACE
    assert release(shown, limit, GRACE, published=False).state is TaskState.RELEASED
    with pytest.raises(TooLate):
        release(shown, limit + 1, GRACE, published=False)
    with pytest.raises(TooEarly):
        expire(shown, limit, GRACE)
    assert expire(shown, limit + 1, GRACE).at_fault
    early = show_payword(prove(TASK, 10_100), 10_200)
    assert early.key_limit(GRACE) == DUE, "an early payword takes no time away"


def test_time_settles_a_task_that_nobody_expired() -> None:
    assert settled(TASK, DUE, GRACE) is TASK
    assert settled(TASK, DUE + 1, GRACE) == expire(TASK, DUE + 1, GRACE)
    done = release(prove(TASK, DUE), DUE, GRACE, published=False)
    assert settled(done, DUE + 10**6, GRACE) is done


def test_a_refuted_result_is_the_winners_fault() -> None:
    done = release(prove(TASK, DUE), DUE, GRACE, published=True)
    refuted = refute(done)
    assert (refuted.state, refuted.at_fault, refuted.final) == (TaskState.FAILED, True, True)
    for task in (TASK, prove(TASK, DUE), refuted):
        with pytest.raises(WrongPhase):
            refute(task)
