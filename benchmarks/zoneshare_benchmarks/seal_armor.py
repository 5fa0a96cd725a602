"""A model of ARMOR's cost: the same auction over Paillier ciphertexts and garbled circuits. No public code exists.

Every bidder encrypts price and energy term of every task for a helper (ARMOR's agent), whatever it bids for. The drone
adds both to the score, blinds score and energy term, and the helper decrypts what is blinded. It garbles a circuit that
takes the blinds off again and finds the least score, and a second one without the winner for the critical score. The
drone, which knows the blinds, evaluates both. So the helper sees blinded values, the drone sees winners and payments.
What is blinded is not randomised anew, since the helper never sees what the bidders sent. In ARMOR's favour.

The library decrypts without the Chinese remainder theorem, which would make it about three times as fast.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from tno.mpc.encryption_schemes.paillier import Paillier, PaillierCiphertext
from tno.mpc.encryption_schemes.utils import pow_mod

from zoneshare_benchmarks.seal_cost import Bill
from zoneshare_benchmarks.seal_garbled import (
    LABEL,
    TABLE,
    TRANSFER,
    Evaluator,
    Garbler,
    Machine,
    Wires,
    borrow,
    least,
    least_gates,
)
from zoneshare_benchmarks.seal_markets import Market
from zoneshare_protocols.errors import LimitExceeded
from zoneshare_protocols.seal.auction import Candidate, award, by_urgency, candidates, outcome
from zoneshare_protocols.seal.records import Award, Outcome
from zoneshare_protocols.seal.score import Fallback, fallback

BITS = 16
"""Of a score."""
NONE = 2**BITS - 1
"""The score of who does not bid, or is not in time."""
BLIND_BITS = BITS + 40
"""The blind hides a score but for 2^-40, statistically."""
AUCTION = "auction"
INIT = "init"


@dataclass(frozen=True)
class Keys:
    """The helper's key pair; bidders and the drone use the public half of it only."""

    bits: int = 2048

    @cached_property
    def scheme(self) -> Paillier:
        return Paillier.from_security_parameter(key_length=self.bits)

    def seal(self, value: int) -> int:
        """A ciphertext as it is sent. The library's own randomness is meant to be made beforehand; here it counts."""
        public, made = self.scheme.public_key, self.scheme.unsafe_encrypt(value)
        made.apply_randomness(pow_mod(secrets.randbelow(public.n - 1) + 1, public.n, public.n_squared))
        return int(made.peek_value())

    @property
    def ciphertext(self) -> int:
        """Bytes of a ciphertext: modulo n^2."""
        return self.bits // 4


@dataclass
class Armor:
    """One auction. ``blocks`` counts AES blocks, ``gates`` AND gates of both circuits of all tasks."""

    keys: Keys
    bill: Bill = field(default_factory=Bill)
    gates: int = 0
    blocks: int = 0

    def run(self, market: Market, only: int | None = None) -> Outcome:
        """The outcome of Algorithm 2. ``only``: run this task alone, to multiply a large auction's cost.

        Raises LimitExceeded for a score that does not fit into BITS.
        """
        order = [task for task in by_urgency(market.tasks) if only in (None, task.id)]
        groups = candidates(order, market.bidders, market.terms)
        seats = sorted(bidder.seat for bidder in market.bidders)
        awards: list[Award] = []
        unsold: dict[int, Fallback] = {}
        for task in order:
            other = fallback(task, market.terms)
            won = self._sold({one.seat: one for one in groups[task.id]}, seats, other.limit(market.terms))
            if won is None:
                unsold[task.id] = other
            else:
                winner = next(one for one in groups[task.id] if one.seat == won[0])
                awards.append(award(task, winner, won[1], market.terms))
        self.bill.phase(INIT).messages += len(seats)
        return outcome(awards, unsold)

    def _sold(self, known: dict[int, Candidate], seats: Sequence[int], limit: int) -> tuple[int, int] | None:
        """Winner and payment of one task, or None where bidder 0 wins."""
        if limit >= NONE or any(one.score >= NONE for one in known.values()):
            raise LimitExceeded("a score does not fit into the circuit", value=limit, limit=NONE - 1)
        sealed = [self._seal(seat, known.get(seat)) for seat in seats]
        masks = [(secrets.randbits(BLIND_BITS), secrets.randbits(BLIND_BITS)) for _ in seats]
        with self.bill.timed(AUCTION, "drone"):
            blinded = [
                (price + term + hide, term + other) for (price, term), (hide, other) in zip(sealed, masks, strict=True)
            ]
        self.bill.send(AUCTION, 2 * self.keys.ciphertext * len(seats))
        with self.bill.timed(AUCTION, "helper"):
            opened = [tuple(int(self.keys.scheme.decrypt(one)) for one in pair) for pair in blinded]
        scores = [pair[0] for pair in opened]
        hides = [pair[0] for pair in masks]
        first, _ = self._least(scores, hides, limit)
        if first == len(seats):
            return None
        rest = [index for index in range(len(seats)) if index != first]
        _, critical = self._least([scores[i] for i in rest], [hides[i] for i in rest], limit)
        return seats[first], critical - (opened[first][1] - masks[first][1])

    def _seal(self, seat: int, one: Candidate | None) -> tuple[PaillierCiphertext, PaillierCiphertext]:
        parts = (NONE, 0) if one is None else (one.price, one.energy_term)
        with self.bill.timed(INIT, seat):
            sent = [self.keys.seal(part) for part in parts]
        self.bill.send(INIT, len(sent) * self.keys.ciphertext, 0)
        price, term = (PaillierCiphertext(part, self.keys.scheme) for part in sent)
        return price, term

    def _least(self, blinded: Sequence[int], hides: Sequence[int], limit: int) -> tuple[int, int]:
        """Place and value of the least, bidder 0 at the last place with ``limit``."""
        count = len(blinded)
        with self.bill.timed(AUCTION, "helper"):
            garbler = Garbler()
            theirs, ours = garbler.fresh(BITS * count), garbler.fresh(BITS * count)
            given = garbler.label(theirs, _flat(blinded))
            out = circuit(garbler, _rows(theirs), _rows(ours), limit, garbler.delta)
        # What an oblivious transfer would give the drone: of each of its wires the label of its bit.
        mine = garbler.label(ours, _flat(hides))
        with self.bill.timed(AUCTION, "drone"):
            evaluator = Evaluator(garbler.key, garbler.tables)
            got = circuit(evaluator, _rows(given), _rows(mine), limit, np.zeros((1, 2), dtype=np.uint64))
            value, place = (_number(garbler, *sides) for sides in zip(out, got, strict=True))
        self.gates += garbler.gates
        self.blocks += garbler.blocks + evaluator.blocks
        size = TABLE * garbler.gates + (LABEL + TRANSFER) * BITS * count + len(out[0]) + len(out[1])
        self.bill.send(AUCTION, size, 2)
        return place, value


def circuit(
    machine: Machine, blinded: list[Wires], hides: list[Wires], limit: int, one: Wires
) -> tuple[list[Wires], list[Wires]]:
    """Least of (blinded - hides) and ``limit``, and its place. ``one``: what stands for a constant 1 on a wire."""
    values, _ = borrow(machine, blinded, hides)
    count = len(values[0])
    last = [one * np.uint64(limit >> bit & 1) for bit in range(BITS)]
    names = [
        np.concatenate([one * np.uint64(place >> bit & 1) for place in range(count + 1)])
        for bit in range(count.bit_length())
    ]
    return least(machine, [np.concatenate((value, end)) for value, end in zip(values, last, strict=True)], names)


def circuit_gates(players: int) -> int:
    """AND gates of :func:`circuit` over so many bidders: blinds off, and the least of them and bidder 0."""
    return players * BITS + least_gates(players + 1, BITS, players.bit_length())


def _flat(numbers: Sequence[int]) -> NDArray[np.uint64]:
    """Bit after bit, all numbers' lowest first: as :func:`_rows` takes labels apart."""
    low = np.array([number % 2**BITS for number in numbers], dtype=np.uint64)
    return np.concatenate([low >> np.uint64(bit) & np.uint64(1) for bit in range(BITS)])


def _rows(labels: Wires) -> list[Wires]:
    return list(np.split(labels, BITS))


def _number(garbler: Garbler, zeros: list[Wires], labels: list[Wires]) -> int:
    bits = [bool(garbler.read(zero, label)[0]) for zero, label in zip(zeros, labels, strict=True)]
    return sum(bit << index for index, bit in enumerate(bits))
