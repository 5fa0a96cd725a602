"""The 2-of-2 escrow of a channel on zone B's ledger: what each transaction may do to the one record it writes.

Every function takes the channel as the ledger has it, and what was shown, and gives the channel as it is afterwards.
``now`` is the transaction's timestamp and ``margin`` twice the zone's clock tolerance, both in ms. All raise WrongPhase
where the table of :mod:`phases` has no such move.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from zoneshare_protocols.codec import MAX_AMOUNT, digest
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadAmount,
    BadProof,
    DataCorrupt,
    LimitExceeded,
    NotAllowed,
    NotConserved,
    NotNewer,
    RuleBroken,
    TooEarly,
)
from zoneshare_protocols.sharing.application import application
from zoneshare_protocols.sharing.channel import check_form, check_signed, check_terms, initial_state
from zoneshare_protocols.sharing.chunkcipher import check_revealed, open_chunk
from zoneshare_protocols.sharing.keys import check_signature
from zoneshare_protocols.sharing.phases import Event, move
from zoneshare_protocols.sharing.records import (
    MAX_WINDOW,
    Account,
    Channel,
    ChannelTerms,
    Commitment,
    Complaint,
    Destination,
    Evidence,
    Outbound,
    Phase,
    RevealedKey,
    SignedState,
)

Trade = Commitment | None
"""The commitment of a state's trade; None where the state names none, or none that is on the ledger."""


def fund(
    terms: ChannelTerms, refund: SignedState, payee: Account, money: Outbound, *, zone: str, now: int, margin: int
) -> Channel:
    """tx3^A: the channel that ``money``, proven to be locked in A's zone, opens. ``refund`` is B's half of tx4.

    Raises TooLate or RuleBroken for terms that do not fit, NotAllowed when the payee's account has other keys, BadProof
    for money that is not this channel's, BadSignature unless B signed state 0.
    """
    phase = move(None, Event.FUND)
    check_terms(terms, margin, now)
    if terms.payee_zone != zone:
        raise RuleBroken("the payee's zone is another", zone=zone, payee_zone=terms.payee_zone)
    if (payee.id, payee.signing_key) != (terms.payee, terms.payee_key):
        raise NotAllowed("the payee's account has another key", account=terms.payee)
    channel = terms.channel
    expected = (f"channel.{channel}", terms.payer_zone, terms.payer, zone, Destination.CHANNEL, channel)
    if (money.id, money.source_zone, money.source, money.dest_zone, money.kind, money.dest) != expected:
        raise BadProof("the money is not this channel's", money=money.id, channel=channel)
    if (money.amount, money.before) != (terms.deposit, terms.fund_before):
        raise BadProof("the money is not what the terms say", amount=money.amount, deposit=terms.deposit)
    if refund.state != initial_state(terms):
        raise RuleBroken("not the refund of this channel", version=refund.state.version)
    check_signature(terms.payee_key, refund.state, refund.payee_signature, "payee")
    return Channel(terms, phase, 0, None, (), 0, (), 0, 0)


def commit(channel: Channel, commitment: Commitment, caller: str) -> Channel:
    """tx5: B's bond is locked beside the deposit. The trade's own record is the commitment, under its digest.

    Raises NotAllowed unless B's account submits it, RuleBroken for another channel's request, BadSignature unless A
    signed the request, BadAmount for a price over the deposit or more bond than fits.
    """
    phase = move(channel.phase, Event.COMMIT)
    terms, request = channel.terms, commitment.request
    if caller != terms.payee:
        raise NotAllowed("only the payee commits to data", caller=caller, payee=terms.payee)
    if request.channel != terms.channel:
        raise RuleBroken("a request for another channel", channel=request.channel, expected=terms.channel)
    check_signature(terms.payer_key, request, commitment.request_signature, "payer")
    if request.price > terms.deposit:
        raise BadAmount("a chunk costs more than the deposit", value=request.price, limit=terms.deposit)
    if terms.deposit + channel.bond + commitment.bond > MAX_AMOUNT:
        raise BadAmount("more than a channel can hold", value=commitment.bond, limit=MAX_AMOUNT)
    return replace(channel, phase=phase, bond=channel.bond + commitment.bond)


def close(channel: Channel, signed: SignedState, evidence: Evidence, trade: Trade, now: int) -> Channel:
    """One party posts a state; tx4 is state 0. Raises TooEarly before N_i, and what :func:`_admit` raises."""
    phase = move(channel.phase, Event.CLOSE)
    shown = _admit(channel, signed, evidence, trade)
    if now < signed.state.lock:
        raise TooEarly("the state's lock has not come", now=now, from_=signed.state.lock)
    return replace(channel, phase=phase, posted=signed, revealed=shown, challenge_from=0)


def begin_challenge(channel: Channel, now: int) -> Channel:
    """Starts the window of the posted state, in a transaction of its own: only what is on the ledger can be in it."""
    return replace(channel, phase=move(channel.phase, Event.BEGIN_CHALLENGE), challenge_from=now)


def challenge(channel: Channel, signed: SignedState, evidence: Evidence, trade: Trade) -> Channel:
    """A newer state wins, until settlement; so does the same version with all keys that were still missing.

    The same version is taken once at most (nothing is missing afterwards), so that nobody draws the end out key by
    key. Keys shown once for a trade go on counting. Raises NotNewer, and what :func:`_admit` raises.
    """
    phase = move(channel.phase, Event.CHALLENGE)
    posted = _posted(channel)
    new, present = signed.state.version, posted.state.version
    if new < present or (new == present and signed.state != posted.state):
        raise NotNewer("not a newer state", version=new, present=present)
    shown = _admit(channel, signed, evidence, trade)
    if new == present:
        rules = application(signed.state.app)
        if len(shown) <= len(channel.revealed) or not rules.complete(signed.state.app_state, shown):
            raise NotNewer("the same state without all its keys", version=new, present=present)
    return replace(channel, phase=phase, posted=signed, revealed=shown, challenge_from=0)


def complain(channel: Channel, complaint: Complaint, commitment: Commitment) -> Channel:
    """A's charge, checked here against tx5 alone, whoever brings it; it is worth money at settlement.

    Raises BadProof when key, leaf, secret or ciphertext are not those committed to, RuleBroken when the chunk is what
    B committed to, AlreadyExists for a second complaint about the chunk, LimitExceeded for more than a window of them
    (B could use that up itself, so a chunk whose key B has shown to be paid for it is always heard).
    """
    phase = move(channel.phase, Event.COMPLAIN)
    leaf = complaint.revealed.leaf
    charge = (complaint.trade, leaf.index)
    if complaint.channel != channel.terms.channel or complaint.trade != digest(commitment):
        raise RuleBroken("a complaint about another channel or trade", channel=complaint.channel)
    if charge in channel.complaints:
        raise AlreadyExists("that chunk's complaint is upheld already", index=leaf.index)
    enough = sum(trade == complaint.trade for trade, _ in channel.complaints) >= MAX_WINDOW
    if enough and not _shown(channel, complaint.trade, leaf.index):
        raise LimitExceeded("enough complaints about this trade", value=MAX_WINDOW + 1, limit=MAX_WINDOW)
    check_revealed(commitment, complaint.revealed)
    if digest(complaint.secret) != commitment.secret_hash:
        raise BadProof("the trade's secret is not the one committed to")
    try:
        open_chunk(leaf, complaint.secret, complaint.revealed.key, complaint.ciphertext)
    except DataCorrupt:
        return replace(channel, phase=phase, complaints=(*channel.complaints, charge))
    raise RuleBroken("the chunk is what was committed to", index=leaf.index)


def settle(channel: Channel, bonds: Mapping[bytes, int], now: int, margin: int) -> Channel:
    """Pays out the posted state once its window and the margin are over. ``bonds``: see :func:`forfeits`.

    Raises TooEarly.
    """
    phase = move(channel.phase, Event.SETTLE)
    due = channel.challenge_from + channel.terms.challenge + margin
    if now < due:
        raise TooEarly("the challenge window is open", now=now, from_=due)
    return _pay_out(channel, phase, _posted(channel), channel.revealed, bonds)


def settle_final(channel: Channel, signed: SignedState, bonds: Mapping[bytes, int]) -> Channel:
    """T_n: both have signed, so it is paid out at once, complaints upheld before it included.

    Raises RuleBroken unless the state is final, NotNewer below a state already posted, BadSignature.
    """
    phase = move(channel.phase, Event.SETTLE_FINAL)
    if not signed.state.final:
        raise RuleBroken("not a final state", version=signed.state.version)
    check_form(channel.terms, channel.terms.channel, signed.state)
    if channel.posted is not None and signed.state.version <= channel.posted.state.version:
        raise NotNewer("not a newer state", version=signed.state.version, present=channel.posted.state.version)
    check_signed(channel.terms, signed)
    return _pay_out(channel, phase, signed, (), bonds)


def trade_of(state: SignedState) -> bytes:
    """Digest of the commitment that a state's evidence is checked against, or empty. Raises Malformed, NotFound."""
    return application(state.state.app).trade(state.state.app_state)


def forfeits(channel: Channel) -> tuple[bytes, ...]:
    """The trades with a complaint upheld, whose bonds A gets: settlement needs their commitments."""
    return tuple(sorted({trade for trade, _ in channel.complaints}))


def escrowed(channel: Channel) -> int:
    """What a channel holds of its zone's money: deposit and bonds, until it is settled."""
    return 0 if channel.phase is Phase.SETTLED else channel.terms.deposit + channel.bond


def check_conserved(channel: Channel) -> None:
    """Raises NotConserved unless a settled channel pays out exactly what it held."""
    held, paid_out = channel.terms.deposit + channel.bond, channel.paid + channel.returned
    if channel.phase is Phase.SETTLED and (held != paid_out or min(channel.paid, channel.returned) < 0):
        raise NotConserved("a settlement would make or lose money", expected=held, actual=paid_out)


def _admit(channel: Channel, signed: SignedState, evidence: Evidence, trade: Trade) -> tuple[RevealedKey, ...]:
    """The keys that count beside a state posted by one party.

    Raises RuleBroken for a final state, another channel's, or a lock not its version's; BadSignature; BadProof and
    LimitExceeded for evidence that is not the state's.
    """
    state = signed.state
    if state.final:
        raise RuleBroken("a final state is settled at once, not posted", version=state.version)
    check_form(channel.terms, channel.terms.channel, state)
    check_signed(channel.terms, signed)
    rules = application(state.app)
    if trade is None:
        if evidence.keys:
            raise BadProof("keys for a trade that is not committed to")
        return ()
    known: tuple[RevealedKey, ...] = ()
    if channel.posted is not None and trade_of(channel.posted) == trade_of(signed):
        known = channel.revealed
    return rules.admit(state.app_state, evidence.keys, known, trade)


def _shown(channel: Channel, trade: bytes, index: int) -> bool:
    """Whether the chunk's key stands beside the posted state."""
    if channel.posted is None or trade_of(channel.posted) != trade:
        return False
    return any(revealed.leaf.index == index for revealed in channel.revealed)


def _posted(channel: Channel) -> SignedState:
    if channel.posted is None:
        raise RuleBroken("no state is posted", phase=channel.phase.value)
    return channel.posted


def _pay_out(
    channel: Channel, phase: Phase, last: SignedState, shown: tuple[RevealedKey, ...], bonds: Mapping[bytes, int]
) -> Channel:
    rules = application(last.state.app)
    earned = rules.outcome(last.state.app_state, shown, channel.complaints, channel.terms.deposit)
    lost = sum(bonds[trade] for trade in forfeits(channel))
    settled = replace(
        channel,
        phase=phase,
        posted=last,
        revealed=shown,
        paid=earned + channel.bond - lost,
        returned=channel.terms.deposit - earned + lost,
    )
    check_conserved(settled)
    return settled
