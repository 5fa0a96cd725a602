"""Proving keys as snarkjs writes them (``.zkey``): what a ceremony hands over, and the verifying key inside."""

import hashlib
from collections.abc import Iterator

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.seal.circuit import Circuit
from zoneshare_protocols.seal.groth16 import BASE, VerifyingKey
from zoneshare_protocols.seal.poseidon import FIELD

_GROTH16 = 1
_HEADER, _GROTH_HEADER, _INPUTS, _COEFFICIENTS = 1, 2, 3, 4
_UNMONTGOMERY = pow(1 << 256, -1, BASE)


def read_key(data: bytes, circuit: Circuit) -> VerifyingKey:
    """The verifying key of a proving key for ``circuit``.

    Raises Malformed for a file that is none, that is of another curve or proof system, or that was made for other
    constraints: such a key is refused, not tried.
    """
    sections = dict(_sections(data))
    if any(number not in sections for number in (_HEADER, _GROTH_HEADER, _INPUTS, _COEFFICIENTS)):
        raise Malformed("the proving key lacks a section", sections=len(sections))
    if int.from_bytes(sections[_HEADER][:4], "little") != _GROTH16:
        raise Malformed("not a proving key for Groth16")
    head = sections[_GROTH_HEADER]
    if int.from_bytes(head[4:36], "little") != BASE or int.from_bytes(head[40:72], "little") != FIELD:
        raise Malformed("not a proving key on BN254")
    found = hashlib.sha256(sections[_COEFFICIENTS]).hexdigest()
    if found != circuit.coefficients:
        raise Malformed("the proving key is for another circuit", circuit=circuit.name, coefficients=found[:16])
    public = int.from_bytes(head[76:80], "little")
    alpha, _, beta, gamma, _, delta = _points(head[84:], (1, 1, 2, 2, 1, 2))
    inputs = _points(sections[_INPUTS], (1,) * (public + 1))
    return VerifyingKey(circuit.name, alpha, beta, gamma, delta, tuple(inputs))


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    if data[:4] != b"zkey" or len(data) < 12:
        raise Malformed("not a proving key: no zkey file", bytes=len(data))
    at = 12
    for _ in range(int.from_bytes(data[8:12], "little")):
        size = int.from_bytes(data[at + 4 : at + 12], "little")
        if at + 12 + size > len(data):
            raise Malformed("the proving key is cut off", bytes=len(data))
        yield int.from_bytes(data[at : at + 4], "little"), data[at + 12 : at + 12 + size]
        at += 12 + size


def _points(data: bytes, groups: tuple[int, ...]) -> list[bytes]:
    """One after the other, of G1 or G2, from Montgomery's form. Raises Malformed where the data end before."""
    found, at = [], 0
    if len(data) < 64 * sum(groups):
        raise Malformed("the proving key is cut off", bytes=len(data))
    for group in groups:
        numbers = []
        for place in range(at, at + 64 * group, 32):
            numbers.append(int.from_bytes(data[place : place + 32], "little") * _UNMONTGOMERY % BASE)
        # Ethereum's order has the imaginary part first.
        order = numbers if group == 1 else [numbers[place] for place in (1, 0, 3, 2)]
        found.append(b"".join(number.to_bytes(32, "big") for number in order))
        at += 64 * group
    return found
