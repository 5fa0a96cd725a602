"""The organisations' folders: authorities, the identities that run the network, and what was enrolled or revoked."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from zoneshare_network import pki
from zoneshare_network.durable import Fault, no_fault, write_file
from zoneshare_network.topology import utc
from zoneshare_protocols.errors import Misuse, NotFound
from zoneshare_protocols.fabric import identity
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.stub import Creator

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")


@dataclass(frozen=True)
class Signer:
    """An identity and its private key."""

    creator: Creator
    key: ec.EllipticCurvePrivateKey

    @cached_property
    def serialized(self) -> bytes:
        return identity.serialize(self.creator)


@dataclass(frozen=True)
class Enrolled:
    """A new identity; ``key`` is None where it was made from a signing request."""

    mspid: str
    certificate: bytes
    key: bytes | None


@dataclass(frozen=True)
class Organisation:
    """One organisation's folder: ca/, tlsca/, tls/, identities/, issued/ and crl.pem."""

    mspid: str
    folder: Path
    fault: Fault = no_fault

    def prepare(self, roles: dict[str, pki.Role], now_ms: int) -> None:
        """Make the authorities, and an identity for each name of ``roles``, where they are not there yet."""
        for name in ("ca", "tlsca"):
            self._once(self.folder / name, partial(self._authority_files, name, now_ms))
        for name, role in roles.items():
            self._once(self.folder / "identities" / name, partial(self._issue, name, role, now_ms))
        self._once(self.folder / "tls", partial(self._tls_files, now_ms))

    @cached_property
    def ca(self) -> pki.Authority:
        return self._authority("ca")

    @cached_property
    def tls_ca(self) -> pki.Authority:
        return self._authority("tlsca")

    def signer(self, name: str) -> Signer:
        folder = self.folder / "identities" / name
        try:
            certificate, key = (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()
        except OSError as cause:
            raise NotFound(f"identity {name} of {self.mspid} cannot be read: {cause}") from cause
        return Signer(Creator(self.mspid, certificate), pki.load_key(key))

    def msp(self) -> Msp:
        """As it goes into a channel's configuration, with the newest revocation list."""
        crl = self.folder / "crl.pem"
        crls = (crl.read_bytes(),) if crl.exists() else ()
        return Msp(self.mspid, roots=(self.ca.pem,), crls=crls, tls_roots=(self.tls_ca.pem,))

    def enrol(self, name: str, role: pki.Role, now_ms: int, request: bytes | None = None) -> Enrolled:
        """A new certificate for ``name``: over a fresh key, or over the key of a signing request (PEM).

        Raises Misuse for a bad name or request. A name may hold several certificates.
        """
        if _NAME.fullmatch(name) is None:
            raise Misuse("a name is letters, digits, dots, dashes and @", name=name)
        if request is None:
            return Enrolled(self.mspid, *self._issue(name, role, now_ms))
        certificate = self.ca.enrol(pki.request_key(request), name, role, utc(now_ms))
        self._record(name, certificate)
        return Enrolled(self.mspid, certificate, None)

    def revoke(self, name: str, now_ms: int) -> int:
        """Put all certificates of ``name`` on the revocation list; returns how many there are. Raises NotFound."""
        serials = self.serials(name)
        if not serials:
            raise NotFound(f"{self.mspid} has issued no certificate to this name", name=name)
        self.publish(serials, now_ms)
        return len(serials)

    def serials(self, name: str) -> frozenset[int]:
        """Of the certificates that were issued to ``name`` here."""
        files = (self.folder / "issued").glob("*.pem")
        return frozenset(int(file.name.split(".")[-2], 16) for file in files if _owner(file) == name)

    def publish(self, serials: frozenset[int], now_ms: int) -> None:
        """Add certificates to the revocation list."""
        crl = self.folder / "crl.pem"
        if crl.exists():
            serials |= {revoked.serial_number for revoked in x509.load_pem_x509_crl(crl.read_bytes())}
        write_file(crl, self.ca.revocation_list(tuple(sorted(serials)), utc(now_ms)), fault=self.fault)

    def _authority(self, name: str) -> pki.Authority:
        folder = self.folder / name
        return pki.Authority.load((folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes())

    def _authority_files(self, name: str, now_ms: int) -> tuple[bytes, bytes]:
        authority = pki.Authority.create(name, self.mspid, utc(now_ms))
        return authority.pem, pki.key_pem(authority.key)

    def _tls_files(self, now_ms: int) -> tuple[bytes, bytes]:
        key = pki.new_key()
        return self.tls_ca.serve(key.public_key(), "localhost", utc(now_ms)), pki.key_pem(key)

    def _issue(self, name: str, role: pki.Role, now_ms: int) -> tuple[bytes, bytes]:
        key = pki.new_key()
        certificate = self.ca.enrol(key.public_key(), name, role, utc(now_ms))
        self._record(name, certificate)
        return certificate, pki.key_pem(key)

    def _record(self, name: str, certificate: bytes) -> None:
        serial = identity.certificate(certificate).serial_number
        write_file(self.folder / "issued" / f"{name}.{serial:x}.pem", certificate, fault=self.fault)

    def _once(self, folder: Path, make: Callable[[], tuple[bytes, bytes]]) -> None:
        if (folder / "cert.pem").exists():
            return
        certificate, key = make()
        write_file(folder / "key.pem", key, private=True, fault=self.fault)
        write_file(folder / "cert.pem", certificate, fault=self.fault)


def _owner(file: Path) -> str:
    return file.name.rsplit(".", 2)[0]
