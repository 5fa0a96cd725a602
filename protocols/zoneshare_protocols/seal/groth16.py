"""Groth16 on BN254: the records, and what both verifiers ask of them before they pair anything.

Points are as Ethereum's precompiles take them: coordinates of 32 bytes, big-endian, x before y, and in G2 the
imaginary part before the real one. Two verifiers agree on every input (a test): :mod:`.groth16_readable`, to read, and
:mod:`.groth16_fast`, to run.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Name, Record
from zoneshare_protocols.errors import BadProof, Malformed
from zoneshare_protocols.seal.circuit import circuit
from zoneshare_protocols.seal.poseidon import FIELD

BASE = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""The prime q of the curve's coordinates."""

G1 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
G2 = Annotated[bytes, msgspec.Meta(min_length=128, max_length=128)]
Proof = Annotated[bytes, msgspec.Meta(min_length=256, max_length=256)]
"""A (G1), B (G2), C (G1)."""


class VerifyingKey(Record, frozen=True, tag="zoneshare/seal-verifying-key/1"):
    """What proofs of one circuit are verified with. Its file is its canonical bytes; its hash is its digest."""

    circuit: Name
    alpha: G1
    beta: G2
    gamma: G2
    delta: G2
    inputs: Annotated[tuple[G1, ...], msgspec.Meta(min_length=1, max_length=256)]
    """One for the constant 1, and one for each public input."""


Verify = Callable[[VerifyingKey, bytes, Sequence[int]], bool]
"""Whether a proof holds; False for everything that is no proof, or no field elements."""


def coordinates(point: bytes) -> list[int]:
    """Raises BadProof for one that is not below q, and for the point at infinity, which no honest proof has."""
    found = [int.from_bytes(point[at : at + 32], "big") for at in range(0, len(point), 32)]
    if any(one >= BASE for one in found):
        raise BadProof("a coordinate is not an element of the curve's field")
    if not any(found):
        raise BadProof("the point at infinity")
    return found


def parts(proof: bytes) -> tuple[bytes, bytes, bytes]:
    """A, B and C. Raises BadProof for another length."""
    if len(proof) != 256:
        raise BadProof("a proof has 256 bytes", bytes=len(proof))
    return proof[:64], proof[64:192], proof[192:]


def check_inputs(key: VerifyingKey, inputs: Sequence[int]) -> None:
    """Raises BadProof for too few or too many, and for one that is not below r: it would stand for another as well."""
    if len(inputs) != len(key.inputs) - 1:
        raise BadProof("another number of public inputs", given=len(inputs), expected=len(key.inputs) - 1)
    if any(not 0 <= one < FIELD for one in inputs):
        raise BadProof("a public input is not an element of the field")


def check_proof(verify: Verify, key: VerifyingKey, proof: bytes, inputs: Sequence[int]) -> None:
    """Raises BadProof."""
    if not verify(key, proof, inputs):
        raise BadProof("the proof does not hold", circuit=key.circuit)


def check_fits(key: VerifyingKey) -> None:
    """Raises NotFound for an unknown circuit, Malformed where the key has another number of public inputs."""
    expected = circuit(key.circuit).public
    if len(key.inputs) != expected + 1:
        raise Malformed("the key is for another circuit", inputs=len(key.inputs) - 1, expected=expected)
