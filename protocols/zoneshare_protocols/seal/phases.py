"""An auction's phases (Algorithm 1), its timers and every move between them: one table, the docs' too."""

from collections.abc import Iterable
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from zoneshare_protocols.codec import Millis, Record
from zoneshare_protocols.errors import Malformed, TooEarly, TooLate, WrongPhase
from zoneshare_protocols.seal.records import Task, Terms
from zoneshare_protocols.seal.tasks import TASK_TABLE, TaskState


class Phase(StrEnum):
    """Where an auction is on the ledger."""

    INIT = "init"
    """Sealed bids come in."""
    DEPOSIT = "deposit"
    """Deposits, and each party's word on the attested program and the set of bids."""
    AUCTION = "auction"
    """The enclave runs; its result is awaited."""
    COMMIT = "commit"
    """The drone's chains are awaited."""
    EXCHANGE = "exchange"
    CLAIM = "claim"
    """All tasks are decided; claims come in."""
    REFUND = "refund"
    CANCELLED = "cancelled"
    """Without a result or a commit: everything goes back but penalties."""
    CLOSED = "closed"


class Event(StrEnum):
    """What happens to an auction: the contracts' functions, the timers, and what follows from the last of a kind."""

    OPEN = "open"
    BID = "bid"
    T_INIT = "t_init"
    DEPOSIT = "deposit"
    AGREE = "agree"
    DECLINE = "decline"
    T_DEP = "t_dep"
    T_DEP_UNFUNDED = "t_dep_unfunded"
    RECORD = "record"
    RECORD_EMPTY = "record_empty"
    T_AUC = "t_auc"
    COMMIT = "commit"
    T_COM = "t_com"
    EXCHANGE = "exchange"
    ALL_DECIDED = "all_decided"
    CLAIM = "claim"
    ALL_CLAIMED = "all_claimed"
    T_CLM = "t_clm"
    REFUND = "refund"


class Move(NamedTuple):
    """Where an event leads, and what it costs whom."""

    after: Phase
    consequence: str


NONE = "none"
"""Where an auction is before it is opened."""

TABLE: dict[tuple[Phase | None, Event], Move] = {
    (None, Event.OPEN): Move(Phase.INIT, "the drone publishes tasks, terms, timers and the enclave's quote"),
    (Phase.INIT, Event.BID): Move(Phase.INIT, "a sealed bid's hash is on the ledger; a bidder's second is refused"),
    (Phase.INIT, Event.T_INIT): Move(Phase.DEPOSIT, "bids close; their set is fixed"),
    (Phase.DEPOSIT, Event.DEPOSIT): Move(Phase.DEPOSIT, "balance to escrow; refused where the balance is too small"),
    (Phase.DEPOSIT, Event.AGREE): Move(Phase.DEPOSIT, "the party agrees to program and set of bids"),
    (Phase.DEPOSIT, Event.DECLINE): Move(Phase.DEPOSIT, "the bidder is out and keeps its deposit"),
    (Phase.DEPOSIT, Event.T_DEP): Move(
        Phase.AUCTION, "who has not paid is out; who has paid and said nothing is out and loses the stalling charge"
    ),
    (Phase.DEPOSIT, Event.T_DEP_UNFUNDED): Move(Phase.CANCELLED, "no drone's deposit: all deposits go back"),
    (Phase.AUCTION, Event.RECORD): Move(Phase.COMMIT, "the result is recorded; losers' deposits are free"),
    (Phase.AUCTION, Event.RECORD_EMPTY): Move(Phase.REFUND, "no task was sold: nobody loses anything"),
    (Phase.AUCTION, Event.T_AUC): Move(Phase.CANCELLED, "no result: the drone loses Q, shared among the bidders"),
    (Phase.COMMIT, Event.COMMIT): Move(Phase.EXCHANGE, "the chains' roots are recorded; every due_ij runs from here"),
    (Phase.COMMIT, Event.T_COM): Move(Phase.CANCELLED, "no commit: the drone loses Q, shared among the bidders"),
    (Phase.EXCHANGE, Event.EXCHANGE): Move(Phase.EXCHANGE, "a task moves (second table)"),
    (Phase.EXCHANGE, Event.CLAIM): Move(Phase.EXCHANGE, "a winner whose tasks are all decided is paid, once"),
    (Phase.EXCHANGE, Event.ALL_DECIDED): Move(Phase.CLAIM, "nothing; faults are booked with each task"),
    (Phase.EXCHANGE, Event.T_CLM): Move(Phase.REFUND, "undecided tasks fail; what is unclaimed is the drone's"),
    (Phase.CLAIM, Event.CLAIM): Move(Phase.CLAIM, "the winner is paid, once"),
    (Phase.CLAIM, Event.ALL_CLAIMED): Move(Phase.REFUND, "nothing"),
    (Phase.CLAIM, Event.T_CLM): Move(Phase.REFUND, "what is unclaimed is the drone's"),
    (Phase.REFUND, Event.REFUND): Move(Phase.CLOSED, "rests and deposits go back, penalties are booked"),
    (Phase.CANCELLED, Event.REFUND): Move(Phase.CLOSED, "deposits go back, penalties are booked"),
}
"""(phase, event) -> next phase and consequence."""

CONSEQUENCES: dict[tuple[TaskState, bool], str] = {
    (TaskState.RELEASED, False): "paid: by a payword that covers it, or with the encrypted result on the ledger",
    (TaskState.RELEASED, True): "paid: the payword is on the ledger",
    (TaskState.OPEN, False): "no proof by due_ij: not paid; nor by T_com, T_ij and the grace time: loses s_0j",
    (TaskState.OPEN, True): "no proof by due_ij: not paid; nor by T_com, T_ij and the grace time: loses s_0j",
    (TaskState.PROVED, False): "no key by due_ij: not paid, nobody loses a deposit",
    (TaskState.PROVED, True): "no key within the grace time: not paid, the winner loses s_0j to the drone",
    (TaskState.FAILED, False): "failed by a recomputation: not paid, the winner loses s_0j to the drone",
    (TaskState.FAILED, True): "failed by a recomputation: not paid, the winner loses s_0j to the drone",
}
"""(state a task ends in or expires in, whether its payword is on the ledger) -> what follows."""


class Timers(Record, frozen=True, tag="zoneshare/seal-timers/1"):
    """T_init < T_dep < T_auc < T_com < T_clm: the last moment of each, ms; and the time a payword gives for a key."""

    init: Millis
    deposit: Millis
    auction: Millis
    commit: Millis
    claim: Millis
    grace: Millis


MAX_SPAN_MS = 7 * 24 * 3_600_000
"""Of a whole auction: nobody's deposit is locked for longer by the timers a drone names."""
_LAST: dict[Event, str] = {
    Event.BID: "init",
    Event.DEPOSIT: "deposit",
    Event.AGREE: "deposit",
    Event.DECLINE: "deposit",
    Event.RECORD: "auction",
    Event.RECORD_EMPTY: "auction",
    Event.COMMIT: "commit",
    Event.CLAIM: "claim",
}
_TIMER: dict[Phase, tuple[Event, str]] = {
    Phase.INIT: (Event.T_INIT, "init"),
    Phase.DEPOSIT: (Event.T_DEP, "deposit"),
    Phase.AUCTION: (Event.T_AUC, "auction"),
    Phase.COMMIT: (Event.T_COM, "commit"),
    Phase.EXCHANGE: (Event.T_CLM, "claim"),
    Phase.CLAIM: (Event.T_CLM, "claim"),
}


def check_timers(timers: Timers, now: int, tasks: Iterable[Task], terms: Terms) -> None:
    """Raises Malformed unless the timers rise from ``now``, and every task can be decided and claimed before T_clm."""
    marks = (now, timers.init, timers.deposit, timers.auction, timers.commit, timers.claim)
    if any(left >= right for left, right in pairwise(marks)):
        raise Malformed("the timers must rise from now", now=now, init=timers.init, claim=timers.claim)
    if timers.claim > now + MAX_SPAN_MS:
        raise Malformed("an auction is over within a week", now=now, claim=timers.claim)
    longest = max((task.deadline for task in tasks), default=0) + terms.slack
    decided = timers.commit + longest + timers.grace
    if timers.claim <= decided + timers.grace:
        raise Malformed("claims must end after every task, by the grace time", claim=timers.claim, decided=decided)


def move(phase: Phase | None, event: Event) -> Phase:
    """The phase after ``event``. Raises WrongPhase with the phase, the event and the events allowed instead."""
    found = TABLE.get((phase, event))
    if found is None:
        allowed = ", ".join(e.value for p, e in TABLE if p == phase) or "nothing"
        raise WrongPhase(f"no {event.value} now", phase=_name(phase), event=event.value, allowed=allowed)
    return found.after


def timed_out(phase: Phase, timers: Timers, now: int, *, funded: bool, margin: int = 0) -> Event | None:
    """The timer that has run out in ``phase`` and has to be served before anything else, if one has.

    ``funded``: the drone's deposit is there. ``margin``: it is served so much later (ms), for the caller's clock may be
    ahead. A contract serves timers, one after the other, at the start of each call.
    """
    if phase not in _TIMER:
        return None
    event, name = _TIMER[phase]
    if now <= getattr(timers, name) + margin:
        return None
    return Event.T_DEP_UNFUNDED if event is Event.T_DEP and not funded else event


def check_time(event: Event, timers: Timers, now: int) -> None:
    """Raises TooLate when the event's timer has run out, TooEarly for a timer that has not."""
    if event in _LAST and now > getattr(timers, _LAST[event]):
        raise TooLate(f"too late to {event.value}", now=now, until=getattr(timers, _LAST[event]))
    for timer, name in _TIMER.values():
        same = timer is event or (timer is Event.T_DEP and event is Event.T_DEP_UNFUNDED)
        if same and now <= getattr(timers, name):
            raise TooEarly("the timer still runs", now=now, from_=getattr(timers, name) + 1)


def diagram() -> str:
    """The auction's table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for (before, event), found in TABLE.items():
        lines.append(f"    {'[*]' if before is None else before.value} --> {found.after.value}: {event.value}")
    return "\n".join([*lines, f"    {Phase.CLOSED.value} --> [*]"]) + "\n"


def task_diagram() -> str:
    """The tasks' table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {TaskState.OPEN.value}: commit"]
    lines += [f"    {before.value} --> {after.value}: {event.value}" for (before, event), after in TASK_TABLE.items()]
    lines += [f"    {state.value} --> [*]" for state in (TaskState.RELEASED, TaskState.FAILED)]
    return "\n".join(lines) + "\n"


def consequences() -> str:
    """Both tables as Markdown: who pays for what."""
    lines = ["| phase | event | next | consequence |", "|---|---|---|---|"]
    for (before, event), found in TABLE.items():
        lines.append(f"| {_name(before)} | {event.value} | {found.after.value} | {found.consequence} |")
    lines += ["", "| a task ends or expires in | payword on the ledger | consequence |", "|---|---|---|"]
    for (state, shown), text in CONSEQUENCES.items():
        lines.append(f"| {state.value} | {'yes' if shown else 'no'} | {text} |")
    return "\n".join(lines) + "\n"


def _name(phase: Phase | None) -> str:
    return NONE if phase is None else phase.value
