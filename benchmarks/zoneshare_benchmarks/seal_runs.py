"""SEAL run whole at several sizes over the real contracts: the paper's Tables III and V."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoneshare_benchmarks.seal_cost import Bill
from zoneshare_benchmarks.seal_exchange import Exchange, bring_keys
from zoneshare_benchmarks.seal_growth import fit
from zoneshare_benchmarks.seal_markets import Market, market
from zoneshare_benchmarks.seal_path import (
    AUCTION,
    CLAIM,
    COMMIT,
    DEPOSIT,
    EXCHANGE,
    INIT,
    PHASES,
    REFUND,
    Drone,
    money_for,
)
from zoneshare_benchmarks.seal_prover import Proofs
from zoneshare_benchmarks.seal_table import Cell, Table
from zoneshare_benchmarks.seal_zone import opened

SIZES = ((20, 10), (40, 32), (60, 55), (80, 78), (100, 100))
"""(bidders, tasks): Table V's two auctions are the first and the last."""
BESIDE = ((100, 10), (20, 100))
"""For the exponents: bidders and tasks apart."""
PAPER_5: dict[str, tuple[float, float, float, float]] = {
    INIT: (2.6, 14.36, 2.6, 67.01),
    AUCTION: (2.8, 0.15, 45, 2.42),
    COMMIT: (1.3, 7.85, 7.1, 32.53),
    EXCHANGE: (61, 9.5, 133, 93.89),
    CLAIM: (29, 1.59, 29, 7.97),
}
"""ms and KB of the small auction, then of the large one."""
THEOREM_5 = {
    INIT: ("N", "N"),
    DEPOSIT: ("N", "N"),
    AUCTION: ("sum |N_j| log |N_j|", "m"),
    COMMIT: ("m", "|W|"),
    EXCHANGE: ("m", "m"),
    CLAIM: ("m", "|W|"),
    REFUND: ("N", "N"),
}
"""Computing and sending, of N vehicles and m tasks."""

BY_SOLD = (COMMIT, EXCHANGE, CLAIM)
"""Phases that only winners take part in."""


@dataclass(frozen=True)
class Run:
    """One auction, run to its end."""

    market: Market
    bill: Bill
    won: tuple[int, ...]
    """How many tasks each winner has."""

    @property
    def sold(self) -> int:
        return sum(self.won)

    @property
    def winners(self) -> int:
        return len(self.won)


def run_whole(size: tuple[int, int], proofs: Proofs, dwells: Sequence[int] = ()) -> Run:
    """A zone, an auction of this size, its exchange without batches (as in the paper), claims and refund."""
    one = draw(size, dwells)
    with opened() as zone:
        drone = Drone(zone, money_for(one), proofs.records)
        bring_keys(drone.ledger, proofs)
        vehicles = drone.vehicles(one)
        sale = drone.until_commit(one, vehicles)
        exchange = Exchange(drone, sale, proofs)
        exchange.run()
        exchange.refund()
        return Run(one, zone.meter.bill, tuple(len(chain) - 1 for chain in sale.chains.values()))


def draw(size: tuple[int, int], dwells: Sequence[int] = ()) -> Market:
    """The market of a size."""
    return market(np.random.default_rng([5, *size]), *size, dwells)


def table_3(runs: Sequence[Run]) -> Table:
    """Exponents of bidders and tasks, and of tasks sold, fitted to what each phase took."""
    sizes = [(len(one.market.bidders), len(one.market.tasks)) for one in runs]
    rows: list[tuple[Cell, ...]] = []
    for name in PHASES:
        row: list[Cell] = [name]
        for order, values in zip(
            THEOREM_5[name],
            ([one.bill.phase(name).work for one in runs], [float(one.bill.phase(name).bytes) for one in runs]),
            strict=True,
        ):
            both = fit(sizes, values)
            sold: Cell = round(fit([[one.sold] for one in runs], values).exponents[0], 2) if name in BY_SOLD else "-"
            row += [order, *(round(one, 2) for one in both.exponents), round(both.fit, 3), sold]
        rows.append(tuple(row))
    kinds = ("O()", "bidders^", "tasks^", "R^2", "sold^")
    return Table(
        "seal-table3",
        "Table III: complexity by phase, and fitted exponents",
        ("phase", *(f"{what}: {kind}" for what in ("computing", "sending") for kind in kinds)),
        tuple(rows),
        f"Fitted to {len(runs)} auctions over the real contracts, {min(sizes)} to {max(sizes)} (bidders, tasks). The "
        "paper's terms are lost; those here are from its prose. What depends on the tasks *sold* depends on bidders "
        "and tasks alike: each needs the other. A vehicle bids for a few tasks here, so that the auction's time "
        "follows the bidders; with bids for everything, see the last table.",
    )


def table_5(small: Run, large: Run) -> Table:
    """Both auctions' phases, ours beside the paper's."""
    rows: list[tuple[Cell, ...]] = []
    for name in PHASES:
        paper: tuple[Cell, ...] = PAPER_5.get(name, ("-",) * 4)
        rows.append((name, *_cells(small, paper[:2], name), *_cells(large, paper[2:], name)))
    total = tuple(PAPER_5)
    rows.append(
        ("total of the paper's", *_cells(small, (96.7, 33.45), *total), *_cells(large, (216.7, 203.82), *total))
    )
    columns = ("ms", "of it side by side", "paper ms", "KB", "without envelopes", "paper KB", "transactions")
    return Table(
        "seal-table5",
        "Table V: a small and a large auction by phase",
        ("phase", *(f"{size} {column}" for size in ("small:", "large:") for column in columns)),
        tuple(rows),
        f"Small: {_words(small)}. Large: {_words(large)}. The paper's sizes are lost; these fit its growth. `ms` is "
        "processor time of all parties, contracts on both endorsers included; `side by side` counts the slowest "
        "bidder instead of all, which is how the paper's equal init times of both auctions must be meant. KB: "
        "messages and whole ledger envelopes; without envelopes, the transactions' arguments instead. Every proof "
        "was made. Proofs and contracts run in Python and native code here, in libsnark and JavaScript there.",
    )


def _cells(one: Run, paper: Sequence[Cell], *names: str) -> tuple[Cell, ...]:
    found = one.bill.total(*names)
    kb = found.bytes / 1000, found.said / 1000
    return (1000 * found.work, 1000 * one.bill.longest(*names), paper[0], *kb, paper[1], found.transactions)


def _words(one: Run) -> str:
    size = f"{len(one.market.bidders)} bidders, {len(one.market.tasks)} tasks"
    return f"{size}, of which {one.sold} sold to {one.winners} winners"
