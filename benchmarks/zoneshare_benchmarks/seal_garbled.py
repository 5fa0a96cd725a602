"""Garbled circuits with half gates (Zahur, Rosulek, Evans 2015), for the model of ARMOR: who has the least value.

There is no maintained library for Python, so this is the least that does it: free XOR, two 16-byte rows an AND gate,
fixed-key AES-128 as the hash, many gates at once through numpy. Every AES block is counted. The evaluator's input
labels are handed over as an oblivious transfer would; the transfer itself is counted in bytes, not run.
"""

import os
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

Wires = NDArray[np.uint64]
"""Labels, or plain bits, of many wires: (gates, 2) as two 64-bit halves, low half first; plain bits: (gates, 1)."""
LABEL = 16
TABLE = 32
"""Bytes of an AND gate."""
TRANSFER = 32
"""Bytes of an oblivious transfer of one label out of two: two masked labels (the extension's own traffic apart)."""
_ONE = np.uint64(1)


class Machine(Protocol):
    """What a circuit is built on: the garbler, the evaluator, or plain bits in tests."""

    def land(self, left: Wires, right: Wires) -> Wires:
        """AND of many pairs of wires."""

    def flip(self, wires: Wires) -> Wires:
        """NOT."""


@dataclass
class Plain:
    """Bits in the clear: the circuit's meaning, and its number of gates."""

    gates: int = 0

    def land(self, left: Wires, right: Wires) -> Wires:
        self.gates += len(left)
        return left & right

    def flip(self, wires: Wires) -> Wires:
        return wires ^ _ONE


class _Hash:
    def __init__(self, key: bytes) -> None:
        # ECB of independent blocks under a fixed key is the permutation that half gates ask for.
        self._aes = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
        self.blocks = 0

    def __call__(self, labels: Wires, tweaks: NDArray[np.uint64]) -> Wires:
        low, high = labels[:, 0], labels[:, 1]
        carry = (high >> np.uint64(63)) * np.uint64(0x87)
        mixed = np.stack(((low << _ONE) ^ carry ^ tweaks, (high << _ONE) ^ (low >> np.uint64(63))), axis=1)
        self.blocks += len(mixed)
        hashed: Wires = np.frombuffer(self._aes.update(mixed.tobytes()), dtype=np.uint64).reshape(-1, 2) ^ mixed
        return hashed


def _bit(labels: Wires) -> Wires:
    """All ones where the label's select bit is set: (gates, 1)."""
    return (np.uint64(0) - (labels[:, :1] & _ONE)).astype(np.uint64)


@dataclass
class Garbler:
    """Makes labels and tables."""

    key: bytes = field(default_factory=lambda: os.urandom(16))
    tables: list[tuple[Wires, Wires]] = field(default_factory=list)
    gates: int = 0

    def __post_init__(self) -> None:
        self._hash = _Hash(self.key)
        self.delta = self._random(1)
        self.delta[:, 0] |= _ONE

    @property
    def blocks(self) -> int:
        """AES blocks so far."""
        return self._hash.blocks

    def fresh(self, count: int) -> Wires:
        """The labels for 0 of ``count`` new wires."""
        return self._random(count)

    def label(self, zeros: Wires, bits: NDArray[Any]) -> Wires:
        """The labels that stand for ``bits``."""
        return zeros ^ (self.delta * bits.astype(np.uint64).reshape(-1, 1))

    def land(self, left: Wires, right: Wires) -> Wires:
        tweak = np.arange(self.gates, self.gates + len(left), dtype=np.uint64) << _ONE
        self.gates += len(left)
        a, b = _bit(left), _bit(right)
        left_0, left_1 = self._hash(left, tweak), self._hash(left ^ self.delta, tweak)
        right_0, right_1 = self._hash(right, tweak | _ONE), self._hash(right ^ self.delta, tweak | _ONE)
        first = left_0 ^ left_1 ^ (b & self.delta)
        second = right_0 ^ right_1 ^ left
        self.tables.append((first, second))
        return left_0 ^ (a & first) ^ right_0 ^ (b & (second ^ left))

    def flip(self, wires: Wires) -> Wires:
        return wires ^ self.delta

    def read(self, zeros: Wires, labels: Wires) -> NDArray[np.bool_]:
        """The bits of output labels. The garbler sends one bit a wire for it: the label's select bit for 0."""
        return ((zeros[:, 0] ^ labels[:, 0]) & _ONE).astype(bool)

    @staticmethod
    def _random(count: int) -> Wires:
        return np.frombuffer(os.urandom(LABEL * count), dtype=np.uint64).reshape(-1, 2).copy()


@dataclass
class Evaluator:
    """Has one label a wire, and the tables in the garbler's order."""

    key: bytes
    tables: list[tuple[Wires, Wires]]
    gates: int = 0

    def __post_init__(self) -> None:
        self._hash = _Hash(self.key)
        self._next = iter(self.tables)

    @property
    def blocks(self) -> int:
        """AES blocks so far."""
        return self._hash.blocks

    def land(self, left: Wires, right: Wires) -> Wires:
        tweak = np.arange(self.gates, self.gates + len(left), dtype=np.uint64) << _ONE
        self.gates += len(left)
        first, second = next(self._next)
        out: Wires = self._hash(left, tweak) ^ (_bit(left) & first)
        return out ^ self._hash(right, tweak | _ONE) ^ (_bit(right) & (second ^ left))

    def flip(self, wires: Wires) -> Wires:
        return wires


def borrow(machine: Machine, left: list[Wires], right: list[Wires]) -> tuple[list[Wires], Wires]:
    """left - right over all bits, lowest first: the difference's bits and the last borrow, an AND a bit.

    The borrow is the majority of not-left, right and the borrow before.
    """
    carry = left[0] ^ left[0]
    difference: list[Wires] = []
    for one, two in zip(left, right, strict=True):
        difference.append(one ^ two ^ carry)
        carry = two ^ machine.land(machine.flip(one) ^ two, two ^ carry)
    return difference, carry


def least(machine: Machine, values: list[Wires], names: list[Wires]) -> tuple[list[Wires], list[Wires]]:
    """The least of the values and its name, both as bits, lowest first; of equals the one that stands first.

    ``values`` and ``names``: for each bit a row a player. A comparison costs an AND a bit of the value, and one more
    for every bit that goes on to the next round.
    """
    bits = [*values, *names]
    while len(bits[0]) > 1:
        pairs = len(bits[0]) // 2
        first, second = [bit[0 : 2 * pairs : 2] for bit in bits], [bit[1 : 2 * pairs : 2] for bit in bits]
        _, smaller = borrow(machine, second[: len(values)], first[: len(values)])
        both = machine.land(
            np.concatenate([smaller] * len(bits)),
            np.concatenate([one ^ two for one, two in zip(first, second, strict=True)]),
        )
        won = [one ^ part for one, part in zip(first, np.split(both, len(bits)), strict=True)]
        bits = [np.concatenate((one, bit[2 * pairs :])) for one, bit in zip(won, bits, strict=True)]
    return bits[: len(values)], bits[len(values) :]


def least_gates(players: int, bits: int, name_bits: int) -> int:
    """AND gates of :func:`least`: (players - 1) (2 bits + name bits)."""
    return (players - 1) * (2 * bits + name_bits)
