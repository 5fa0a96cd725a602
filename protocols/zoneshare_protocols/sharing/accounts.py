"""Accounts: an X.509 identity's account, and the keys bound to it with proof of possession."""

from functools import lru_cache

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate, InvalidVersion, load_pem_x509_certificate
from cryptography.x509.oid import NameOID

from zoneshare_protocols.codec import Key32, Name, Record, Signature, digest
from zoneshare_protocols.errors import AlreadyExists, Malformed
from zoneshare_protocols.sharing.keys import check_signature, envelope_key_of
from zoneshare_protocols.sharing.records import Account

ADMIN = "admin"
"""The node OU of an organisation's administrators, as Fabric's MSPs have it."""

_P = 2**255 - 19
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
"""u of the points of order 1, 2, 4 and 8 (RFC 7748, section 7): anybody can sign for such a key."""


class Submitter(Record, frozen=True, tag="zoneshare/account-id/1"):
    """What an account's id is made of."""

    mspid: str
    public_key: bytes
    """SubjectPublicKeyInfo, DER: a renewed certificate over the same key keeps the account."""


class Registration(Record, frozen=True, tag="zoneshare/registration/1"):
    """What the Ed25519 key signs: proof that the registrant holds it, for this account of this zone only."""

    zone: Name
    account: Name
    signing_key: Key32
    envelope_key: Key32


def account_id(mspid: str, public_key: bytes) -> str:
    """The account (40 hex digits) of the identity with this SubjectPublicKeyInfo (DER)."""
    return digest(Submitter(mspid, public_key)).hex()[:40]


@lru_cache(maxsize=4096)
def account_of(mspid: str, certificate: bytes) -> str:
    """The account of the identity with this certificate (PEM). Raises Malformed when it is none."""
    key = _parse(certificate).public_key()
    return account_id(mspid, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@lru_cache(maxsize=4096)
def node_units(certificate: bytes) -> frozenset[str]:
    """The organisational units of a certificate (PEM): Fabric's node OUs give the role. Raises Malformed."""
    units = _parse(certificate).subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return frozenset(str(unit.value) for unit in units)


def check_registration(present: Account | None, claim: Registration, possession: Signature) -> Account:
    """The account as ``claim`` binds it; a registered account may change its keys so, with a new proof.

    Open channels are not touched: their terms carry the keys they were opened with. Raises Malformed when the X25519
    key is not the Ed25519 key's Montgomery form, BadSignature, and AlreadyExists when these keys are bound already.
    """
    if envelope_key_of(claim.signing_key) != claim.envelope_key:
        raise Malformed("the X25519 key is not the Ed25519 key's Montgomery form", account=claim.account)
    if int.from_bytes(claim.envelope_key, "little") in _SMALL_ORDER:
        raise Malformed("a key of small order has no secret", account=claim.account)
    check_signature(claim.signing_key, claim, possession, "registrant")
    account = Account(id=claim.account, signing_key=claim.signing_key, envelope_key=claim.envelope_key)
    if present == account:
        raise AlreadyExists("the account has these keys already", account=claim.account)
    return account


def _parse(certificate: bytes) -> Certificate:
    try:
        return load_pem_x509_certificate(certificate)
    except (ValueError, InvalidVersion) as cause:
        raise Malformed("not an X.509 certificate in PEM") from cause
