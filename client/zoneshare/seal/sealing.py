"""A bid under HPKE (RFC 9180, base mode) to an enclave's key: DHKEM(X25519), HKDF-SHA256, AES-256-GCM."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey
from pyhpke.exceptions import PyHPKEError

from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import BadProof, Malformed
from zoneshare_protocols.seal.auction import check_bid
from zoneshare_protocols.seal.bids import Notice, Quote, SealedBid, aad, padded, unpadded
from zoneshare_protocols.seal.records import Bid

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
INFO = b"zoneshare/seal-bid/1"
ENC = 32
"""Bytes of the encapsulated key, which comes first."""


def seal_bid(bid: Bid, notice: Notice, quote: Quote, bidder: str) -> SealedBid:
    """The bid for just this auction, bidder and enclave; the caller has checked the quote.

    Raises what :func:`check_bid` raises of a bid that could not be taken whole, BadProof for another auction's quote.
    """
    check_bid(bid, notice.tasks)
    if quote.auction != notice.id:
        raise BadProof("the quote is for another auction", auction=quote.auction.hex())
    try:
        key = KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(quote.sealing_key))
        enc, context = SUITE.create_sender_context(key, info=INFO)
    except (ValueError, PyHPKEError) as cause:
        raise Malformed("the enclave's key is none that can be sealed to") from cause
    sealed = context.seal(padded(encode(bid)), aad(notice.id, bidder, quote.sealing_key))
    return SealedBid(notice.id, bidder, enc + sealed)


def open_bid(sealed: SealedBid, private: X25519PrivateKey) -> Bid:
    """Inside the enclave. Raises Malformed for whatever is not a bid sealed to this key; never says what it is."""
    public = private.public_key().public_bytes_raw()
    try:
        own = KEMKey.from_pyca_cryptography_key(private)
        context = SUITE.create_recipient_context(sealed.sealed[:ENC], own, info=INFO)
        opened = context.open(sealed.sealed[ENC:], aad(sealed.auction, sealed.bidder, public))
        return decode(Bid, unpadded(opened))
    except (ValueError, PyHPKEError, Malformed):
        raise Malformed("a sealed bid cannot be opened") from None
