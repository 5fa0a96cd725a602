"""A sold task on the ledger: its states, its time limits, and who is to blame when it fails (H6, H9 to H12)."""

from enum import StrEnum

from msgspec.structs import replace

from zoneshare_protocols.codec import Millis, Record
from zoneshare_protocols.errors import TooEarly, TooLate, WrongPhase
from zoneshare_protocols.seal.records import Award


class TaskState(StrEnum):
    """Where a sold task is."""

    OPEN = "open"
    PROVED = "proved"
    """h, H(C) and a valid proof are on the ledger."""
    RELEASED = "released"
    """The key that belongs to h is on the ledger, in time."""
    FAILED = "failed"
    """In the failed map: never paid, or paid back."""


class TaskEvent(StrEnum):
    """What happens to a sold task; each is a function of the ``claim`` contract."""

    PROVE = "prove"
    """The winner publishes h, H(C) and the proof, which the contract verifies (25)."""
    SHOW_PAYWORD = "show_payword"
    """The drone puts the winner's payword on the ledger, to call for the key."""
    RELEASE = "release"
    """The winner publishes the key (32), (36)."""
    EXPIRE = "expire"
    """Anybody, when the time is over (38)."""
    REFUTE = "refute"
    """The drone has shown the contract that the result is not what the task's job gives."""
    EXCUSE = "excuse"
    """A proof too late to be paid, but in time for the deposit."""


TASK_TABLE: dict[tuple[TaskState, TaskEvent], TaskState] = {
    (TaskState.OPEN, TaskEvent.PROVE): TaskState.PROVED,
    (TaskState.OPEN, TaskEvent.SHOW_PAYWORD): TaskState.OPEN,
    (TaskState.OPEN, TaskEvent.EXPIRE): TaskState.FAILED,
    (TaskState.PROVED, TaskEvent.SHOW_PAYWORD): TaskState.PROVED,
    (TaskState.PROVED, TaskEvent.RELEASE): TaskState.RELEASED,
    (TaskState.PROVED, TaskEvent.EXPIRE): TaskState.FAILED,
    (TaskState.RELEASED, TaskEvent.REFUTE): TaskState.FAILED,
    (TaskState.OPEN, TaskEvent.EXCUSE): TaskState.FAILED,
}
"""(state, event) -> next state. RELEASED is final for claims, FAILED for all."""


class SoldTask(Record, frozen=True, tag="zoneshare/seal-sold/1"):
    """What the ledger knows of a task between the commit and the claim. Moments in ms, from the transactions."""

    award: Award
    due: Millis
    """due_ij: the commit's moment and the award's ``within``."""
    state: TaskState = TaskState.OPEN
    proved: bool = False
    """There was a valid proof in time, whatever came of it."""
    shown_at: Millis | None = None
    """When the drone put a payword that covers the task on the ledger, in time."""
    published: bool = False
    """The encrypted result itself is on the ledger: the key is paid without a payword."""
    refuted: bool = False
    """A recomputation has shown that the released result is wrong."""
    latest: Millis = 0
    """Until when a proof saves the deposit, where that is after ``due``."""

    def key_limit(self, grace: int) -> int:
        """Until when the key counts as in time: a payword on the ledger gives ``grace`` ms from then (H11)."""
        return self.due if self.shown_at is None else max(self.due, self.shown_at + grace)

    def limit(self, grace: int) -> int:
        """Until when the winner can do something about a task that is not decided."""
        return self.key_limit(grace) if self.proved else max(self.due, self.latest)

    @property
    def final(self) -> bool:
        return self.state in (TaskState.RELEASED, TaskState.FAILED)

    @property
    def at_fault(self) -> bool:
        """The winner pays the task's penalty: it failed without a proof, or though the drone had put the payword on the
        ledger (H11), or its result was refuted. A proved task that failed otherwise costs nobody a deposit."""
        blamed = not self.proved or self.shown_at is not None or self.refuted
        return self.state is TaskState.FAILED and blamed


def sold(award: Award, committed: int, excused: int = 0) -> SoldTask:
    """A task as the commit leaves it, at ``committed`` ms.

    ``excused``: T_com and the grace time. The drone could hold its commit back until T_com, when due_ij is over: nobody
    is blamed for a missing proof before the winner has had its time from then.
    """
    return SoldTask(award, committed + award.within, latest=max(committed, excused) + award.within)


def move_task(state: TaskState, event: TaskEvent) -> TaskState:
    """The state after ``event``. Raises WrongPhase with the state, the event and the events allowed instead."""
    after = TASK_TABLE.get((state, event))
    if after is None:
        allowed = ", ".join(e.value for s, e in TASK_TABLE if s == state) or "nothing"
        raise WrongPhase(f"no {event.value} now", phase=state.value, event=event.value, allowed=allowed)
    return after


def prove(task: SoldTask, now: int) -> SoldTask:
    """A proof that the contract has verified; after due_ij it only saves the deposit. Raises WrongPhase, TooLate."""
    if now > task.due:
        after = move_task(task.state, TaskEvent.EXCUSE)
        _before(now, task.limit(0))
        return replace(task, state=after, proved=True, shown_at=None)
    return replace(task, state=move_task(task.state, TaskEvent.PROVE), proved=True)


def show_payword(task: SoldTask, now: int) -> SoldTask:
    """A payword of the drone's that the contract has checked. The first counts. Raises WrongPhase, TooLate."""
    after = move_task(task.state, TaskEvent.SHOW_PAYWORD)
    _before(now, task.due)
    return replace(task, state=after, shown_at=now if task.shown_at is None else task.shown_at)


def release(task: SoldTask, now: int, grace: int, *, published: bool) -> SoldTask:
    """A key that the contract has hashed to h (13), with the encrypted result or without it.

    Raises WrongPhase, TooLate.
    """
    after = move_task(task.state, TaskEvent.RELEASE)
    _before(now, task.key_limit(grace))
    return replace(task, state=after, published=published)


def expire(task: SoldTask, now: int, grace: int) -> SoldTask:
    """Into the failed map. Raises WrongPhase, TooEarly."""
    after = move_task(task.state, TaskEvent.EXPIRE)
    limit = task.limit(grace)
    if now <= limit:
        raise TooEarly("the winner still has time", now=now, from_=limit + 1)
    return replace(task, state=after)


def refute(task: SoldTask) -> SoldTask:
    """A released result that the contract has found wrong: not paid, or paid back out of the deposit."""
    return replace(task, state=move_task(task.state, TaskEvent.REFUTE), refuted=True)


def settled(task: SoldTask, now: int, grace: int) -> SoldTask:
    """The task as it stands at ``now``, whether or not anybody has called :func:`expire`."""
    return task if task.final or now <= task.limit(grace) else expire(task, now, grace)


def _before(now: int, until: int) -> None:
    if now > until:
        raise TooLate("the task's time is over", now=now, until=until)
