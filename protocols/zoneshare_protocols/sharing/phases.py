"""A channel's phases on zone B's ledger, and every move between them: one table, from which the picture is drawn."""

from enum import StrEnum

from zoneshare_protocols.errors import WrongPhase
from zoneshare_protocols.sharing.records import Phase


class Event(StrEnum):
    """What happens to a channel; each is the ``escrow`` contract's function of that name."""

    FUND = "fund"
    COMMIT = "commit"
    CLOSE = "close"
    BEGIN_CHALLENGE = "begin_challenge"
    CHALLENGE = "challenge"
    COMPLAIN = "complain"
    SETTLE = "settle"
    SETTLE_FINAL = "settle_final"


NONE = "none"
"""Where a channel is before it is funded."""

TABLE: dict[tuple[Phase | None, Event], Phase] = {
    (None, Event.FUND): Phase.OPEN,
    (Phase.OPEN, Event.COMMIT): Phase.OPEN,
    (Phase.OPEN, Event.CLOSE): Phase.CLOSING,
    (Phase.OPEN, Event.COMPLAIN): Phase.OPEN,
    (Phase.OPEN, Event.SETTLE_FINAL): Phase.SETTLED,
    (Phase.CLOSING, Event.BEGIN_CHALLENGE): Phase.CHALLENGE,
    (Phase.CLOSING, Event.CHALLENGE): Phase.CLOSING,
    (Phase.CLOSING, Event.COMPLAIN): Phase.CLOSING,
    (Phase.CLOSING, Event.SETTLE_FINAL): Phase.SETTLED,
    (Phase.CHALLENGE, Event.CHALLENGE): Phase.CLOSING,
    (Phase.CHALLENGE, Event.COMPLAIN): Phase.CHALLENGE,
    (Phase.CHALLENGE, Event.SETTLE): Phase.SETTLED,
    (Phase.CHALLENGE, Event.SETTLE_FINAL): Phase.SETTLED,
}
"""(phase, event) -> next phase. A challenge always goes back to ``closing``, so that the newer state gets a window of
its own in which it can be answered, and the keys it shows be complained about."""


def move(phase: Phase | None, event: Event) -> Phase:
    """The phase after ``event``. Raises WrongPhase with the phase, the event and the events allowed instead."""
    after = TABLE.get((phase, event))
    if after is None:
        allowed = ", ".join(e.value for p, e in TABLE if p == phase) or "nothing"
        raise WrongPhase(f"no {event.value} now", phase=_name(phase), event=event.value, allowed=allowed)
    return after


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for (before, event), after in TABLE.items():
        lines.append(f"    {'[*]' if before is None else before.value} --> {after.value}: {event.value}")
    lines.append(f"    {Phase.SETTLED.value} --> [*]")
    return "\n".join(lines) + "\n"


def _name(phase: Phase | None) -> str:
    return NONE if phase is None else phase.value
