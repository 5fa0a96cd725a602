"""The circuits of proof for payment: their sizes, their keystream, and the witnesses for them.

The statement, for public h, context and C_0 .. C_n: "I know a key K with Sponge(K, context) = (h, k_0, .., k_n), and
C_i = m_i + k_i for elements m_i that C_n = m_0 + .. + m_(n-1) + k_n checks". One Poseidon sponge gives key hash and
keystream, so a result of a few elements costs one permutation. Sources: ``circuits/*.circom``.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zoneshare_protocols.errors import BadProof, LimitExceeded, Malformed, NotFound
from zoneshare_protocols.seal.poseidon import FIELD, FULL_ROUNDS, PARTIAL_ROUNDS, Round, parameters, trace

ELEMENT_BYTES = 31
"""Of a message in one field element."""
DOMAIN = int.from_bytes(b"zoneshare/seal-result/1", "big")


class Circuit(NamedTuple):
    """One size. ``bytes`` is what a message may have."""

    name: str
    width: int
    """Of the permutation; one element of it is the sponge's capacity and never leaves it."""
    permutations: int
    elements: int
    """n: of the message."""
    r1cs: str
    """SHA-256 of the constraints as the pinned compiler writes them."""
    coefficients: str
    """SHA-256 of a proving key's section of coefficients: the constraints it was made for."""

    @property
    def bytes(self) -> int:
        return self.elements * ELEMENT_BYTES

    @property
    def public(self) -> int:
        """Public inputs: h, context, C."""
        return self.elements + 3


CIRCUITS = (
    Circuit(
        "result-62",
        5,
        1,
        2,
        "4dc063534f615631848f0003242d3e65a10125a29b7c98e24d7ea34985d59261",
        "24c376fd039ebe6f1a0a0e4dfbd8f1302e16eb89062bf904c8ff5e0d74b82f19",
    ),
    Circuit(
        "result-434",
        17,
        1,
        14,
        "7faa747562f0da6f4c187e6abb17f1256bb73f346ae66cbc2bdaa2e4c4e38397",
        "c971aadafe4e592a6454660296886f42b38774387caa58c81bacef322cf64af6",
    ),
    Circuit(
        "result-1054",
        13,
        3,
        34,
        "9a47d48c46ed088066a2c524fc15982ea30905c4adacf63af8a2653b200738ef",
        "bd5229c4051035278dcec5294c8fe5de32ca46d72d41da5c849e176b47e12188",
    ),
)
MAX_BYTES = CIRCUITS[-1].bytes


class Sponge(NamedTuple):
    """What a key and a context give."""

    hash: int
    """h."""
    stream: tuple[int, ...]
    """k_0 .. k_n."""
    rounds: tuple[tuple[Round, ...], ...]
    """Of each permutation."""
    capacities: tuple[int, ...]
    """What each permutation leaves in the element that never leaves the sponge."""


def circuit(name: str) -> Circuit:
    """Raises NotFound."""
    for one in CIRCUITS:
        if one.name == name:
            return one
    raise NotFound("no such circuit", circuit=name)


def smallest(size: int) -> Circuit:
    """The cheapest circuit for a message of ``size`` bytes. Raises LimitExceeded over MAX_BYTES."""
    for one in CIRCUITS:
        if size <= one.bytes:
            return one
    raise LimitExceeded("no circuit takes a message so large", value=size, limit=MAX_BYTES)


def sponge(kind: Circuit, key: int, context: int) -> Sponge:
    """Absorb key and context, squeeze h and the keystream. Raises Malformed outside of the field."""
    if not (0 <= key < FIELD and 0 <= context < FIELD):
        raise Malformed("a key and a context are elements of the field")
    state = [DOMAIN + kind.elements, key, context, *[0] * (kind.width - 3)]
    squeezed: list[int] = []
    rounds: list[tuple[Round, ...]] = []
    capacities: list[int] = []
    for _ in range(kind.permutations):
        steps, state = trace(state)
        rounds.append(tuple(steps))
        capacities.append(state[0])
        squeezed += state[1:]
    return Sponge(squeezed[0], tuple(squeezed[1 : kind.elements + 2]), tuple(rounds), tuple(capacities))


def encrypt(stream: Sequence[int], message: Sequence[int]) -> tuple[int, ...]:
    """C_0 .. C_n. ``message``: one element fewer than the stream."""
    whole = (*message, sum(message))
    return tuple((element + key) % FIELD for element, key in zip(whole, stream, strict=True))


def decrypt(stream: Sequence[int], ciphertext: Sequence[int]) -> tuple[int, ...]:
    """m_0 .. m_(n-1). Raises BadProof where C is not one under this key."""
    *message, check = [(element - key) % FIELD for element, key in zip(ciphertext, stream, strict=True)]
    if sum(message) % FIELD != check:
        raise BadProof("the encrypted result is not one under this key")
    return tuple(message)


def witness(kind: Circuit, key: int, hash: int, context: int, ciphertext: Sequence[int]) -> bytes:
    """The circuit's witness as a ``.wtns`` file. It holds the key.

    Raises BadProof where ``hash`` is not the key's, or C is not under it.
    """
    found = sponge(kind, key, context)
    if found.hash != hash:
        raise BadProof("the key does not match its hash")
    message = decrypt(found.stream, ciphertext)
    wires = [1, found.hash, context, *ciphertext, key, *message]
    for number in range(kind.permutations):
        wires += _permutation_wires(kind, found, number)
    return _wtns(wires)


def constants_source(width: int) -> str:
    """The permutation's constants as the circuits include them (``poseidon<width>.circom``)."""
    constants, matrix = parameters(width)
    return (
        "pragma circom 2.1.0;\n"
        f"function PARTIAL_ROUNDS() {{ return {PARTIAL_ROUNDS[width]}; }}\n"
        f"function CONSTANTS() {{ return {_array(constants)}; }}\n"
        f"function MATRIX() {{ return {_array(matrix)}; }}\n"
    )


def _permutation_wires(kind: Circuit, found: Sponge, number: int) -> Iterator[int]:
    """In the compiler's order; what it can do without is left out (the first round's constants, the last powers)."""
    last = FULL_ROUNDS + PARTIAL_ROUNDS[kind.width] - 1
    yield found.capacities[number]
    for power in range(3):
        for place, step in enumerate(found.rounds[number]):
            if power == 2 and place == last:
                continue
            for index, raised in enumerate(step.powers):
                if number or place or index in (1, 2):
                    yield raised[power]


def _wtns(wires: Sequence[int]) -> bytes:
    def section(kind: int, body: bytes) -> bytes:
        return kind.to_bytes(4, "little") + len(body).to_bytes(8, "little") + body

    head = (32).to_bytes(4, "little") + FIELD.to_bytes(32, "little") + len(wires).to_bytes(4, "little")
    body = b"".join(wire.to_bytes(32, "little") for wire in wires)
    return b"wtns" + (2).to_bytes(4, "little") + (2).to_bytes(4, "little") + section(1, head) + section(2, body)


def _array(rows: Sequence[Sequence[int]]) -> str:
    return "[" + ",\n".join("[" + ",".join(map(str, row)) + "]" for row in rows) + "]"
