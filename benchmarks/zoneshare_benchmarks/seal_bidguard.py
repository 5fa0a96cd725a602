"""A model of BidGuard: differential privacy by the exponential mechanism. No public code exists; SEAL's paper and
BidGuard's read differently, so both readings are here.

*Perturbed by bidders* (SEAL's paper): every bidder draws the price it reports, near its own ones more likely, and the
auction runs on what is reported. *Selected by the platform* (BidGuard's own): prices are reported as they are, each
task's winner is drawn, low scores more likely, and paid so that telling the truth is best on average.
Prices lie in a public range; a bid changes no probability by more than the factor e^epsilon. What is guarded is the
price: the promised resources are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from numpy.typing import NDArray

from zoneshare_benchmarks.seal_cost import Bill
from zoneshare_benchmarks.seal_markets import Market
from zoneshare_protocols.codec import encode
from zoneshare_protocols.seal.auction import Candidate, award, by_urgency, candidates, outcome, run
from zoneshare_protocols.seal.records import Award, Bidder, Outcome, Terms
from zoneshare_protocols.seal.score import Fallback, fallback
from zoneshare_protocols.sharing.keys import check_signature, sign

Floats = NDArray[np.float64]


class Score(StrEnum):
    """BidGuard's two score functions."""

    LINEAR = "linear"
    LOGARITHMIC = "logarithmic"

    def of(self, values: Floats) -> Floats:
        found: Floats = values if self is Score.LINEAR else np.log(values)
        return found


@dataclass(frozen=True)
class Privacy:
    """``lowest`` and ``highest``: the public range of prices, all above 0."""

    epsilon: float = 1.0
    score: Score = Score.LINEAR
    lowest: int = 70
    highest: int = 650

    @property
    def sensitivity(self) -> float:
        """The most that one price can change a score."""
        ends = self.score.of(np.array([self.lowest, self.highest], dtype=np.float64))
        return float(ends[1] - ends[0])

    def clamped(self, price: int) -> int:
        return min(max(price, self.lowest), self.highest)

    def exponents(self, distances: Floats) -> Floats:
        """Logarithms of the exponential mechanism's weights: -epsilon distance / (2 sensitivity)."""
        return -self.epsilon * distances / (2 * self.sensitivity)


def report_chances(price: int, privacy: Privacy) -> Floats:
    """Perturbed by bidders: the probability of each price of the range to be reported instead of ``price``."""
    grid = np.arange(privacy.lowest, privacy.highest + 1, dtype=np.float64)
    own = privacy.score.of(np.array(float(privacy.clamped(price))))
    return _normal(privacy.exponents(np.abs(privacy.score.of(grid) - own)))


def win_chances(group: Sequence[Candidate], privacy: Privacy) -> Floats:
    """Selected by the platform: each candidate's probability to win, by its score at a price within the range."""
    scores = privacy.score.of(np.array([one.energy_term + privacy.clamped(one.price) for one in group], dtype=float))
    return _normal(privacy.exponents(scores))


def expected_payment(winner: Candidate, group: Sequence[Candidate], privacy: Privacy) -> int:
    """Truthful on average (Archer and Tardos): the price, and the chances at every higher price over that at its own.

    Rounded down.
    """
    price = privacy.clamped(winner.price)
    others = [one.energy_term + privacy.clamped(one.price) for one in group if one.seat != winner.seat]
    own = privacy.score.of(winner.energy_term + np.arange(price, privacy.highest + 1, dtype=float))
    rest = privacy.exponents(privacy.score.of(np.array(others, dtype=float)))
    logs = -np.logaddexp(0.0, np.logaddexp.reduce(rest, initial=-np.inf) - privacy.exponents(own))
    return int(price + np.exp(logs[1:] - logs[0]).sum())


@dataclass
class BidGuard:
    """One auction in either reading."""

    rng: np.random.Generator
    privacy: Privacy = field(default_factory=Privacy)
    bill: Bill = field(default_factory=Bill)

    def perturbed(self, market: Market) -> Outcome:
        """Bidders perturb; the auction is SEAL's, on what they report. A winner may be paid less than its costs."""
        crowd = [self._report(bidder, True) for bidder in market.bidders]
        with self.bill.timed("auction", "platform"):
            out = run(market.tasks, crowd, market.terms)
        return self._publish(out)

    def selected(self, market: Market) -> Outcome:
        """The platform draws each task's winner. There is no reserve: it would tell what lies above it."""
        crowd = [self._report(bidder, False) for bidder in market.bidders]
        with self.bill.timed("auction", "platform"):
            out = self._draw(market, crowd, market.terms)
        return self._publish(out)

    def _report(self, bidder: Bidder, perturb: bool) -> Bidder:
        """The bidder's signed message, checked by the platform."""
        key = Ed25519PrivateKey.generate()
        with self.bill.timed("init", bidder.seat):
            bid = bidder.bid
            if perturb:
                bid = replace(bid, items=tuple(replace(one, price=self._noisy(one.price)) for one in bid.items))
            signature = sign(key, bid)
        self.bill.send("init", len(encode(bid)) + len(signature))
        with self.bill.timed("auction", "platform"):
            check_signature(key.public_key().public_bytes_raw(), bid, signature, "bidder")
        return replace(bidder, bid=bid)

    def _noisy(self, price: int) -> int:
        chances = report_chances(price, self.privacy)
        return self.privacy.lowest + int(self.rng.choice(len(chances), p=chances))

    def _draw(self, market: Market, crowd: Sequence[Bidder], terms: Terms) -> Outcome:
        order = by_urgency(market.tasks)
        groups = candidates(order, crowd, terms)
        awards: list[Award] = []
        unsold: dict[int, Fallback] = {}
        for task in order:
            group = groups[task.id]
            if not group:
                unsold[task.id] = fallback(task, terms)
                continue
            winner = group[int(self.rng.choice(len(group), p=win_chances(group, self.privacy)))]
            awards.append(award(task, winner, expected_payment(winner, group, self.privacy), terms))
        return outcome(awards, unsold)

    def _publish(self, out: Outcome) -> Outcome:
        self.bill.send("auction", len(encode(out)))
        return out


def _normal(exponents: Floats) -> Floats:
    """Probabilities from the logarithms of weights."""
    weights = np.exp(exponents - exponents.max())
    found: Floats = weights / weights.sum()
    return found
