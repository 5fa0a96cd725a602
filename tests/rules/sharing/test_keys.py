import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.codec import Digest, Record, digest
from zoneshare_protocols.errors import BadSignature, Malformed
from zoneshare_protocols.sharing.keys import check_signature, envelope_key_of, envelope_private_of, sign

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


class Fruit(Record, frozen=True, tag="test/fruit/1"):
    body: Digest


class Stone(Record, frozen=True, tag="test/stone/1"):
    body: Digest


@given(st.binary(min_size=32, max_size=32))
def test_the_x25519_keys_of_an_ed25519_key_are_a_pair(seed: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    expected = envelope_private_of(key).public_key().public_bytes_raw()
    assert envelope_key_of(key.public_key().public_bytes_raw()) == expected


@pytest.mark.parametrize("y", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18, 2**255 - 1])
def test_points_no_key_can_be_are_refused(y: int) -> None:
    with pytest.raises(Malformed):
        envelope_key_of(y.to_bytes(32, "little"))


def test_short_keys_are_refused() -> None:
    with pytest.raises(Malformed):
        envelope_key_of(PUBLIC[:31])
    with pytest.raises(Malformed):
        check_signature(PUBLIC[:31], Fruit(bytes(32)), bytes(64), "payer")


def test_a_signature_is_of_one_key_record_and_type() -> None:
    signature = sign(KEY, Fruit(bytes(32)))
    check_signature(PUBLIC, Fruit(bytes(32)), signature, "payer")
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    for public, record, given_ in [
        (other, Fruit(bytes(32)), signature),
        (PUBLIC, Stone(bytes(32)), signature),
        (PUBLIC, Fruit(b"\x01" * 32), signature),
        (PUBLIC, Fruit(bytes(32)), bytes(64)),
        (PUBLIC, Fruit(bytes(32)), None),
        (PUBLIC, Fruit(bytes(32)), KEY.sign(b"" + digest(Stone(bytes(32))))),
    ]:
        with pytest.raises(BadSignature, match="payer"):
            check_signature(public, record, given_, "payer")
