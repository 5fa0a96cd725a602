"""macro: large trades recorded in full, inside a zone and across; the record is on the seller's zone's ledger."""

from zoneshare_chaincode import crosszone, vault
from zoneshare_chaincode.base import Context, Contract, query, transaction
from zoneshare_protocols.codec import Name, decode
from zoneshare_protocols.errors import AlreadyExists, NotAllowed, NotFound
from zoneshare_protocols.sharing import macro as rules
from zoneshare_protocols.sharing.macro import Event
from zoneshare_protocols.sharing.records import EndorsedQuery, Macro, MacroStatus, MacroTerms, Outbound
from zoneshare_protocols.stub import composite_key

MACRO = "macro"


class MacroTrades(Contract):
    """Every change sets the event ``macro`` (Macro)."""

    name = "macro"

    @transaction
    def offer(self, context: Context, terms: MacroTerms) -> str:
        """By the seller; gives the trade's id."""
        macro = rules.offer(terms, context.zone, context.account, context.now, context.margin)
        vault.account(context, terms.seller)
        if context.get(Macro, _key(terms.id)) is not None:
            raise AlreadyExists("offered already", id=terms.id)
        _put(context, macro)
        return terms.id

    @transaction
    def cancel(self, context: Context, id: Name) -> Macro:
        """By the seller, before it is paid."""
        return _put(context, _step(context, id, Event.CANCEL))

    @transaction
    def pay(self, context: Context, id: Name) -> Macro:
        """By a buyer of this zone: the zone holds the price."""
        macro = _step(context, id, Event.PAY)
        if macro.terms.buyer_zone != context.zone:
            raise NotAllowed("the buyer pays from its own zone", buyer_zone=macro.terms.buyer_zone)
        vault.debit(context, context.account, macro.terms.amount)
        return _put(context, macro)

    @transaction
    def lock_payment(self, context: Context, terms: MacroTerms) -> Outbound:
        """By a buyer, in its own zone, for a trade of another zone; event ``outbound`` (Outbound)."""
        outbound = rules.payment(terms, context.zone, context.account, context.now)
        vault.debit(context, context.account, outbound.amount)
        crosszone.lock(context, outbound)
        context.event("outbound", outbound)
        return outbound

    @transaction
    def receive_payment(self, context: Context, id: Name, proof: EndorsedQuery) -> Macro:
        """In the seller's zone, by anyone, with the proof of ``ledger:outbound``: the zone holds the price."""
        macro = _macro(context, id)
        outbound = crosszone.verify_outbound(context, macro.terms.buyer_zone, proof)
        rules.check_payment(macro.terms, outbound)
        paid = rules.step(macro, Event.PAY, macro.terms.buyer, context.now, context.margin)
        crosszone.take(context, outbound)
        return _put(context, paid)

    @transaction
    def deliver(self, context: Context, id: Name) -> Macro:
        """By the seller: it says that it delivered."""
        return _put(context, _step(context, id, Event.DELIVER))

    @transaction
    def dispute(self, context: Context, id: Name) -> Macro:
        """By the buyer: it says that it got nothing, or something else."""
        return _put(context, _step(context, id, Event.DISPUTE))

    @transaction
    def complete(self, context: Context, id: Name) -> Macro:
        """By the buyer, by the arbiter of a dispute, or by the seller once nobody can dispute: the seller is paid."""
        macro = _step(context, id, Event.COMPLETE)
        vault.credit(context, macro.terms.seller, macro.terms.amount)
        return _put(context, macro)

    @transaction
    def refund(self, context: Context, id: Name) -> Macro:
        """By the seller, by the arbiter of a dispute, or by the buyer once the seller, or the arbiter, is late.

        To another zone the price goes home as the outbound ``macro.<id>``.
        """
        macro = _step(context, id, Event.REFUND)
        terms = macro.terms
        if terms.buyer_zone == context.zone:
            vault.credit(context, terms.buyer, terms.amount)
        else:
            crosszone.send_home(
                context, f"macro.{id}", source=id, zone=terms.buyer_zone, account=terms.buyer, amount=terms.amount
            )
        return _put(context, macro)

    @query
    def macro(self, context: Context, id: Name) -> Macro:
        return _macro(context, id)

    @query
    def macros(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Macro, ...], str]:
        """A page of all trades, and the next page's bookmark."""
        rows, following = context.page(Macro, MACRO, size, bookmark)
        return tuple(macro for _, macro in rows), following

    @query
    def history(self, context: Context, id: Name) -> tuple[tuple[str, int, MacroStatus], ...]:
        """(transaction, its time in ms, status) of every change, oldest first."""
        _macro(context, id)
        changes = [
            (change.tx_id, change.timestamp_ms, decode(Macro, change.value).status)
            for change in context.stub.get_history_for_key(_key(id))
        ]
        return tuple(reversed(changes))


def _key(id: str) -> str:
    return composite_key(MACRO, id)


def _macro(context: Context, id: str) -> Macro:
    found = context.get(Macro, _key(id))
    if found is None:
        raise NotFound("no such macro-transaction in this zone", id=id)
    return found


def _step(context: Context, id: str, event: Event) -> Macro:
    return rules.step(_macro(context, id), event, context.account, context.now, context.margin)


def _put(context: Context, macro: Macro) -> Macro:
    context.put(_key(macro.terms.id), macro)
    context.event("macro", macro)
    return macro
