"""ECDSA over P-256 and SHA-256 as Fabric takes it: DER, and low S only."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from zoneshare_protocols.errors import BadSignature

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF_ORDER = _ORDER // 2
_SHA256 = ec.ECDSA(SHA256())


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Signature over SHA-256 of ``message``: DER, low S."""
    r, s = decode_dss_signature(key.sign(message, _SHA256))
    return encode_dss_signature(r, min(s, _ORDER - s))


def verify(public: ec.EllipticCurvePublicKey | x509.Certificate, signature: bytes, message: bytes) -> None:
    """Return if ``signature`` over ``message`` is the key's, and low S.

    Raises BadSignature otherwise; a high S, which anyone can make of a good signature, has a message of its own.
    """
    key = public.public_key() if isinstance(public, x509.Certificate) else public
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadSignature("the key is not an ECDSA key on P-256")
    if not signature:
        raise BadSignature("empty signature bytes")
    try:
        _, s = decode_dss_signature(signature)
    except ValueError as cause:
        raise BadSignature("the signature is not DER") from cause
    if s > _HALF_ORDER:
        raise BadSignature("invalid S: must be smaller than half the order")
    try:
        key.verify(signature, message, _SHA256)
    except InvalidSignature as cause:
        raise BadSignature("the signature is invalid") from cause
