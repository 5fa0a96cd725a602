"""A channel between A (payer) and B (payee) off the ledger: which states there are, and which may follow which."""

from zoneshare_protocols.codec import MAX_AMOUNT, digest, encode
from zoneshare_protocols.errors import LimitExceeded, NotNewer, RuleBroken, TooLate
from zoneshare_protocols.sharing.application import application
from zoneshare_protocols.sharing.keys import check_digest_signature
from zoneshare_protocols.sharing.payment import PAYMENT
from zoneshare_protocols.sharing.records import ChannelTerms, Payment, SignedState, State


def check_terms(terms: ChannelTerms, margin: int, now: int) -> None:
    """Raises TooLate or RuleBroken for terms no channel can live with; ``margin`` is the payee's zone's, all in ms.

    The refund M must come after the funding's deadline, the deadline must not be over, and all deadlines must fit.
    """
    if terms.fund_before <= now:
        raise TooLate("the funding's deadline is over", now=now, until=terms.fund_before)
    if terms.refund_from < terms.fund_before + margin:
        raise RuleBroken("the refund's lock is before the funding", refund=terms.refund_from, funding=terms.fund_before)
    if terms.refund_from + terms.challenge + 2 * margin > MAX_AMOUNT:
        raise LimitExceeded("the lock is too far away", value=terms.refund_from, limit=MAX_AMOUNT)
    if terms.payer_zone == terms.payee_zone:
        raise RuleBroken("payer and payee are in one zone", zone=terms.payer_zone)
    if terms.payer_key == terms.payee_key:
        raise RuleBroken("payer and payee have one key")


def lock_of(terms: ChannelTerms, version: int) -> int:
    """N_i = M - i * tick, in ms. Raises LimitExceeded when the locks have run out."""
    lock = terms.refund_from - version * terms.tick
    if lock < 0:
        raise LimitExceeded("the channel's locks have run out", value=version, limit=terms.refund_from // terms.tick)
    return lock


def initial_state(terms: ChannelTerms) -> State:
    """tx4, the refund: version 0, lock M, all of the deposit back to A."""
    return State(terms.channel, 0, terms.refund_from, False, PAYMENT.name, PAYMENT.initial())


def next_state(terms: ChannelTerms, channel: str, version: int, payment: Payment) -> State:
    """T_i: version i with its lock. ``channel`` is the terms' id, which is a hash and known to the caller."""
    return State(channel, version, lock_of(terms, version), False, PAYMENT.name, encode(payment))


def final_state(last: State, payment: Payment) -> State:
    """T_n: what both agree to settle at once, one version above the last T_i."""
    return State(last.channel, last.version + 1, 0, True, last.app, encode(payment))


def updates_left(terms: ChannelTerms, version: int, earliest: int) -> int:
    """How many T_i can follow ``version`` with locks not before ``earliest`` (now + margin, ms)."""
    return max(0, (terms.refund_from - earliest) // terms.tick - version)


def check_update(terms: ChannelTerms, last: State, new: State, earliest: int = 0) -> None:
    """Raises unless ``new`` may follow ``last``: T_i, or T_n when it is final.

    NotNewer for a lower or equal version or anything that shrinks, RuleBroken for another channel, another application
    or a lock that is not N_i, BadAmount over the deposit, LimitExceeded for a version skipped, a lock before
    ``earliest`` (now + margin, ms), a window too wide.
    """
    check_form(terms, last.channel, new)
    if last.final:
        raise RuleBroken("the channel's final state is signed", version=last.version)
    if new.version <= last.version:
        raise NotNewer("not a newer state", version=new.version, present=last.version)
    if new.version != last.version + 1:
        raise LimitExceeded("a version is left out", value=new.version, limit=last.version + 1)
    if new.app != last.app:
        raise RuleBroken("the application changes", app=new.app, agreed=last.app)
    rules = application(new.app)
    if new.final:
        rules.check_last(last.app_state, new.app_state)
        return
    if new.lock < earliest:
        raise LimitExceeded("the channel's locks have run out", value=new.lock, limit=earliest)
    rules.check_step(last.app_state, new.app_state, terms.deposit)


def check_form(terms: ChannelTerms, channel: str, state: State) -> None:
    """Raises RuleBroken unless the state is of this channel and has the lock its version must have."""
    if state.channel != channel:
        raise RuleBroken("a state of another channel", channel=state.channel, expected=channel)
    lock = 0 if state.final else lock_of(terms, state.version)
    if state.lock != lock:
        raise RuleBroken("not the lock of this version", lock=state.lock, expected=lock)


def check_signed(terms: ChannelTerms, signed: SignedState) -> None:
    """Raises BadSignature unless both parties have signed."""
    signing_digest = digest(signed.state)
    check_digest_signature(terms.payer_key, signing_digest, signed.payer_signature, "payer")
    check_digest_signature(terms.payee_key, signing_digest, signed.payee_signature, "payee")
