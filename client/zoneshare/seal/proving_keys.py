"""Proving keys as files: a ceremony's, or the development keys that come with the package and are unsafe."""

import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import Malformed, Misuse, NotAllowed
from zoneshare_protocols.seal.attestation import check_proof_key
from zoneshare_protocols.seal.circuit import CIRCUITS, Circuit
from zoneshare_protocols.seal.development import KEYS
from zoneshare_protocols.seal.groth16 import VerifyingKey
from zoneshare_protocols.seal.ledger import ProofKey, SealZone
from zoneshare_protocols.seal.zkey import read_key


@dataclass(frozen=True)
class ProvingKey:
    """One circuit's: the zkey file's bytes, and the verifying key inside."""

    circuit: Circuit
    data: bytes
    verifying: VerifyingKey

    @property
    def hash(self) -> bytes:
        """What the ledger knows it by: the verifying key's digest."""
        return digest(self.verifying)

    @property
    def unsafe(self) -> bool:
        """One of the development keys."""
        return self.hash in KEYS

    @property
    def record(self) -> ProofKey:
        """For the zone's rules."""
        return ProofKey(self.circuit.name, self.hash, self.unsafe)


def read(data: bytes) -> ProvingKey:
    """A zkey file's content, plain or xz. Raises Malformed for one that fits none of the circuits."""
    if data.startswith(b"\xfd7zXZ"):
        try:
            data = lzma.decompress(data)
        except lzma.LZMAError as cause:
            raise Malformed("the proving key's file is damaged", bytes=len(data)) from cause
    refusal = Malformed("no circuits")
    for circuit in CIRCUITS:
        try:
            return ProvingKey(circuit, data, read_key(data, circuit))
        except Malformed as cause:
            refusal = cause
    raise Malformed("the proving key fits none of the circuits", last=str(refusal)) from refusal


def load(path: Path) -> ProvingKey:
    """Raises Malformed; Misuse for a file that cannot be read."""
    try:
        return read(path.read_bytes())
    except OSError as cause:
        raise Misuse(f"cannot read the proving key {path}: {cause.strerror}") from cause


def folder(path: Path) -> list[ProvingKey]:
    """All ``*.zkey`` and ``*.zkey.xz`` of a folder, the smallest circuit first. Raises Misuse where none is."""
    found = [load(file) for file in sorted(path.glob("*.zkey*"))]
    if not found:
        raise Misuse(f"no proving keys (*.zkey) in {path}")
    return sorted(found, key=lambda key: key.circuit.bytes)


def development() -> list[ProvingKey]:
    """Those of the package, one for each circuit: unsafe."""
    return [
        read(files("zoneshare.seal").joinpath("keys", f"{circuit.name}.zkey.xz").read_bytes()) for circuit in CIRCUITS
    ]


def check_allowed(keys: Iterable[ProvingKey], zone: SealZone) -> None:
    """Raises NotAllowed for a key that the zone's ledger does not list, or one of development in production."""
    for key in keys:
        listed = check_proof_key(zone, key.hash)
        if zone.production and (listed.unsafe or key.unsafe):
            raise NotAllowed("a zone in production takes no development key", circuit=key.circuit.name)
