"""Macro-transactions: a large trade recorded in full on the ledger (layer one of the paper), step by step.

The price is held by the seller's zone from payment on; it ends with the seller (completed) or the buyer (refunded).
Every step writes the trade's one key. A step endorsed before its deadline can be held back and ordered later, so each
party must look once between one deadline plus the margin and the next deadline, and take the step that is then its
right: that one voids what is held back, or, if it was ordered first, shows it in time to be answered.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from zoneshare_protocols.errors import BadProof, NotAllowed, RuleBroken, TooEarly, TooLate, WrongPhase
from zoneshare_protocols.sharing import crosszone
from zoneshare_protocols.sharing.records import Destination, Macro, MacroStatus, MacroTerms, Outbound


class Role(StrEnum):
    SELLER = "seller"
    BUYER = "buyer"
    ARBITER = "arbiter"


class Event(StrEnum):
    CANCEL = "cancel"
    PAY = "pay"
    DELIVER = "deliver"
    DISPUTE = "dispute"
    COMPLETE = "complete"
    REFUND = "refund"


@dataclass(frozen=True)
class Right:
    """One way a transition may be made: by whom, and when (a name of a deadline in the terms)."""

    role: Role
    before: str = ""
    """Only before this deadline."""
    after: str = ""
    """Only from this deadline, and the margin, on."""


_S, _B, _A = Role.SELLER, Role.BUYER, Role.ARBITER

TRANSITIONS: dict[tuple[MacroStatus, Event], tuple[MacroStatus, tuple[Right, ...]]] = {
    (MacroStatus.OFFERED, Event.CANCEL): (MacroStatus.CANCELLED, (Right(_S),)),
    (MacroStatus.OFFERED, Event.PAY): (MacroStatus.PAID, (Right(_B, before="pay_before"),)),
    (MacroStatus.PAID, Event.DELIVER): (MacroStatus.DELIVERED, (Right(_S, before="deliver_before"),)),
    (MacroStatus.PAID, Event.REFUND): (MacroStatus.REFUNDED, (Right(_S), Right(_B, after="deliver_before"))),
    (MacroStatus.DELIVERED, Event.COMPLETE): (MacroStatus.COMPLETED, (Right(_B), Right(_S, after="dispute_before"))),
    (MacroStatus.DELIVERED, Event.DISPUTE): (MacroStatus.DISPUTED, (Right(_B, before="dispute_before"),)),
    (MacroStatus.DELIVERED, Event.REFUND): (MacroStatus.REFUNDED, (Right(_S),)),
    (MacroStatus.DISPUTED, Event.COMPLETE): (MacroStatus.COMPLETED, (Right(_B), Right(_A, before="decide_before"))),
    (MacroStatus.DISPUTED, Event.REFUND): (
        MacroStatus.REFUNDED,
        (Right(_S), Right(_A, before="decide_before"), Right(_B, after="decide_before")),
    ),
}
"""(status, event) -> (next status, who may and when). What is not here is refused."""

HOLDING = frozenset({MacroStatus.PAID, MacroStatus.DELIVERED, MacroStatus.DISPUTED})
"""The zone holds the price: part of its escrows."""


def offer(terms: MacroTerms, zone: str, caller: str, now: int, margin: int) -> Macro:
    """The seller's offer, on its own zone's ledger. Raises NotAllowed, TooLate, RuleBroken (deadlines, parties)."""
    if terms.seller_zone != zone or terms.seller != caller:
        raise NotAllowed("only the seller, in its own zone, offers", caller=caller, seller=terms.seller)
    if len({terms.seller, terms.buyer, terms.arbiter}) != 3:
        raise RuleBroken("seller, buyer and arbiter are three accounts", seller=terms.seller, buyer=terms.buyer)
    deadlines = (terms.pay_before, terms.deliver_before, terms.dispute_before, terms.decide_before)
    if any(later - earlier <= 2 * margin for earlier, later in pairwise(deadlines)):
        raise RuleBroken("the deadlines must follow one another, more than two margins apart", margin=margin)
    if now >= terms.pay_before:
        raise TooLate("the deadline to pay is past", now=now, until=terms.pay_before)
    return Macro(terms=terms, status=MacroStatus.OFFERED)


def step(macro: Macro, event: Event, caller: str, now: int, margin: int) -> Macro:
    """The trade after ``event`` by ``caller``. Raises WrongPhase, NotAllowed, TooEarly, TooLate."""
    found = TRANSITIONS.get((macro.status, event))
    if found is None:
        allowed = ", ".join(sorted(e for s, e in TRANSITIONS if s is macro.status))
        raise WrongPhase("the trade is not there", phase=macro.status.value, event=event.value, allowed=allowed)
    status, rights = found
    terms = macro.terms
    role = {terms.seller: Role.SELLER, terms.buyer: Role.BUYER, terms.arbiter: Role.ARBITER}.get(caller)
    right = next((right for right in rights if right.role is role), None)
    if right is None:
        raise NotAllowed("not this party's right", event=event.value, allowed=", ".join(r.role for r in rights))
    if right.before and now >= (until := _deadline(terms, right.before)):
        raise TooLate("the deadline is past", now=now, until=until)
    if right.after and now < (start := _deadline(terms, right.after) + margin):
        raise TooEarly("the deadline and its margin are not past", now=now, from_=start)
    return Macro(terms=terms, status=status)


def payment(terms: MacroTerms, zone: str, caller: str, now: int) -> Outbound:
    """The price, locked in the buyer's zone for a trade of another zone: only the buyer can, so nobody takes its id.

    Raises NotAllowed, and what ``crosszone.outbound`` raises.
    """
    if terms.buyer_zone != zone or terms.buyer != caller:
        raise NotAllowed("only the buyer, in its own zone, pays", caller=caller, buyer=terms.buyer)
    return crosszone.outbound(
        f"macro.{terms.id}",
        zone=zone,
        source=caller,
        dest_zone=terms.seller_zone,
        kind=Destination.MACRO,
        dest=terms.id,
        amount=terms.amount,
        before=terms.pay_before,
        now=now,
    )


def check_payment(terms: MacroTerms, shown: Outbound) -> None:
    """Raises BadProof unless ``shown`` is the buyer's money, all of it, for this trade."""
    wanted = crosszone.outbound(
        f"macro.{terms.id}",
        zone=terms.buyer_zone,
        source=terms.buyer,
        dest_zone=terms.seller_zone,
        kind=Destination.MACRO,
        dest=terms.id,
        amount=terms.amount,
        before=terms.pay_before,
        now=0,
    )
    if shown != wanted:
        raise BadProof("the money is not this trade's", macro=terms.id, outbound=shown.id)


def _deadline(terms: MacroTerms, name: str) -> int:
    moment: int = getattr(terms, name)
    return moment
