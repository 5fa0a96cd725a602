"""Both verifiers: the same answer to valid, altered, malleated and malformed proofs, and to inputs out of the field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from py_ecc import optimized_bn128 as bn

from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import BadProof, Malformed, NotFound
from zoneshare_protocols.seal import groth16_fast, groth16_readable
from zoneshare_protocols.seal.development import KEYS
from zoneshare_protocols.seal.groth16 import BASE, VerifyingKey, check_fits, check_proof, parts
from zoneshare_protocols.seal.poseidon import FIELD
from zoneshare_protocols.seal.results import EncryptedResult

RECORDED = json.loads(Path(__file__).with_name("proof.json").read_text())
KEY = decode(VerifyingKey, bytes.fromhex(RECORDED["key"]))
PROOF = bytes.fromhex(RECORDED["proof"])
INPUTS = decode(EncryptedResult, bytes.fromhex(RECORDED["encrypted"])).public
A, B, C = parts(PROOF)


def g1(point: bytes) -> Any:
    x, y = (bn.FQ(int.from_bytes(point[at : at + 32], "big")) for at in (0, 32))
    return x, y, bn.FQ.one()


def g2(point: bytes) -> Any:
    x1, x0, y1, y0 = (int.from_bytes(point[at : at + 32], "big") for at in range(0, 128, 32))
    return bn.FQ2((x0, x1)), bn.FQ2((y0, y1)), bn.FQ2.one()


def written(point: Any) -> bytes:
    x, y = bn.normalize(point)
    parts = [*x.coeffs[::-1], *y.coeffs[::-1]] if isinstance(x, bn.FQ2) else [x.n, y.n]
    return b"".join(int(part).to_bytes(32, "big") for part in parts)


def root(square: Any) -> Any | None:
    """A square root in the field of the twist, where there is one (q = 3 mod 4)."""
    start = square ** ((BASE - 3) // 4)
    found = start * square
    sign = start * found
    minus_one = bn.FQ2((BASE - 1, 0))
    found = found * bn.FQ2((0, 1)) if sign == minus_one else found * (bn.FQ2.one() + sign) ** ((BASE - 1) // 2)
    return found if found * found == square else None


def outside() -> bytes:
    """A point of the twist that is not in the group of order r."""
    for start in range(1, 100):
        x = bn.FQ2((start, 1))
        y = root(x * x * x + bn.b2)
        if y is not None and not bn.is_inf(bn.multiply((x, y, bn.FQ2.one()), FIELD)):
            return written((x, y, bn.FQ2.one()))
    raise AssertionError("no such point")


def both(proof: bytes, inputs: list[int], key: VerifyingKey = KEY) -> bool:
    fast, readable = groth16_fast.verify(key, proof, inputs), groth16_readable.verify(key, proof, inputs)
    assert fast is readable, "the verifiers differ"
    return fast


def test_the_library_is_there() -> None:
    assert groth16_fast.library() is not None


def test_a_valid_proof_holds_and_the_key_is_the_one_of_development() -> None:
    assert both(PROOF, INPUTS)
    assert digest(KEY) in KEYS
    assert digest(KEY).hex() == RECORDED["made_with"]
    check_fits(KEY)


@pytest.mark.parametrize("place", range(len(INPUTS)))
def test_another_public_input_is_refused(place: int) -> None:
    changed = [*INPUTS]
    changed[place] = (changed[place] + 1) % FIELD
    assert not groth16_fast.verify(KEY, PROOF, changed)


def test_altered_inputs_and_parts_are_refused_by_both() -> None:
    assert not both(PROOF, [*INPUTS[:-1], (INPUTS[-1] + 1) % FIELD])
    assert not both(A + B + written(bn.double(g1(C))), INPUTS)
    with pytest.raises(BadProof):
        check_proof(groth16_fast.verify, KEY, A + B + A, INPUTS)


def test_malleated_proofs_hold_and_say_the_same() -> None:
    """Groth16 proofs can be made anew from others, of the same inputs only: nothing here counts a proof's bytes."""
    minus = written(bn.neg(g1(A))) + written(bn.neg(g2(B))) + C
    assert both(minus, INPUTS)
    scaled = written(bn.multiply(g1(A), 7)) + written(bn.multiply(g2(B), pow(7, -1, FIELD))) + C
    assert groth16_fast.verify(KEY, scaled, INPUTS)
    assert not groth16_fast.verify(KEY, scaled, [INPUTS[0], (INPUTS[1] + 1) % FIELD, *INPUTS[2:]])


ZERO = bytes(64)
BAD: dict[str, Callable[[], bytes]] = {
    "short": lambda: PROOF[:-1],
    "long": lambda: PROOF + b"\0",
    "A off the curve": lambda: A[:-1] + bytes([A[-1] ^ 1]) + B + C,
    "C off the curve": lambda: A + B + C[:-1] + bytes([C[-1] ^ 1]),
    "B off the twist": lambda: A + B[:-1] + bytes([B[-1] ^ 1]) + C,
    "B outside of the group": lambda: A + outside() + C,
    "A at infinity": lambda: ZERO + B + C,
    "B at infinity": lambda: A + bytes(128) + C,
    "C at infinity": lambda: A + B + ZERO,
    "a coordinate over q": lambda: (int.from_bytes(A[:32], "big") + BASE).to_bytes(32, "big") + A[32:] + B + C,
    "parts swapped": lambda: C + B + A,
}


@pytest.mark.parametrize("what", [name for name in BAD if name != "parts swapped"])
def test_what_is_no_proof_is_refused_by_both(what: str) -> None:
    assert not both(BAD[what](), INPUTS)


def test_points_in_other_places_prove_nothing() -> None:
    assert not groth16_fast.verify(KEY, BAD["parts swapped"](), INPUTS)


@pytest.mark.parametrize(
    "inputs",
    [[INPUTS[0] + FIELD, *INPUTS[1:]], [*INPUTS[:-1], FIELD], [-1, *INPUTS[1:]], INPUTS[:-1], [*INPUTS, 0], []],
)
def test_inputs_out_of_the_field_are_refused_by_both(inputs: list[int]) -> None:
    """The first would stand for the very same element: a second name for one proof."""
    assert not both(PROOF, inputs)


def test_a_verifying_key_with_a_bad_point_proves_nothing() -> None:
    assert not both(PROOF, INPUTS, replace(KEY, gamma=outside()))
    assert not both(PROOF, INPUTS, replace(KEY, inputs=(b"\1" * 64, *KEY.inputs[1:])))


def test_without_the_library_the_readable_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def verify(key: VerifyingKey, proof: bytes, inputs: list[int]) -> bool:
        asked.append(len(inputs))
        return True

    monkeypatch.setattr(groth16_fast, "library", lambda: None)
    monkeypatch.setattr(groth16_readable, "verify", verify)
    assert groth16_fast.verify(KEY, PROOF, INPUTS)
    assert asked == [len(INPUTS)]


def test_a_key_for_another_circuit_does_not_fit() -> None:
    with pytest.raises(Malformed):
        check_fits(replace(KEY, circuit="result-434"))
    with pytest.raises(NotFound):
        check_fits(replace(KEY, circuit="result-9"))
