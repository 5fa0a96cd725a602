"""Poseidon over the scalar field of BN254, x^5, by the reference parameters (Grassi et al., 2021): cheap in a circuit.

``permutation`` agrees with circomlib's and the reference implementation's test vectors.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

from zoneshare_protocols.errors import Malformed

FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""The prime r: the order of BN254's groups."""
FULL_ROUNDS = 8
PARTIAL_ROUNDS = {3: 57, 5: 60, 13: 65, 17: 68}
"""By the state's width, for 128 bits of security, rounded up as the reference script does."""
_BITS = 254


class Parameters(NamedTuple):
    """Of one width."""

    constants: tuple[tuple[int, ...], ...]
    """One for each element in each round."""
    matrix: tuple[tuple[int, ...], ...]
    """MDS."""


class Round(NamedTuple):
    """What a round raises to the fifth power, and how it goes on: what a circuit's witness is made of."""

    powers: tuple[tuple[int, int, int], ...]
    """(x^2, x^4, x^5) of every element raised in this round: all in a full round, the first in a partial one."""


@cache
def parameters(width: int) -> Parameters:
    """Raises Malformed for a width without parameters."""
    if width not in PARTIAL_ROUNDS:
        raise Malformed("no Poseidon of this width", width=width)
    rounds = FULL_ROUNDS + PARTIAL_ROUNDS[width]
    bits = _grain(width, PARTIAL_ROUNDS[width])
    drawn = (number for number in iter(lambda: _number(bits), None) if number < FIELD)
    constants = tuple(tuple(islice(drawn, width)) for _ in range(rounds))
    while True:
        points = [_number(bits) % FIELD for _ in range(2 * width)]
        if len(set(points)) == 2 * width:
            break
    rows, columns = points[:width], points[width:]
    return Parameters(constants, tuple(tuple(pow(x + y, -1, FIELD) for y in columns) for x in rows))


def is_full(width: int, number: int) -> bool:
    """Whether the round raises every element."""
    half = FULL_ROUNDS // 2
    return not half <= number < half + PARTIAL_ROUNDS[width]


def trace(state: Sequence[int]) -> tuple[list[Round], list[int]]:
    """Every round's powers, and the state after the last. ``state``: elements of the field, as many as the width."""
    width = len(state)
    constants, matrix = parameters(width)
    now = list(state)
    rounds: list[Round] = []
    for number, added in enumerate(constants):
        now = [(element + constant) % FIELD for element, constant in zip(now, added, strict=True)]
        raised = [_powers(element) for element in (now if is_full(width, number) else now[:1])]
        now[: len(raised)] = [fifth for _, _, fifth in raised]
        now = [sum(factor * element for factor, element in zip(row, now, strict=True)) % FIELD for row in matrix]
        rounds.append(Round(tuple(raised)))
    return rounds, now


def permutation(state: Sequence[int]) -> list[int]:
    """Raises Malformed for a width without parameters."""
    return trace(state)[1]


def _powers(element: int) -> tuple[int, int, int]:
    square = element * element % FIELD
    fourth = square * square % FIELD
    return square, fourth, fourth * element % FIELD


def _grain(width: int, partial: int) -> Iterator[int]:
    """The reference's generator (a self-shrinking LFSR), started with the parameters themselves."""
    fields = ((1, 2), (0, 4), (_BITS, 12), (width, 12), (FULL_ROUNDS, 10), (partial, 10), (2**30 - 1, 30))
    register = [int(bit) for value, size in fields for bit in format(value, f"0{size}b")]

    def step() -> int:
        bit = 0
        for tap in (62, 51, 38, 23, 13, 0):
            bit ^= register[tap]
        register.pop(0)
        register.append(bit)
        return bit

    for _ in range(160):
        step()
    while True:
        keep, bit = step(), step()
        if keep:
            yield bit


def _number(bits: Iterator[int]) -> int:
    return int("".join(map(str, islice(bits, _BITS))), 2)
