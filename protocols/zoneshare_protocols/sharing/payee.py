"""B's side of a channel, as a state machine without I/O: which T_i it takes, and which key it may release for it."""

from collections.abc import Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import LimitExceeded, Misuse, NotFound, NotNewer, RuleBroken
from zoneshare_protocols.sharing.channel import check_update
from zoneshare_protocols.sharing.keys import check_digest_signature
from zoneshare_protocols.sharing.records import MAX_WINDOW, ChannelTerms, Payment, SignedState, State


class Release(NamedTuple):
    """What B may do now: write ``signed`` down, and then send its signature and the key of ``chunk`` (None: no key)."""

    signed: SignedState
    trade: bytes
    chunk: int | None


class PayeeSide:
    """B's side. ``last`` is a state B has taken (state 0 at first), ``taken`` what it took after that, in order.

    Built again after a crash it needs the last ``2 * MAX_WINDOW`` states taken, to answer what A may send again.
    """

    def __init__(
        self,
        terms: ChannelTerms,
        private: Ed25519PrivateKey,
        last: State,
        window: int = MAX_WINDOW,
        *,
        taken: Iterable[SignedState] = (),
    ) -> None:
        if not 1 <= window <= MAX_WINDOW:
            raise Misuse(f"a window has 1 to {MAX_WINDOW} chunks", window=window)
        self._terms, self._private, self._window = terms, private, window
        self._trades: dict[bytes, tuple[int, int]] = {}
        self._answers: dict[int, tuple[bytes, Release]] = {}
        self.state = last
        self._payment = decode(Payment, last.app_state)
        for signed in taken:
            self._take(signed, digest(signed.state), decode(Payment, signed.state.app_state))

    @property
    def payment(self) -> Payment:
        """Of the newest state that B has taken."""
        return self._payment

    def serve(self, trade: bytes, price: int, chunks: int) -> None:
        """B has committed to this trade (digest of its Commitment, tx5) on the ledger, and takes payments for it."""
        self._trades[trade] = (price, chunks)

    def on_update(self, signed: SignedState, earliest: int) -> Release:
        """T_i or T_n from A; ``earliest`` (ms) is now + margin. A repeated T_i gets the same answer again.

        Raises what ``check_update`` raises, BadSignature, NotFound for a trade not served, LimitExceeded for a chunk
        the trade does not have or a gap wider than the window, RuleBroken for another price, or a T_n while keys are
        not acknowledged.
        """
        state = signed.state
        signing_digest = digest(state)
        if state.version <= self.state.version:
            known = self._answers.get(state.version)
            if known is None or known[0] != signing_digest:
                raise NotNewer("not a newer state", version=state.version, present=self.state.version)
            return known[1]
        check_update(self._terms, self.state, state, earliest)
        payment = decode(Payment, state.app_state)
        self._check_payment(state, payment)
        check_digest_signature(self._terms.payer_key, signing_digest, signed.payer_signature, "payer")
        both = SignedState(state, signed.payer_signature, self._private.sign(signing_digest))
        return self._take(both, signing_digest, payment)

    def _take(self, both: SignedState, signing_digest: bytes, payment: Payment) -> Release:
        risen = payment.trade != self._payment.trade or payment.count > self._payment.count
        release = Release(both, payment.trade, payment.count - 1 if risen else None)
        version = both.state.version
        self._answers[version] = (signing_digest, release)
        # A can have a window of chunks and as many acknowledgements under way.
        self._answers.pop(version - 2 * MAX_WINDOW, None)
        self.state, self._payment = both.state, payment
        return release

    def _check_payment(self, state: State, payment: Payment) -> None:
        if state.final:
            if payment.acked != payment.count:
                raise RuleBroken("keys are not acknowledged", acked=payment.acked, count=payment.count)
            return
        served = self._trades.get(payment.trade)
        if served is None:
            raise NotFound("no such trade is served in this channel")
        price, chunks = served
        if payment.price != price:
            raise RuleBroken("not the price agreed", price=payment.price, agreed=price)
        if payment.count > chunks:
            raise LimitExceeded("more chunks than the trade has", value=payment.count, limit=chunks)
        if payment.count - payment.acked > self._window:
            raise LimitExceeded("the window is full", value=payment.count - payment.acked, limit=self._window)
