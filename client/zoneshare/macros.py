"""Large trades, recorded in full on the seller's zone's ledger, typed."""

from collections.abc import Iterator

from zoneshare.accounts import Accounts
from zoneshare.calls import Contract, result
from zoneshare.crossing import finish
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.sharing.macro import HOLDING
from zoneshare_protocols.sharing.records import EndorsedQuery, Macro, MacroStatus, MacroTerms, Outbound


class Macros(Contract):
    """The contract ``macro`` of a zone. Raises the contract's own errors, and what the Ledger port raises."""

    prefix = "macro"

    def offer(self, terms: MacroTerms) -> str:
        """By the seller, in its zone; the trade's id."""
        return result(str, self.submit("offer", terms).payload)

    def cancel(self, id: str) -> Macro:
        return self._step("cancel", id)

    def pay(self, id: str) -> Macro:
        """By a buyer of the seller's own zone; see :func:`pay_across` for a buyer of another."""
        return self._step("pay", id)

    def lock_payment(self, terms: MacroTerms) -> Outbound:
        """In the buyer's own zone, for a trade of another."""
        return result(Outbound, self.submit("lock_payment", terms).payload)

    def receive_payment(self, id: str, proof: EndorsedQuery) -> Macro:
        """In the seller's zone: the proof that the buyer's money is locked."""
        return result(Macro, self.submit("receive_payment", id, proof).payload)

    def deliver(self, id: str) -> Macro:
        return self._step("deliver", id)

    def dispute(self, id: str) -> Macro:
        return self._step("dispute", id)

    def complete(self, id: str) -> Macro:
        return self._step("complete", id)

    def refund(self, id: str) -> Macro:
        return self._step("refund", id)

    def macro(self, id: str) -> Macro:
        """Raises NotFound."""
        return self.query(Macro, "macro", id)

    def macros(self) -> Iterator[Macro]:
        return self.pages(Macro, "macros")

    def history(self, id: str) -> tuple[tuple[str, int, MacroStatus], ...]:
        """(transaction, its time in ms, status) of every change, oldest first."""
        return self.query(tuple[tuple[str, int, MacroStatus], ...], "history", id)

    def _step(self, function: str, id: str) -> Macro:
        return result(Macro, self.submit(function, id).payload)


def held(macro: Macro) -> int:
    """What the seller's zone holds of a trade's price."""
    return macro.terms.amount if macro.status in HOLDING else 0


def pay_across(buyer_zone: Macros, seller_zone: Macros, terms: MacroTerms) -> Macro:
    """Pay a trade of another zone: lock, prove, acknowledge; money that came too late is reclaimed.

    May be called again after any failure.
    """
    home = Accounts(buyer_zone.ledger)
    there = Accounts(seller_zone.ledger)
    id = f"macro.{terms.id}"
    try:
        home.outbound(id)
    except NotFound:
        buyer_zone.lock_payment(terms)
    finish(home, there, id, lambda proof: seller_zone.receive_payment(terms.id, proof))
    return seller_zone.macro(terms.id)
