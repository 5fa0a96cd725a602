"""Who belongs to an organisation, and as what."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fabric_protos.msp import msp_principal_pb2

from tests.rules.fabric.channel_world import msp
from tests.support.memory_identity import FROM, UNTIL, authority, identity
from zoneshare_protocols.errors import Malformed, NotAllowed
from zoneshare_protocols.fabric.chain import UnknownAuthority
from zoneshare_protocols.fabric.identity import parse, serialize
from zoneshare_protocols.fabric.msp import Msp, NodeOus, Role
from zoneshare_protocols.stub import Creator

ORG = "Org1MSP"


def made(
    subject: str,
    issuer: x509.Name | None,
    signer: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    *,
    units: tuple[str, ...] = (),
    ca: bool = False,
    path_length: int | None = None,
    since: datetime.datetime = FROM,
    until: datetime.datetime = UNTIL,
    critical: bool = False,
    may_sign: bool = True,
) -> bytes:
    parts = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    name = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    )
    if ca:
        usage = x509.KeyUsage(True, False, False, False, False, may_sign, False, False, False)
        builder = builder.add_extension(usage, critical=True)
    if critical:
        builder = builder.add_extension(x509.InhibitAnyPolicy(0), critical=True)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name_of(pem: bytes) -> x509.Name:
    return x509.load_pem_x509_certificate(pem).subject


@pytest.mark.parametrize("role", ["client", "peer", "admin", "orderer"])
def test_roles_by_unit(role: str) -> None:
    found = msp(ORG).validate(identity(ORG, role, role).creator)
    assert found.roles == {Role.MEMBER, Role(role)}


def test_identities_on_the_wire() -> None:
    creator = identity(ORG, "client").creator
    assert parse(serialize(creator)) == creator
    with pytest.raises(Malformed):
        parse(b"\xff\xff")


def test_another_organisations_identity() -> None:
    with pytest.raises(NotAllowed, match="expected MSP ID"):
        msp(ORG).validate(identity("Org2MSP", "client").creator)


def test_a_foreign_ca_that_claims_the_same_name() -> None:
    forged = authority(ORG, 1).issue("client")
    with pytest.raises(UnknownAuthority, match="unknown authority"):
        msp(ORG).validate(forged.creator)


def test_a_self_signed_certificate_and_no_certificate() -> None:
    key = new_key()
    with pytest.raises(UnknownAuthority):
        msp(ORG).validate(Creator(ORG, made("mallory", None, key, key, units=("client",))))
    with pytest.raises(Malformed):
        msp(ORG).validate(Creator(ORG, b"not PEM"))


def test_a_ca_is_no_identity() -> None:
    with pytest.raises(NotAllowed, match="CA"):
        msp(ORG).validate(Creator(ORG, authority(ORG).pem))


def test_a_client_cannot_issue() -> None:
    """The classic: a certificate signed by somebody whose own chain is good, but who is no CA."""
    client = identity(ORG, "client")
    forged = made("peer", name_of(client.certificate), client.key, new_key(), units=("peer",))
    with pytest.raises(UnknownAuthority):
        msp(ORG).validate(Creator(ORG, forged))
    careless = Msp(ORG, (authority(ORG).pem,), intermediates=(client.certificate,))
    with pytest.raises(NotAllowed, match="not a CA"):
        careless.validate(Creator(ORG, forged))


def test_revoked_by_its_own_ca_only() -> None:
    peer = identity(ORG, "peer", "peer")
    with pytest.raises(NotAllowed, match="revoked"):
        msp(ORG, crls=(authority(ORG).revoke(peer),)).validate(peer.creator)
    assert msp(ORG, crls=(authority(ORG, 1).revoke(peer),)).validate(peer.creator)
    assert msp(ORG, crls=(authority(ORG).revoke(identity(ORG, "other")),)).validate(peer.creator)


def test_expiry_is_asked_only_with_a_time() -> None:
    until = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
    old = authority(ORG).issue("old", until=until)
    ms = int(until.timestamp() * 1000)
    assert msp(ORG).validate(old.creator)
    assert msp(ORG).validate(old.creator, ms - 1)
    with pytest.raises(NotAllowed, match="expired"):
        msp(ORG).validate(old.creator, ms)


def test_intermediates() -> None:
    root_key, middle_key = new_key(), new_key()
    root = made("root", None, root_key, root_key, ca=True)
    middle = made("middle", name_of(root), root_key, middle_key, ca=True)
    leaf = Creator(ORG, made("peer", name_of(middle), middle_key, new_key(), units=("peer",)))
    assert Role.PEER in Msp(ORG, (root,), (middle,)).validate(leaf).roles
    with pytest.raises(UnknownAuthority):
        Msp(ORG, (root,)).validate(leaf)
    with pytest.raises(UnknownAuthority):
        Msp(ORG, (authority(ORG).pem,), (middle,)).validate(leaf)
    short = made("root", None, root_key, root_key, ca=True, path_length=0)
    with pytest.raises(UnknownAuthority, match="path length"):
        Msp(ORG, (short,), (middle,)).validate(leaf)


def test_cas_that_may_not() -> None:
    key = new_key()
    for options, reason in (
        ({"may_sign": False}, "may not sign"),
        ({"critical": True}, "critical extension"),
        ({"until": FROM + datetime.timedelta(milliseconds=500)}, "expired"),
    ):
        root = made("root", None, key, key, ca=True, **options)
        leaf = made("peer", name_of(root), key, new_key(), units=("peer",))
        with pytest.raises(UnknownAuthority, match=reason):
            Msp(ORG, (root,)).validate(Creator(ORG, leaf))


@pytest.mark.parametrize(
    ("units", "reason"), [((), "does not have"), (("x",), "OUs: x"), (("peer", "client"), "combi")]
)
def test_exactly_one_role(units: tuple[str, ...], reason: str) -> None:
    key = new_key()
    root = made("root", None, key, key, ca=True)
    leaf = Creator(ORG, made("someone", name_of(root), key, new_key(), units=units))
    with pytest.raises(NotAllowed, match=reason):
        Msp(ORG, (root,)).validate(leaf)
    assert Msp(ORG, (root,), node_ous=None).validate(leaf).roles == {Role.MEMBER}
    assert Role.ADMIN in Msp(ORG, (root,), node_ous=None, admins=(leaf.certificate,)).validate(leaf).roles


def test_the_certifier_of_a_unit() -> None:
    other = NodeOus(certifier=authority(ORG, 1).pem)
    with pytest.raises(NotAllowed, match="certifiersIdentifier"):
        Msp(ORG, (authority(ORG).pem,), node_ous=other).validate(identity(ORG, "client").creator)
    own = NodeOus(certifier=authority(ORG).pem)
    assert Msp(ORG, (authority(ORG).pem,), node_ous=own).validate(identity(ORG, "client").creator)


def test_one_certificate_in_two_spellings_is_one_identity() -> None:
    """Anybody can turn the CA's signature in a certificate to its other S: still the same endorser."""
    peer = identity(ORG, "peer", "peer")
    certificate = x509.load_pem_x509_certificate(peer.certificate)
    r, s = decode_dss_signature(certificate.signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = _with_signature(certificate, encode_dss_signature(r, order - s))
    first = msp(ORG).validate(peer.creator)
    second = msp(ORG).validate(Creator(ORG, twin))
    assert first.certificate != second.certificate
    assert first.key == second.key


def _with_signature(certificate: x509.Certificate, signature: bytes) -> bytes:
    body = certificate.tbs_certificate_bytes
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    bits = b"\x03" + bytes([len(signature) + 1]) + b"\x00" + signature
    inner = body + algorithm + bits
    der = b"\x30\x82" + len(inner).to_bytes(2, "big") + inner
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def test_principals() -> None:
    kind = msp_principal_pb2.MSPPrincipal
    found = msp(ORG).validate(identity(ORG, "peer", "peer").creator)
    unit = msp_principal_pb2.OrganizationUnit(msp_identifier=ORG, organizational_unit_identifier="peer")
    other = msp_principal_pb2.OrganizationUnit(msp_identifier="Org2MSP", organizational_unit_identifier="peer")
    cases = [
        (kind(principal_classification=kind.ORGANIZATION_UNIT, principal=unit.SerializeToString()), True),
        (kind(principal_classification=kind.ORGANIZATION_UNIT, principal=other.SerializeToString()), False),
        (kind(principal_classification=kind.IDENTITY, principal=serialize(found.creator)), True),
        (kind(principal_classification=kind.IDENTITY, principal=serialize(identity(ORG, "x").creator)), False),
    ]
    for principal, expected in cases:
        assert found.satisfies(principal) is expected
    with pytest.raises(Malformed):
        found.satisfies(kind(principal_classification=kind.ANONYMITY))
    unknown = msp_principal_pb2.MSPRole(msp_identifier=ORG, role=99).SerializeToString()
    with pytest.raises(Malformed, match="role"):
        found.satisfies(kind(principal_classification=kind.ROLE, principal=unknown))


def test_configuration_survives() -> None:
    crl = authority(ORG).revoke(identity(ORG, "client"))
    full = Msp(ORG, (authority(ORG).pem,), (authority(ORG, 1).pem,), (crl,), (identity(ORG, "admin").certificate,))
    for one in (full, Msp(ORG, full.roots, node_ous=None), Msp(ORG, full.roots, node_ous=NodeOus(orderer=None))):
        assert Msp.from_fabric_config(one.to_fabric_config()) == one
    with pytest.raises(Malformed):
        Msp.from_fabric_config(b"\xff")
