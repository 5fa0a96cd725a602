"""Who may propose and order: everybody else gets a real peer's refusal, and nothing changes."""

import base64
import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2

from tests.support.embedded import Client, enrol, running
from zoneshare_network import pki
from zoneshare_network.endorser import ProposalRefused
from zoneshare_network.members import Organisation, Signer
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.topology import utc
from zoneshare_protocols.errors import Misuse, NotFound
from zoneshare_protocols.fabric import transaction
from zoneshare_protocols.fabric.validation import TxFlag
from zoneshare_protocols.stub import Creator

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
DENIED = r"access denied: channel \[zone-a\] creator org \[Org1MSP\]"
MALFORMED = r"access denied: channel \[zone-a\] creator org unknown, creator is malformed"


def issued_by(network: EmbeddedNetwork, mspid: str, authority: pki.Authority, **options: datetime.timedelta) -> Signer:
    key = pki.new_key()
    now = utc(network.clock_ms()) - options.pop("ago", datetime.timedelta(0))
    certificate = authority.enrol(key.public_key(), "mallory", pki.Role.CLIENT, now, **options)
    return Signer(Creator(mspid, certificate), key)


def foreign(network: EmbeddedNetwork) -> Signer:
    return issued_by(network, "Org1MSP", pki.Authority.create("ca", "Org1MSP", utc(network.clock_ms())))


def unknown_msp(network: EmbeddedNetwork) -> Signer:
    return issued_by(network, "Org9MSP", network.organisation("Org1MSP").ca)


def of_the_other_organisation(network: EmbeddedNetwork) -> Signer:
    return issued_by(network, "Org1MSP", network.organisation("Org2MSP").ca)


def expired(network: EmbeddedNetwork) -> Signer:
    ago, lifetime = datetime.timedelta(days=2), datetime.timedelta(days=1)
    return issued_by(network, "Org1MSP", network.organisation("Org1MSP").ca, ago=ago, lifetime=lifetime)


def tls_certificate(network: EmbeddedNetwork) -> Signer:
    return issued_by(network, "Org1MSP", network.organisation("Org1MSP").tls_ca)


@pytest.mark.parametrize("make", [foreign, unknown_msp, of_the_other_organisation, expired, tls_certificate])
def test_a_stranger_can_neither_propose_nor_order(
    network: EmbeddedNetwork, client: Client, make: Callable[[EmbeddedNetwork], Signer]
) -> None:
    mallory = Client(network, make(network))
    with pytest.raises(ProposalRefused, match="access denied"):
        mallory.ask("Org1MSP", "put", "k", "v")
    payload = client.endorsed("put", "k", "v")[0].payload
    assert mallory.order(_as_own(payload, mallory)).status == common_pb2.FORBIDDEN


def test_a_signature_by_another_key_is_refused(network: EmbeddedNetwork, client: Client) -> None:
    thief = Client(network, Signer(client.signer.creator, pki.new_key()))
    with pytest.raises(ProposalRefused, match=DENIED):
        thief.ask("Org1MSP", "get", "k")


def test_a_tampered_proposal_is_refused(client: Client) -> None:
    signed = client.signed(client.propose("put", "amount", "10")[0])
    changed = signed.proposal_bytes.replace(b"amount", b"AMOUNT")
    tampered = proposal_pb2.SignedProposal(proposal_bytes=changed, signature=signed.signature)
    with pytest.raises(ProposalRefused, match=DENIED):
        client.network.process_proposal("Org1MSP", tampered)


def test_a_high_s_is_refused(client: Client) -> None:
    signed = client.signed(client.propose("get", "k")[0])
    r, s = decode_dss_signature(signed.signature)
    signed.signature = encode_dss_signature(r, ORDER - s)
    with pytest.raises(ProposalRefused, match=DENIED):
        client.network.process_proposal("Org1MSP", signed)
    envelope, _ = client.endorsed("put", "k", "v")
    r, s = decode_dss_signature(envelope.signature)
    envelope.signature = encode_dss_signature(r, ORDER - s)
    assert client.order(envelope).status == common_pb2.FORBIDDEN


def test_no_signature_and_no_proposal(client: Client) -> None:
    unsigned = proposal_pb2.SignedProposal(proposal_bytes=client.propose("get", "k")[0].SerializeToString())
    with pytest.raises(ProposalRefused, match="empty signature bytes"):
        client.network.process_proposal("Org1MSP", unsigned)
    for junk in (b"", b"\xff\xff", b"junk"):
        with pytest.raises(ProposalRefused):
            client.network.process_proposal("Org1MSP", proposal_pb2.SignedProposal(proposal_bytes=junk))


def test_another_transaction_id_than_the_nonces_is_refused(client: Client) -> None:
    proposed, tx_id = client.propose("get", "k")
    proposed.header = proposed.header.replace(tx_id.encode(), b"0" * 64)
    with pytest.raises(ProposalRefused, match=f"incorrectly computed txid .* expected '{tx_id}'"):
        client.network.process_proposal("Org1MSP", client.signed(proposed))


def test_a_transaction_is_its_creators_to_order(network: EmbeddedNetwork, client: Client) -> None:
    envelope, tx_id = client.endorsed("put", "stolen", "1")
    thief = Client(network, enrol(network))
    assert thief.order(transaction.sign(envelope.payload, thief.signer.key)).status == common_pb2.FORBIDDEN
    assert thief.order(_as_own(envelope.payload, thief)).status == common_pb2.SUCCESS
    marker = client.submit("put", "after-theft", "1")
    assert marker.flag is TxFlag.VALID
    assert network.commit_status("zone-a", tx_id, 0) is None, "nobody uses up another's transaction id"
    client.order(envelope)
    assert client.committed(tx_id).flag is TxFlag.VALID


def test_garbage_and_reserved_envelopes_are_refused(network: EmbeddedNetwork, client: Client) -> None:
    for payload in (b"", b"\xff\xff"):
        answer = network.broadcast(common_pb2.Envelope(payload=payload, signature=b"x"))
        assert answer.status in (common_pb2.BAD_REQUEST, common_pb2.NOT_FOUND)
    envelope, _ = client.endorsed("put", "k", "v")
    for kind in (common_pb2.CONFIG, common_pb2.CONFIG_UPDATE, common_pb2.ORDERER_TRANSACTION):
        forged = _changed(envelope, client, type=kind)
        assert network.broadcast(forged).status == common_pb2.BAD_REQUEST
    assert network.broadcast(_changed(envelope, client, channel_id="zone-x")).status == common_pb2.NOT_FOUND


def test_the_orderers_identity_may_not_use_the_application(network: EmbeddedNetwork) -> None:
    orderer = network.folder / "orgs" / "OrdererMSP"
    signer = Organisation("OrdererMSP", orderer).signer("orderer0")
    with pytest.raises(ProposalRefused):
        Client(network, signer).ask("Org1MSP", "get", "k")


def test_the_revoked_are_shut_out_on_every_channel_and_stay_so(tmp_path: Path) -> None:
    with running(tmp_path) as network:
        bad, good = enrol(network, name="bad"), Client(network, enrol(network, name="good"))
        late, late_id = Client(network, bad).endorsed("put", "late", "1")
        assert network.organisation("Org1MSP").revoke("bad", network.clock_ms()) == 1
        network.reconcile()
        for channel in network.channels:
            revoked = Client(network, bad, channel)
            with pytest.raises(ProposalRefused, match="access denied"):
                revoked.ask("Org2MSP", "put", "k", "v")
            assert revoked.order(late).status == common_pb2.FORBIDDEN
            assert network.channel(channel).config.sequence == 1
        assert good.submit("put", "k", "v").flag is TxFlag.VALID
        assert network.commit_status("zone-a", late_id, 0) is None
    with running(tmp_path) as network:
        with pytest.raises(ProposalRefused, match="access denied"):
            Client(network, bad).ask("Org1MSP", "get", "k")
        assert network.channel("zone-a").config.sequence == 1
        assert Client(network, good.signer).evaluate("get", "k") == b"v"


def test_who_was_never_enrolled_cannot_be_revoked(network: EmbeddedNetwork) -> None:
    for name in ("nobody", "../x", "*", ""):
        with pytest.raises(NotFound):
            network.organisation("Org1MSP").revoke(name, network.clock_ms())


def test_a_device_keeps_its_key(network: EmbeddedNetwork) -> None:
    key = pki.new_key()
    organisation = network.organisation("Org2MSP")
    made = organisation.enrol("car7", pki.Role.CLIENT, network.clock_ms(), pki.signing_request(key, "whatever"))
    assert made.key is None
    assert Client(network, Signer(Creator("Org2MSP", made.certificate), key)).submit("put", "car7", "1").flag == 0
    request = pki.signing_request(key, "x")
    for bad in (b"", b"junk", _with_another_key(request)):
        with pytest.raises(Misuse):
            organisation.enrol("car8", pki.Role.CLIENT, network.clock_ms(), bad)
    for name in ("", "a/b", "..", "x" * 65):
        with pytest.raises(Misuse):
            organisation.enrol(name, pki.Role.CLIENT, network.clock_ms())


def test_private_keys_are_the_owners_only(network: EmbeddedNetwork) -> None:
    keys = list(network.folder.rglob("key.pem"))
    assert len(keys) == 2 * 5 + 5
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def _with_another_key(request: bytes) -> bytes:
    der = bytearray(base64.b64decode(b"".join(request.splitlines()[1:-1])))
    der[-1] ^= 1
    body = base64.b64encode(bytes(der))
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"\n-----END CERTIFICATE REQUEST-----\n"


def _as_own(payload: bytes, thief: Client) -> common_pb2.Envelope:
    """The payload with the thief as its creator, signed by the thief."""
    message = common_pb2.Payload.FromString(payload)
    header = common_pb2.SignatureHeader.FromString(message.header.signature_header)
    header.creator = thief.signer.serialized
    message.header.signature_header = header.SerializeToString()
    return transaction.sign(message.SerializeToString(), thief.signer.key)


def _changed(envelope: common_pb2.Envelope, client: Client, **fields: object) -> common_pb2.Envelope:
    """The envelope with other fields in its channel header, signed anew."""
    payload = common_pb2.Payload.FromString(envelope.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    for name, value in fields.items():
        setattr(header, name, value)
    payload.header.channel_header = header.SerializeToString()
    return transaction.sign(payload.SerializeToString(), client.signer.key)
