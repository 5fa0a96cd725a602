"""The verifier to read: Groth16's one equation on py-ecc. Over a second a proof; :mod:`.groth16_fast` is to run."""

from collections.abc import Sequence
from typing import Any

from py_ecc import optimized_bn128 as bn

from zoneshare_protocols.errors import BadProof
from zoneshare_protocols.seal.groth16 import VerifyingKey, check_inputs, coordinates, parts
from zoneshare_protocols.seal.poseidon import FIELD


def verify(key: VerifyingKey, proof: bytes, inputs: Sequence[int]) -> bool:
    """e(A, B) = e(alpha, beta) * e(L, gamma) * e(C, delta), with L = IC_0 + sum of input_i * IC_i."""
    try:
        check_inputs(key, inputs)
        a, b, c = parts(proof)
        left, middle, right = _g1(a), _g2(b), _g1(c)
        combined = _g1(key.inputs[0])
        for scalar, point in zip(inputs, key.inputs[1:], strict=True):
            combined = bn.add(combined, bn.multiply(_g1(point), scalar))
        pairs = (
            (_g2(key.beta), _g1(key.alpha)),
            (_g2(key.gamma), combined),
            (_g2(key.delta), right),
        )
    except BadProof:
        return False
    product = bn.pairing(middle, bn.neg(left))
    for second, first in pairs:
        product = product * bn.pairing(second, first)
    return bool(product == bn.FQ12.one())


def _g1(point: bytes) -> Any:
    """Raises BadProof. The curve's order over the base field is r, so every point on it is in the group."""
    x, y = (bn.FQ(value) for value in coordinates(point))
    found = (x, y, bn.FQ.one())
    if not bn.is_on_curve(found, bn.b):
        raise BadProof("a point is not on the curve")
    return found


def _g2(point: bytes) -> Any:
    """Raises BadProof. The twist has points outside of the group of order r: they are refused."""
    x1, x0, y1, y0 = coordinates(point)
    found = (bn.FQ2((x0, x1)), bn.FQ2((y0, y1)), bn.FQ2.one())
    if not bn.is_on_curve(found, bn.b2):
        raise BadProof("a point is not on the twist")
    if not bn.is_inf(bn.multiply(found, FIELD)):
        raise BadProof("a point is not in the group")
    return found
