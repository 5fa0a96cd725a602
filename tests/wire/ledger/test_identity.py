"""Folders of identities and devices, and connection profiles: every way they can be wrong is one clear Misuse."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from zoneshare.connection import Connection, Profile
from zoneshare.device import Device, Enrolled, create_folder
from zoneshare.device_keys import DeviceKeys, create_keys, load_keys
from zoneshare.identity import Identity, load_identity, load_msps, new_key, signing_request, write_identity
from zoneshare_network.network import now_ms
from zoneshare_network.pki import Authority, Role, request_key
from zoneshare_network.topology import utc
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric import signatures
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.sharing.keys import envelope_key_of

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PROFILE: dict[str, Any] = {
    "client": {"organization": "Org1MSP"},
    "channels": {"registry": {}, "zone-a": {}},
    "organizations": {"Org1MSP": {"mspid": "Org1MSP", "peers": ["peer0"]}},
    "peers": {"peer0": {"url": "grpcs://127.0.0.1:1", "tlsCACerts": {"pem": "PEM"}}},
}
CA = Authority.create("ca", "Org1MSP", utc(now_ms()))


def _enrol(name: str, request: bytes) -> Enrolled:
    certificate = CA.enrol(request_key(request), name, Role.CLIENT, utc(now_ms()))
    return Enrolled("Org1MSP", certificate, json.dumps(PROFILE).encode(), {"Org1MSP": (CA.pem,)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "devices" / "alice"
    made.parent.mkdir()
    create_folder(made, _enrol, os.urandom(32))
    return made


def test_a_folder_that_was_written_is_read(folder: Path) -> None:
    identity = load_identity(folder)
    assert identity.mspid == "Org1MSP"
    assert len(identity.account) == 40
    assert repr(identity) == f"Identity(mspid='Org1MSP', certificate={identity.certificate!r})"
    keys = load_keys(folder)
    assert keys.seed.hex() not in repr(keys)
    with Device.open(folder) as device:
        assert (device.name, device.account) == ("alice", identity.account)
        assert device.connection.channels == ("registry", "zone-a")


def test_secrets_are_the_owners_only(folder: Path) -> None:
    for name in ("key.pem", "device.key"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_signatures_are_low_s(folder: Path) -> None:
    identity = load_identity(folder)
    for n in range(16):
        signature = identity.sign(str(n).encode())
        assert decode_dss_signature(signature)[1] <= ORDER // 2
        signatures.verify(identity.key.public_key(), signature, str(n).encode())


def test_the_envelope_key_follows_from_the_signing_key() -> None:
    for n in range(8):
        keys = DeviceKeys(bytes([n]) * 32)
        assert keys.envelope_key == envelope_key_of(keys.signing_key)
    with pytest.raises(Misuse):
        DeviceKeys(b"short")


def _other_key() -> bytes:
    return new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _rsa_key() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _p384_key() -> bytes:
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cert.pem", b"garbage", "not an X.509 certificate"),
        ("cert.pem", None, "has no cert.pem"),
        ("key.pem", b"garbage", "not a private key"),
        ("key.pem", _rsa_key, "not an elliptic-curve key"),
        ("key.pem", _p384_key, "not an elliptic-curve key"),
        ("key.pem", _other_key, "is not the key of"),
        ("key.pem", None, "has no key.pem"),
        ("mspid", b" \n", "is empty"),
        ("mspid", None, "has no mspid"),
        ("connection.json", None, "has no connection.json"),
        ("connection.json", b"{", "not a connection profile"),
        ("connection.json", b"[]", "not a connection profile"),
        ("connection.json", b"\xff\xfe", "not a connection profile"),
        ("device.key", b"short", "32 bytes"),
        ("device.key", None, "has no device.key"),
    ],
)
def test_what_can_be_wrong_with_a_folder(
    folder: Path, name: str, content: bytes | Callable[[], bytes] | None, words: str
) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content())
    with pytest.raises(Misuse, match=words):
        Device.open(folder)


@pytest.mark.parametrize("name", ["key.pem", "device.key"])
def test_a_secret_that_others_can_read_is_refused(folder: Path, name: str) -> None:
    (folder / name).chmod(0o640)
    with pytest.raises(Misuse, match="chmod 600"):
        Device.open(folder)


def test_the_organisations_that_are_believed(folder: Path) -> None:
    assert load_msps(folder) == {"Org1MSP": Msp("Org1MSP", (CA.pem,))}
    (folder / "msps" / "Org2MSP.pem").write_bytes(b"garbage")
    with pytest.raises(Misuse, match="not CA certificates"):
        Device.open(folder)
    shutil.rmtree(folder / "msps")
    assert load_msps(folder) is None


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no folder"):
        Connection.open(tmp_path / "nobody")
    (tmp_path / "file").touch()
    with pytest.raises(Misuse, match="no folder"):
        load_identity(tmp_path / "file")


def test_nothing_is_overwritten(folder: Path) -> None:
    before = {file: file.read_bytes() for file in folder.rglob("*.*")}
    with pytest.raises(Misuse, match="there already"):
        create_folder(folder, _enrol, os.urandom(32))
    with pytest.raises(Misuse, match="there already"):
        create_keys(folder, os.urandom(32))
    with pytest.raises(Misuse, match="there already"):
        write_identity(folder, load_identity(folder), b"")
    assert {file: file.read_bytes() for file in folder.rglob("*.*")} == before


def test_a_refused_enrolment_leaves_nothing_behind(tmp_path: Path) -> None:
    def refuse(name: str, request: bytes) -> Enrolled:
        raise Misuse("no")

    def garbage(name: str, request: bytes) -> Enrolled:
        return Enrolled("Org1MSP", None, b"", {})  # type: ignore[arg-type]  # an authority gone mad

    for enrol, error in ((refuse, Misuse), (garbage, TypeError)):
        with pytest.raises(error):
            create_folder(tmp_path / "alice", enrol, os.urandom(32))
        assert list(tmp_path.iterdir()) == []


def test_a_name_no_certificate_can_have() -> None:
    with pytest.raises(Misuse):
        signing_request(new_key(), "")
    with pytest.raises(Misuse):
        signing_request(new_key(), "x" * 65)


def _changed(**peer: Any) -> bytes:
    return json.dumps({**PROFILE, "peers": {"peer0": {**PROFILE["peers"]["peer0"], **peer}}}).encode()


def test_profiles(tmp_path: Path) -> None:
    (tmp_path / "tls.pem").write_bytes(b"FROM A FILE")
    (peer,) = Profile(_changed(tlsCACerts={"path": "tls.pem"}), tmp_path).peers
    assert (peer.endpoint, peer.tls_roots, peer.server_name) == ("127.0.0.1:1", b"FROM A FILE", "")
    (named,) = Profile(_changed(grpcOptions={"ssl-target-name-override": "peer0.org1"}), tmp_path).peers
    assert named.server_name == "peer0.org1"


@pytest.mark.parametrize(
    "peer",
    [
        {"url": "grpc://127.0.0.1:1"},
        {"url": "127.0.0.1:1"},
        {"tlsCACerts": {"path": "none.pem"}},
        {"tlsCACerts": {}},
        {"grpcOptions": []},
    ],
)
def test_profiles_that_are_none(tmp_path: Path, peer: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        Profile(_changed(**peer), tmp_path)


def test_an_identity_made_by_hand_signs_as_itself() -> None:
    key = new_key()
    certificate = CA.enrol(key.public_key(), "x", Role.CLIENT, utc(now_ms()))
    one, two = Identity("Org1MSP", certificate, key), Identity("Org2MSP", certificate, key)
    assert one.account != two.account
