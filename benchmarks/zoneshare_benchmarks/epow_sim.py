"""E-PoW in virtual time, with the very rules: block times, salvaged work and useful share (the paper's Figs. 4 to 6).

    python -m zoneshare_benchmarks.epow_sim

A loop's draws are independent, so how many loops a miner needs is drawn at once (geometric) instead of loop by loop.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from statistics import fmean, pstdev

from rich.console import Console

from zoneshare_protocols.epow.claims import close_claim, count_verified, open_claim
from zoneshare_protocols.epow.difficulty import (
    SCALE_ONE,
    extend,
    final,
    initial_difficulty,
    scale_factor,
    target,
)
from zoneshare_protocols.epow.records import Claim, MiningRules, Mode, Tip
from zoneshare_protocols.epow.rewards import adjust_fee

LOOP_SECONDS = 0.48
"""The paper's task-involved loop."""
CLOCK_HZ = 3.2e9
"""The paper's processors."""
CLAIMS = {"I": (0,), "II": (200,), "III": (400,), "IV": (600,), "V": (600, 0, 400, 200)}
"""nsub-tasks a miner of each network type claims; type V takes the kinds in turn."""
HASH_SECONDS = 1e-5
"""A task-free loop that only hashes, as the paper's figures imply (see docs/epow.md)."""
_ALL = float(1 << 256)


@dataclass(frozen=True)
class Miner:
    """``wanted``: nsub-tasks it claims each block time. ``speed``: computing power, 1 is the reference."""

    wanted: int
    speed: float = 1.0
    works: bool = True
    """Does what it claims; else it takes its draws in task-free loops only."""
    task_seconds: float = LOOP_SECONDS
    """What a task-involved loop costs it at speed 1; less, if it knows the products beforehand."""


@dataclass
class Outcome:
    """``times``: seconds of each block; ``loops``: task-involved loops done by all up to each height;
    ``wins`` and ``busy`` (seconds in task-involved loops), per miner."""

    times: list[float] = field(default_factory=list)
    loops: list[int] = field(default_factory=list)
    wins: list[int] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    @property
    def useful(self) -> float:
        """Share of all miners' time spent in task-involved loops."""
        return sum(self.busy) / (sum(self.times) * len(self.busy))


def paper_network(kind: str, miners: int) -> list[Miner]:
    """A network of the paper's type I to V."""
    claims = CLAIMS[kind]
    return [Miner(claims[index % len(claims)]) for index in range(miners)]


def run(
    miners: Sequence[Miner], rules: MiningRules, blocks: int, rng: Random, *, free_seconds: float = LOOP_SECONDS
) -> Outcome:
    """Mine ``blocks`` blocks. The first window's difficulty is what ``rules`` say."""
    outcome = Outcome(wins=[0] * len(miners), busy=[0.0] * len(miners))
    tip, clock, done = Tip(0, bytes(32), rules.initial, 0), 0, 0
    claims: list[Claim | None] = [None] * len(miners)
    for _ in range(blocks):
        opened = [
            open_claim(claim, f"m{index}", tip.height, miner.wanted, rules)
            for index, (miner, claim) in enumerate(zip(miners, claims, strict=True))
        ]
        found = [_finds(m, c, (tip, rules), rng, free_seconds) for m, c in zip(miners, opened, strict=True)]
        elapsed = min(found)
        outcome.wins[found.index(elapsed)] += 1
        for index, (miner, claim) in enumerate(zip(miners, opened, strict=True)):
            seconds = miner.task_seconds / miner.speed
            loops = min(claim.claimed, int(elapsed / seconds + 1e-9)) if miner.works else 0
            outcome.busy[index] += loops * seconds
            claims[index] = close_claim(count_verified(claim, loops), rules, round(elapsed * 1000))
            done += loops
        clock += max(1, round(elapsed * 1000))
        tip = extend(tip, rules, bytes(32), clock)
        outcome.times.append(elapsed)
        outcome.loops.append(done)
    return outcome


def _finds(miner: Miner, claim: Claim, at: tuple[Tip, MiningRules], rng: Random, free_seconds: float) -> float:
    """Seconds until this miner would have a block: first its task-involved loops, then task-free ones."""
    tip, rules = at
    waited = 0.0
    if miner.works and claim.claimed:
        loops = _geometric(target(final(tip.difficulty, scale_factor(rules, claim.claimed))) / _ALL, rng)
        waited = min(loops, claim.claimed) * miner.task_seconds / miner.speed
        if loops <= claim.claimed:
            return waited
    return waited + _geometric(target(final(tip.difficulty, SCALE_ONE)) / _ALL, rng) * free_seconds / miner.speed


def _geometric(chance: float, rng: Random) -> int:
    return 1 if chance >= 1 else 1 + int(math.log(1 - rng.random()) / math.log1p(-chance))


def calibrated(rules: MiningRules, miners: Sequence[Miner], free_seconds: float = LOOP_SECONDS) -> MiningRules:
    """``rules`` with the initial difficulty at which these miners' declared power meets the target block time.

    With cheap task-free loops, draws come mostly after the claims are worked off: the time left then counts.
    """
    seconds = rules.block_time / 1000
    rate = 0.0
    for miner in miners:
        tasks = min(miner.wanted, int(seconds * miner.speed / miner.task_seconds)) if miner.works else 0
        free = (seconds - tasks * miner.task_seconds / miner.speed) * miner.speed / free_seconds
        rate += (tasks + max(free, 0)) / seconds
    values = {name: getattr(rules, name) for name in rules.__struct_fields__}
    return MiningRules(**{**values, "initial": initial_difficulty(rate, rules.block_time)})


@dataclass(frozen=True)
class Reading:
    """How the paper is read: the factor's mode, and what a task-free loop costs."""

    name: str
    rules: MiningRules
    free_seconds: float


FAIR = Reading("cost", MiningRules(1), LOOP_SECONDS)
"""The default: a task-free loop is a product too."""
PAPER = Reading("paper", MiningRules(1, mode=Mode.PAPER), HASH_SECONDS)
"""Task-free loops only hash; the factor is inverse to the claim."""


def average(kind: str, miners: int, reading: Reading, runs: int, rng: Random) -> dict[str, float]:
    """Means over ``runs`` runs of 50 blocks: block time and its deviation (s), useful share, loops at height 50."""
    network = paper_network(kind, miners)
    rules = calibrated(reading.rules, network, reading.free_seconds)
    outcomes = [run(network, rules, 50, rng, free_seconds=reading.free_seconds) for _ in range(runs)]
    times = [time for outcome in outcomes for time in outcome.times]
    return {
        "block_time": fmean(times),
        "deviation": pstdev(times),
        "useful": fmean(outcome.useful for outcome in outcomes),
        "loops": fmean(outcome.loops[-1] for outcome in outcomes),
    }


def share_of_first(miners: Sequence[Miner], reading: Reading, blocks: int, rng: Random, last: int = 1) -> float:
    """The share of ``blocks`` blocks that the first ``last`` miners win: an attacker's, against its power's share."""
    rules = calibrated(reading.rules, miners, reading.free_seconds)
    return sum(run(miners, rules, blocks, rng, free_seconds=reading.free_seconds).wins[:last]) / blocks


def split(miner: Miner, identities: int) -> list[Miner]:
    """One miner's power under many names, each with the whole claim."""
    return [replace(miner, speed=miner.speed / identities) for _ in range(identities)]


def withholding(power: float, rounds: int, rng: Random) -> float:
    """Share of blocks of a miner (``power`` of all) that keeps each block found until it has the next, too.

    The ledger takes the block that comes first and never reorganises: a block found by others makes what is held
    back worthless. Race by race: who finds the next block.
    """
    own = others = held = 0
    for _ in range(rounds):
        if rng.random() < power:
            held += 1
            if held == 2:
                own, held = own + 2, 0
        else:
            others, held = others + 1, 0
    return own / (own + others)


def held_back(power: float, patience: float, runs: int, rng: Random) -> float:
    """Draws for a levy of who never delivers runs of its own tasks, with ``power`` of all claims.

    Each run draws when it is assigned, and again when a block comes, until ``patience`` (in block times) is over; then
    it is drawn for somebody else, and whoever delivers it has the source pay the levy.
    """
    draws = 0
    for _ in range(runs):
        while rng.random() < power:
            draws += 1
            waited = rng.expovariate(1)
            while waited < patience:
                draws += 1
                waited += rng.expovariate(1)
    return draws / runs


def settle(costs: Sequence[float], offers: Sequence[int], fee: int, max_claim: int) -> list[tuple[int, int]]:
    """(fee, claims) of each block time when miners with these costs an nsub-task meet this offered work.

    A miner that gains moves its claim a quarter of the way to ``max_claim``, one that loses a quarter of the way to 0.
    """
    claims = [0.0] * len(costs)
    history = []
    for offered in offers:
        claims = [c + ((max_claim if fee > cost else 0) - c) / 4 for c, cost in zip(claims, costs, strict=True)]
        claimed = round(sum(claims))
        fee = adjust_fee(fee, offered, claimed, 1, 10**9)
        history.append((fee, claimed))
    return history


def main(runs: int) -> None:
    """Print the figures' numbers for both readings."""
    console = Console(width=120)
    for reading in (FAIR, PAPER):
        console.print(f"mode {reading.name}, task-free loop {reading.free_seconds} s, {runs} runs of 50 blocks")
        for kind in CLAIMS:
            for miners in (2, 3, 4, 5):
                got = average(kind, miners, reading, runs, Random(f"{kind}{miners}"))
                periods = got["loops"] * LOOP_SECONDS * CLOCK_HZ
                console.print(
                    f"{kind:>3} {miners} miners: block {got['block_time']:6.1f} s, deviation {got['deviation']:5.1f}, "
                    f"useful {got['useful']:.3f}, loops {got['loops']:7.0f}, clock periods {periods:.2e}"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
