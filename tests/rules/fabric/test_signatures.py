import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.errors import BadSignature
from zoneshare_protocols.fabric.signatures import sign, verify

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@given(st.binary(max_size=200))
def test_signatures_verify_are_low_s_and_high_s_is_refused_by_name(message: bytes) -> None:
    signature = sign(KEY, message)
    verify(PUBLIC, signature, message)
    r, s = decode_dss_signature(signature)
    assert s <= ORDER // 2
    with pytest.raises(BadSignature, match="half the order"):
        verify(PUBLIC, encode_dss_signature(r, ORDER - s), message)


@given(st.binary(min_size=1, max_size=60), st.integers(0, 10_000))
def test_a_changed_signature_or_message_is_refused(message: bytes, place: int) -> None:
    signature = sign(KEY, message)
    changed = bytearray(signature)
    changed[place % len(changed)] ^= 1
    with pytest.raises(BadSignature):
        verify(PUBLIC, bytes(changed), message)
    with pytest.raises(BadSignature, match="invalid"):
        verify(PUBLIC, signature, message + b"x")


@pytest.mark.parametrize(("signature", "reason"), [(b"", "empty"), (b"junk", "DER"), (bytes(70), "DER")])
def test_what_is_no_signature(signature: bytes, reason: str) -> None:
    with pytest.raises(BadSignature, match=reason):
        verify(PUBLIC, signature, b"message")


def test_another_key_and_another_curve() -> None:
    with pytest.raises(BadSignature, match="invalid"):
        verify(ec.generate_private_key(ec.SECP256R1()).public_key(), sign(KEY, b"m"), b"m")
    with pytest.raises(BadSignature, match="P-256"):
        verify(ec.generate_private_key(ec.SECP384R1()).public_key(), sign(KEY, b"m"), b"m")
