"""The verifier to run: Groth16 on mcl, about 2 ms a proof. Agrees with :mod:`.groth16_readable`.

Where mcl is not there (its wheels are for x86-64), the readable verifier answers: the same, in over a second.
"""

from collections.abc import Sequence
from ctypes import Array, c_char_p, c_size_t, c_uint64
from functools import lru_cache
from typing import Any, NamedTuple

from zoneshare_protocols.errors import BadProof
from zoneshare_protocols.seal.groth16 import VerifyingKey, check_inputs, coordinates, parts

_UNITS = 4
"""Words of 8 bytes in a field element."""

_Words = Array[c_uint64]


class _Prepared(NamedTuple):
    gamma: _Words
    delta: _Words
    inputs: _Words
    constant: _Words
    pairing: _Words
    """e(alpha, beta)."""


def library() -> Any:
    """mcl, set to the curve; None where it is not there. Loaded with the first proof."""
    from zoneshare_protocols.seal.mcl import LIBRARY

    return LIBRARY


def verify(key: VerifyingKey, proof: bytes, inputs: Sequence[int]) -> bool:
    """As :func:`.groth16_readable.verify`."""
    mcl = library()
    if mcl is None:
        from zoneshare_protocols.seal import groth16_readable

        return groth16_readable.verify(key, proof, inputs)
    try:
        check_inputs(key, inputs)
        a, b, c = parts(proof)
        left, middle, right = _g1(a), _g2(b), _g1(c)
        known = _prepared(key)
    except BadProof:
        return False
    combined = _words(3 * _UNITS)
    if inputs:
        scalars = b"".join(_scalar(one) for one in inputs)
        mcl.mclBnG1_mulVec(combined, known.inputs, c_char_p(scalars), c_size_t(len(inputs)))
    mcl.mclBnG1_add(combined, combined, known.constant)
    mcl.mclBnG1_neg(left, left)
    firsts = _join(left, combined, right)
    seconds = _join(middle, known.gamma, known.delta)
    product = _words(12 * _UNITS)
    mcl.mclBn_millerLoopVec(product, firsts, seconds, c_size_t(3))
    mcl.mclBn_finalExp(product, product)
    mcl.mclBnGT_mul(product, product, known.pairing)
    return bool(mcl.mclBnGT_isOne(product))


@lru_cache(maxsize=32)
def _prepared(key: VerifyingKey) -> _Prepared:
    pairing = _words(12 * _UNITS)
    library().mclBn_pairing(pairing, _g1(key.alpha), _g2(key.beta))
    points = [_g1(point) for point in key.inputs]
    return _Prepared(_g2(key.gamma), _g2(key.delta), _join(*points[1:]), points[0], pairing)


def _g1(point: bytes) -> Any:
    found = _point(coordinates(point), 3)
    if not library().mclBnG1_isValid(found):
        raise BadProof("a point is not on the curve")
    return found


def _g2(point: bytes) -> Any:
    x1, x0, y1, y0 = coordinates(point)
    found = _point([x0, x1, y0, y1], 6)
    if not library().mclBnG2_isValid(found):
        raise BadProof("a point is not on the twist")
    if not library().mclBnG2_isValidOrder(found):
        raise BadProof("a point is not in the group")
    return found


def _point(affine: Sequence[int], size: int) -> _Words:
    """Jacobian, with z = 1, in mcl's own form of numbers."""
    found = _words(size * _UNITS)
    one = [1] if size == 3 else [1, 0]
    for place, value in enumerate([*affine, *one]):
        element = _words(_UNITS)
        library().mclBnFp_setLittleEndianMod(element, c_char_p(value.to_bytes(32, "little")), c_size_t(32))
        found[place * _UNITS : (place + 1) * _UNITS] = list(element)
    return found


def _scalar(value: int) -> bytes:
    element = _words(_UNITS)
    library().mclBnFr_setLittleEndianMod(element, c_char_p(value.to_bytes(32, "little")), c_size_t(32))
    return bytes(element)


def _words(size: int) -> _Words:
    return (c_uint64 * size)()


def _join(*points: _Words) -> _Words:
    return (c_uint64 * sum(map(len, points)))(*(word for point in points for word in point))
