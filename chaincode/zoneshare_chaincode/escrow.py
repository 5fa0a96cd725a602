"""escrow: channels between two devices of different zones, on the payee's zone's ledger (docs/sharing.md).

A channel is one key, which every function here reads and writes, so that of two transactions that race one commits.
"""

from zoneshare_chaincode import crosszone, vault
from zoneshare_chaincode.base import Context, Contract, query, transaction
from zoneshare_protocols.codec import Digest, Name, digest
from zoneshare_protocols.errors import AlreadyExists
from zoneshare_protocols.sharing import escrow as rules
from zoneshare_protocols.sharing.phases import Event
from zoneshare_protocols.sharing.records import (
    Channel,
    ChannelEvent,
    ChannelTerms,
    Commitment,
    Complaint,
    EndorsedQuery,
    Evidence,
    SignedState,
)
from zoneshare_protocols.stub import composite_key

CHANNEL = "channel"
TRADE = "trade"


class Escrow(Contract):
    name = "escrow"

    @transaction
    def fund(self, context: Context, terms: ChannelTerms, refund: SignedState, proof: EndorsedQuery) -> None:
        """tx3^A: open a channel with money locked in A's zone; ``refund`` is B's half of tx4. Anyone may submit it."""
        if context.get(Channel, composite_key(CHANNEL, terms.channel)) is not None:
            raise AlreadyExists("the channel is funded already", channel=terms.channel)
        money = crosszone.verify_outbound(context, terms.payer_zone, proof)
        payee = vault.account(context, terms.payee)
        channel = rules.fund(terms, refund, payee, money, zone=context.zone, now=context.now, margin=context.margin)
        crosszone.take(context, money)
        _put(context, Event.FUND, channel)

    @transaction
    def commit(self, context: Context, commitment: Commitment) -> None:
        """tx5: B commits to the data of a trade and locks its bond."""
        channel = _channel(context, commitment.request.channel)
        trade = digest(commitment)
        key = _trade_key(channel, trade)
        if context.get(Commitment, key) is not None:
            raise AlreadyExists("committed to already", trade=trade.hex())
        channel = rules.commit(channel, commitment, context.account)
        if commitment.bond:
            vault.debit(context, context.account, commitment.bond)
        context.put(key, commitment)
        _put(context, Event.COMMIT, channel, trade)

    @transaction
    def close(self, context: Context, signed: SignedState, evidence: Evidence) -> None:
        """Post a state alone, from its lock N_i on. Anyone may who holds it with both signatures."""
        channel = _channel(context, signed.state.channel)
        _put(
            context, Event.CLOSE, rules.close(channel, signed, evidence, _trade(context, channel, signed), context.now)
        )

    @transaction
    def begin_challenge(self, context: Context, channel: Name) -> None:
        """Start the challenge window of the state that is posted. Anyone may."""
        _put(context, Event.BEGIN_CHALLENGE, rules.begin_challenge(_channel(context, channel), context.now))

    @transaction
    def challenge(self, context: Context, signed: SignedState, evidence: Evidence) -> None:
        """Answer the posted state with a newer one, or with the keys it lacks. Anyone may, until settlement."""
        channel = _channel(context, signed.state.channel)
        trade = _trade(context, channel, signed)
        _put(context, Event.CHALLENGE, rules.challenge(channel, signed, evidence, trade))

    @transaction
    def complain(self, context: Context, complaint: Complaint) -> None:
        """Show that a chunk is not what B committed to. Anyone may, until settlement."""
        channel = _channel(context, complaint.channel)
        commitment = _commitment(context, channel, complaint.trade)
        _put(context, Event.COMPLAIN, rules.complain(channel, complaint, commitment), complaint.trade)

    @transaction
    def settle(self, context: Context, channel: Name) -> None:
        """Pay out the posted state once its window is over. Anyone may."""
        present = _channel(context, channel)
        _pay_out(context, Event.SETTLE, rules.settle(present, _bonds(context, present), context.now, context.margin))

    @transaction
    def settle_final(self, context: Context, signed: SignedState) -> None:
        """T_n: pay out what both have signed, at once. Anyone may."""
        present = _channel(context, signed.state.channel)
        _pay_out(context, Event.SETTLE_FINAL, rules.settle_final(present, signed, _bonds(context, present)))

    @query
    def channel(self, context: Context, id: Name) -> Channel:
        return _channel(context, id)

    @query
    def trade(self, context: Context, channel: Name, trade: Digest) -> Commitment:
        """tx5, by its digest."""
        return _commitment(context, _channel(context, channel), trade)

    @query
    def channels(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Channel, ...], str]:
        """A page of all channels ever, and the next page's bookmark ("" at the end)."""
        rows, following = context.page(Channel, CHANNEL, size, bookmark)
        return tuple(channel for _, channel in rows), following


def _channel(context: Context, id: str) -> Channel:
    return context.need(Channel, composite_key(CHANNEL, id), f"channel {id} in this zone")


def _trade_key(channel: Channel, trade: bytes) -> str:
    return composite_key(TRADE, channel.terms.channel, trade.hex())


def _commitment(context: Context, channel: Channel, trade: bytes) -> Commitment:
    return context.need(Commitment, _trade_key(channel, trade), "such trade in this channel")


def _trade(context: Context, channel: Channel, signed: SignedState) -> Commitment | None:
    trade = rules.trade_of(signed)
    return context.get(Commitment, _trade_key(channel, trade)) if trade else None


def _bonds(context: Context, channel: Channel) -> dict[bytes, int]:
    return {trade: _commitment(context, channel, trade).bond for trade in rules.forfeits(channel)}


def _pay_out(context: Context, event: Event, settled: Channel) -> None:
    terms = settled.terms
    if settled.paid:
        vault.credit(context, terms.payee, settled.paid)
    if settled.returned:
        crosszone.send_home(
            context,
            f"rest.{terms.channel}",
            source=terms.channel,
            zone=terms.payer_zone,
            account=terms.payer,
            amount=settled.returned,
        )
    _put(context, event, settled)


def _put(context: Context, event: Event, channel: Channel, trade: bytes = b"") -> None:
    id = channel.terms.channel
    context.put(composite_key(CHANNEL, id), channel)
    version = 0 if channel.posted is None else channel.posted.state.version
    context.event(event.value, ChannelEvent(id, channel.phase, version, trade))
