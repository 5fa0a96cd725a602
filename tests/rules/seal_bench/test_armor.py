"""The model of ARMOR: real ciphertexts and garbled circuits give Algorithm 2's outcome; what it counts."""

from dataclasses import replace
from random import Random

import msgspec
import numpy as np
import pytest

from zoneshare_benchmarks.seal_armor import BITS, NONE, Armor, Keys, circuit, circuit_gates
from zoneshare_benchmarks.seal_garbled import LABEL, TABLE, TRANSFER, Evaluator, Garbler, Plain, least, least_gates
from zoneshare_benchmarks.seal_markets import market
from zoneshare_protocols.errors import LimitExceeded
from zoneshare_protocols.seal.auction import run

KEYS = Keys(512)
"""Far too short for use, and quick."""
ONE = np.ones((1, 1), dtype=np.uint64)


def bits(numbers: list[int], width: int) -> list[np.ndarray]:
    return [np.array([[number >> bit & 1] for number in numbers], dtype=np.uint64) for bit in range(width)]


def number(wires: list[np.ndarray]) -> int:
    return sum(int(wire[0, 0]) << index for index, wire in enumerate(wires))


@pytest.mark.parametrize("players", [1, 2, 3, 5, 8, 13])
def test_the_least_is_found_and_of_equals_the_first_with_the_gates_of_the_formula(players: int) -> None:
    dice = Random(players)
    for _ in range(30):
        values = [dice.randrange(4) for _ in range(players)]
        machine = Plain()
        value, name = least(machine, bits(values, 3), bits(list(range(players)), 4))
        assert (number(value), number(name)) == (min(values), values.index(min(values)))
        assert machine.gates == least_gates(players, 3, 4)


def test_blinds_come_off_within_the_circuit_and_bidder_0_loses_a_tie() -> None:
    dice = Random(1)
    for _ in range(30):
        values = [dice.randrange(NONE) for _ in range(4)]
        hides = [dice.randrange(2**BITS) for _ in values]
        blinded = [(value + hide) % 2**BITS for value, hide in zip(values, hides, strict=True)]
        limit = dice.choice([min(values), min(values) - 1, NONE - 1])
        machine = Plain()
        value, place = circuit(machine, bits(blinded, BITS), bits(hides, BITS), limit, ONE)
        wins = values.index(min(values)) if min(values) <= limit else 4
        assert (number(value), number(place)) == (min(limit, *values), wins)
        assert machine.gates == circuit_gates(4)


def test_a_garbled_and_is_an_and_whatever_the_select_bits_are() -> None:
    for _ in range(20):
        garbler = Garbler()
        left, right = garbler.fresh(4), garbler.fresh(4)
        one, two = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        out = garbler.land(left, garbler.flip(right))
        evaluator = Evaluator(garbler.key, garbler.tables)
        got = evaluator.land(garbler.label(left, one), evaluator.flip(garbler.label(right, two)))
        assert list(garbler.read(out, got)) == [False, False, True, False]
        assert (garbler.blocks, evaluator.blocks) == (4 * 4, 2 * 4)


def test_with_another_table_the_evaluator_gets_no_label_of_the_output() -> None:
    garbler = Garbler()
    left, right = garbler.fresh(1), garbler.fresh(1)
    out = garbler.land(left, right)
    wrong = [(first ^ np.uint64(2), second ^ np.uint64(2)) for first, second in garbler.tables]
    valid = {out.tobytes(), (out ^ garbler.delta).tobytes()}
    got = set()
    for bits in ((0, 0), (0, 1), (1, 0), (1, 1)):
        labels = [garbler.label(wire, np.array([bit])) for wire, bit in zip((left, right), bits, strict=True)]
        got.add(Evaluator(garbler.key, wrong).land(*labels).tobytes())
    assert not got <= valid


@pytest.mark.parametrize("seed", range(3))
def test_the_outcome_is_the_plain_auctions_and_the_bill_is_the_formulas(seed: int) -> None:
    one = market(np.random.default_rng(seed), 4, 2)
    armor = Armor(KEYS)
    out = armor.run(one)
    assert out == run(one.tasks, one.bidders, one.terms)
    gates = 2 * circuit_gates(4) + len(out.awards) * circuit_gates(3)
    assert armor.gates == gates
    assert armor.blocks == 6 * gates
    assert armor.bill.phase("init").bytes == 2 * 2 * 4 * KEYS.ciphertext
    inputs = BITS * (LABEL + TRANSFER) * (2 * 4 + len(out.awards) * 3)
    decoded = 2 * (BITS + 3) + len(out.awards) * (BITS + 2)
    assert armor.bill.phase("auction").bytes == 2 * 2 * 4 * KEYS.ciphertext + gates * TABLE + inputs + decoded
    assert armor.bill.phase("auction").messages == 2 + 2 * (2 + len(out.awards))


def test_a_score_that_the_circuit_cannot_hold_is_refused() -> None:
    one = market(np.random.default_rng(1), 2, 1)
    wide = msgspec.structs.replace(one.terms, cap=NONE, cloud=None, local=None)
    with pytest.raises(LimitExceeded, match="fit"):
        Armor(KEYS).run(replace(one, terms=wide))
