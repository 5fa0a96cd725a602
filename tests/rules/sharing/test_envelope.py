import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pyhpke import KEMKey, KEMKeyPair

from zoneshare_protocols.errors import DataCorrupt, Malformed
from zoneshare_protocols.sharing.envelope import SUITE, Opener, Sealer

OWN = X25519PrivateKey.from_private_bytes(b"\x07" * 32)
TO = OWN.public_key().public_bytes_raw()
EPHEMERAL = X25519PrivateKey.from_private_bytes(b"\x09" * 32)
TRADE = b"t" * 32


def test_the_suite_gives_a_published_vector() -> None:
    # BoringSSL's vector for X25519, HKDF-SHA256, AES-256-GCM (RFC 9180 prints none for this suite): base mode, Count-0.
    recipient = X25519PublicKey.from_public_bytes(
        bytes.fromhex("ac66bae9ffa270cf4a89ed9f274e30c0456babae2572aaaf002ff0d8884ab018")
    )
    ephemeral = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("28e212563a8b6f068af7ff17400ff1baf23612b7a738bbaf5dfb321b2b5b431a")
    )
    wrap = KEMKey.from_pyca_cryptography_key
    enc, context = SUITE.create_sender_context(
        wrap(recipient),
        info=bytes.fromhex("4f6465206f6e2061204772656369616e2055726e"),
        eks=KEMKeyPair(wrap(ephemeral), wrap(ephemeral.public_key())),
    )
    assert enc == ephemeral.public_key().public_bytes_raw()
    sealed = context.seal(b"Beauty is truth, truth beauty", b"Count-0")
    assert sealed.hex() == (
        "23ded2d5d90ea89d975dac4792b297240f194952d7421aacbff0474100052b6bb8aa58d18ef6c42b6960e2e28f"
    )


def test_envelopes_open_in_order_out_of_order_and_again() -> None:
    sealer = Sealer(TO, TRADE, EPHEMERAL)
    sealed = [sealer.seal(i, b"key %d" % i) for i in range(6)]
    opener = Opener(OWN, TRADE, sealer.enc)
    for i in (0, 1, 2, 5, 3, 4, 0, 5):
        assert opener.open(i, sealed[i]) == b"key %d" % i


def test_a_sealer_built_again_after_a_crash_seals_the_same() -> None:
    first = Sealer(TO, TRADE, EPHEMERAL)
    sealed = [first.seal(i, b"key %d" % i) for i in range(4)]
    again = Sealer(TO, TRADE, EPHEMERAL)
    assert again.enc == first.enc
    assert [again.seal(i, b"key %d" % i) for i in (2, 3, 0, 1)] == [sealed[i] for i in (2, 3, 0, 1)]


def test_a_bad_envelope_is_refused_and_the_next_one_opens() -> None:
    sealer = Sealer(TO, TRADE, EPHEMERAL)
    sealed = [sealer.seal(i, b"key") for i in range(3)]
    opener = Opener(OWN, TRADE, sealer.enc)
    for wrong in (sealed[1], sealed[0][:-1], b"", bytes([sealed[0][0] ^ 1]) + sealed[0][1:]):
        with pytest.raises(DataCorrupt):
            opener.open(0, wrong)
    assert opener.open(0, sealed[0]) == b"key"
    assert opener.open(1, sealed[1]) == b"key"


def test_an_envelope_is_for_one_trade_and_one_recipient() -> None:
    sealer = Sealer(TO, TRADE, EPHEMERAL)
    sealed = sealer.seal(0, b"key")
    stranger = X25519PrivateKey.from_private_bytes(b"\x08" * 32)
    for opener in (Opener(OWN, b"u" * 32, sealer.enc), Opener(stranger, TRADE, sealer.enc)):
        with pytest.raises(DataCorrupt):
            opener.open(0, sealed)


def test_points_that_share_no_secret_are_refused() -> None:
    with pytest.raises(Malformed):
        Sealer(bytes(32), TRADE, EPHEMERAL)
    with pytest.raises(Malformed):
        Sealer(bytes(31), TRADE, EPHEMERAL)
    for enc in (bytes(32), bytes(31), b""):
        with pytest.raises(Malformed):
            Opener(OWN, TRADE, enc)
