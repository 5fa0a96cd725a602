"""The envelope in which B hands A the trade's secret and the chunks' keys: HPKE (RFC 9180), base mode.

DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. One context a trade: sequence number 0 carries the TradeSecret,
sequence number i the key that answers the T_i whose count is i. The ephemeral key is passed in, and kept by B until the
trade is over, so that it can seal the same again after a restart; it must serve one trade only.
"""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey, KEMKeyPair
from pyhpke.exceptions import OpenError

from zoneshare_protocols.errors import DataCorrupt, Malformed

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)


def _info(trade: bytes) -> bytes:
    return b"zoneshare/envelope/1" + trade


class Sealer:
    """B's side. ``enc`` (32 bytes) goes to A with the first envelope; ``trade`` is the digest of the Commitment.

    Raises Malformed when the recipient's key is no X25519 public key.
    """

    def __init__(self, recipient: bytes, trade: bytes, ephemeral: X25519PrivateKey) -> None:
        self._recipient, self._trade, self._ephemeral = recipient, trade, ephemeral
        self._start()

    def _start(self) -> None:
        pair = KEMKeyPair(
            KEMKey.from_pyca_cryptography_key(self._ephemeral),
            KEMKey.from_pyca_cryptography_key(self._ephemeral.public_key()),
        )
        try:
            to = KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(self._recipient))
            self.enc, self._context = SUITE.create_sender_context(to, info=_info(self._trade), eks=pair)
        except ValueError as cause:
            raise Malformed("not an X25519 public key one can seal to") from cause
        self._next = 0

    def seal(self, sequence: int, plaintext: bytes) -> bytes:
        """The envelope with this sequence number. In order is fast; going back, after a restart, costs the way there.

        A sequence number must always carry the same plaintext.
        """
        if sequence < self._next:
            self._start()
        while self._next < sequence:
            self._context.seal(b"")
            self._next += 1
        self._next += 1
        return self._context.seal(plaintext)


class Opener:
    """A's side, with the X25519 private key of the Request's ``envelope_key``. Raises Malformed for a bad ``enc``."""

    def __init__(self, private: X25519PrivateKey, trade: bytes, enc: bytes) -> None:
        self._private, self._trade, self._enc = private, trade, enc
        self._start()

    def _start(self) -> None:
        try:
            own = KEMKey.from_pyca_cryptography_key(self._private)
            self._context = SUITE.create_recipient_context(self._enc, own, info=_info(self._trade))
        except ValueError as cause:
            raise Malformed("not the start of an envelope") from cause
        self._next = 0

    def open(self, sequence: int, envelope: bytes) -> bytes:
        """What B sealed under this number. Raises DataCorrupt; the next envelope can be opened all the same."""
        if sequence < self._next:
            self._start()
        while self._next < sequence:
            self._try(b"")
        opened = self._try(envelope)
        if opened is None:
            raise DataCorrupt("the envelope does not open", sequence=sequence)
        return opened

    def _try(self, envelope: bytes) -> bytes | None:
        self._next += 1
        try:
            return self._context.open(envelope)
        except OpenError:
            # pyhpke counts the sequence number up for a failed open too, which is how one skips ahead.
            return None
