"""A's side of a channel, as a state machine without I/O: what it may sign, and what B's answers mean.

The caller writes down what a method returns before it sends it or acts on it; from what is written down the side is
built again after a crash. Legal order, for one trade: ``begin_trade``, ``sign_next`` at most ``window`` times ahead,
``on_release`` for every answer in order, ``acknowledge`` for every plaintext found right; ``sign_ack`` or
``sign_final`` at the end.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import LimitExceeded, Misuse, NotNewer, RuleBroken
from zoneshare_protocols.sharing.channel import check_update, final_state, next_state
from zoneshare_protocols.sharing.keys import check_digest_signature
from zoneshare_protocols.sharing.payment import spent
from zoneshare_protocols.sharing.records import MAX_WINDOW, ChannelTerms, Payment, SignedState, State


class Released(NamedTuple):
    """B's answer to T_i: a state both have signed, and the chunk whose key came with it (None: no key)."""

    signed: SignedState
    chunk: int | None


class _Sent(NamedTuple):
    signed: SignedState
    digest: bytes
    chunk: int | None


class PayerSide:
    """A's side. ``last`` is the newest state both have signed (state 0 at first), ``sent`` what A signed since, in
    order.

    ``acked``, if given, is how many chunks of the trade in the newest state are found right; else what that state says.
    """

    def __init__(
        self,
        terms: ChannelTerms,
        private: Ed25519PrivateKey,
        last: State,
        *,
        sent: Iterable[SignedState] = (),
        window: int = MAX_WINDOW,
        acked: int | None = None,
    ) -> None:
        if not 1 <= window <= MAX_WINDOW:
            raise Misuse(f"a window has 1 to {MAX_WINDOW} chunks", window=window)
        self._terms, self._private, self._window = terms, private, window
        self._channel = terms.channel
        self._sent: deque[_Sent] = deque()
        self.state = last
        self._payment = decode(Payment, last.app_state)
        self._released = self._payment.count
        for signed in sent:
            self._note(signed)
        self._acked = self._payment.acked if acked is None else acked
        self._trade, self._price = self._payment.trade, self._payment.price

    @property
    def payment(self) -> Payment:
        """Of the newest state that A has signed."""
        return self._payment

    @property
    def unanswered(self) -> tuple[SignedState, ...]:
        """What A signed and B has not answered, in order: to be sent again after a lost connection."""
        return tuple(sent.signed for sent in self._sent)

    @property
    def can_sign(self) -> bool:
        """Whether the window has room for one chunk more."""
        same = self._trade == self._payment.trade
        return not same or self._payment.count - self._acked < self._window

    def begin_trade(self, trade: bytes, price: int) -> None:
        """From now on ``sign_next`` pays for this trade (digest of its Commitment), which A has checked on the ledger.

        Raises RuleBroken while a chunk of the trade before is not acknowledged.
        """
        if trade == self._payment.trade:
            raise Misuse("that trade is under way")
        if self._acked != self._payment.count:
            raise RuleBroken("the last trade's keys are not all here", acked=self._acked, count=self._payment.count)
        self._trade, self._price = trade, price

    def sign_next(self, earliest: int) -> SignedState:
        """T_i for the next chunk, whose ciphertext A holds; ``earliest`` (ms) is now + margin.

        Raises LimitExceeded when the window is full or the locks have run out, BadAmount when the deposit is spent.
        """
        if not self.can_sign:
            raise LimitExceeded("the window is full", value=self._payment.count - self._acked, limit=self._window)
        now = self._payment
        if self._trade != now.trade:
            if now.acked != now.count:
                raise RuleBroken("acknowledge the last trade's keys first", acked=now.acked, count=now.count)
            return self._sign(Payment(spent(now), self._trade, self._price, 1, 0), earliest)
        return self._sign(Payment(now.earned, now.trade, now.price, now.count + 1, self._acked), earliest)

    def sign_ack(self, earliest: int) -> SignedState:
        """A state that pays for no new chunk and acknowledges all keys found right. Raises NotNewer for none new."""
        return self._sign(self._acknowledged(), earliest)

    def sign_final(self) -> SignedState:
        """T_n. Raises RuleBroken while an answer of B's is outstanding or a key is not acknowledged."""
        if self._sent or self._acked != self._payment.count:
            raise RuleBroken("keys are still owed", acked=self._acked, count=self._payment.count)
        return self._add(final_state(self.state, self._acknowledged()))

    def on_release(self, version: int, payee_signature: bytes) -> Released:
        """B's answer to the oldest state not answered. Raises NotNewer out of order, BadSignature."""
        if not self._sent or self._sent[0].signed.state.version != version:
            expected = self._sent[0].signed.state.version if self._sent else self.state.version + 1
            raise NotNewer("not the answer that is due", version=version, present=expected)
        signed, signing_digest, chunk = self._sent[0]
        check_digest_signature(self._terms.payee_key, signing_digest, payee_signature, "payee")
        self._sent.popleft()
        if chunk is not None:
            self._released = chunk + 1
        return Released(SignedState(signed.state, signed.payer_signature, payee_signature), chunk)

    def acknowledge(self, chunk: int) -> None:
        """The plaintext of ``chunk`` is right; chunks are acknowledged in order. Raises Misuse for another.

        Nothing changes for a chunk acknowledged before: its key stood on the ledger before B's answer came.
        """
        if chunk < self._acked:
            return
        if chunk != self._acked or chunk >= self._released:
            raise Misuse("not the chunk to acknowledge", chunk=chunk, expected=self._acked)
        self._acked += 1

    def _acknowledged(self) -> Payment:
        now = self._payment
        return Payment(now.earned, now.trade, now.price, now.count, self._acked)

    def _sign(self, payment: Payment, earliest: int) -> SignedState:
        state = next_state(self._terms, self._channel, self.state.version + 1, payment)
        check_update(self._terms, self.state, state, earliest)
        return self._add(state)

    def _add(self, state: State) -> SignedState:
        signing_digest = digest(state)
        signed = SignedState(state, self._private.sign(signing_digest), None)
        self._note(signed, signing_digest)
        return signed

    def _note(self, signed: SignedState, signing_digest: bytes | None = None) -> None:
        payment = decode(Payment, signed.state.app_state)
        before = self._payment
        if payment.trade != before.trade:
            self._acked = self._released = 0
        risen = payment.trade != before.trade or payment.count > before.count
        chunk = payment.count - 1 if risen else None
        self._sent.append(_Sent(signed, signing_digest or digest(signed.state), chunk))
        self.state, self._payment = signed.state, payment
