"""SAFE beside SEAL: the same enclave, contracts and prover, without batching.

SAFE's auctions are of a single round and pay task by task. So here: an auction of its own for every task, each with its
own commit, proof, key and claim, over the very contracts SEAL uses. What is compared is what comes after the results:
commit, exchange and claim. Notices, bids, deposits and refunds, which SAFE's auctions all have too, are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import partial

from msgspec.structs import replace

from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_benchmarks.seal_cost import Bill, Phase
from zoneshare_benchmarks.seal_exchange import Exchange, bring_keys
from zoneshare_benchmarks.seal_markets import Market, one_winner
from zoneshare_benchmarks.seal_path import CLAIM, COMMIT, EXCHANGE, Drone, money_for
from zoneshare_benchmarks.seal_prover import Proofs, proofs
from zoneshare_benchmarks.seal_table import Cell, Table
from zoneshare_benchmarks.seal_zone import Zone, opened
from zoneshare_protocols.seal.records import Bid

TASKS = 100
"""Of one winner."""
BATCH = 10
"""Tasks in one proof, with batches."""
PAID = (COMMIT, EXCHANGE, CLAIM)
"""The phases compared."""


def seal(tasks: int, batch: int, made: Proofs) -> Bill:
    """One auction with one winner of all its tasks."""
    one = one_winner(tasks)
    with opened() as zone:
        drone = _drone(zone, one, made)
        sale = drone.until_commit(one, drone.vehicles(one))
        exchange = Exchange(drone, sale, made, batch)
        exchange.run()
        return _paid(zone)


def safe(tasks: int, made: Proofs) -> Bill:
    """As many auctions of one task, all won by the same vehicle."""
    whole = one_winner(tasks)
    with opened() as zone:
        drone = _drone(zone, whole, made)
        (vehicle,) = drone.vehicles(whole)
        for task, item in zip(whole.tasks, whole.bidders[0].bid.items, strict=True):
            bidder = replace(whole.bidders[0], bid=Bid(item.resource, (item,)))
            single = Market((task,), (bidder,), whole.terms, whole.costs)
            sale = drone.until_commit(single, [changed(vehicle, bidder=bidder)])
            exchange = Exchange(drone, sale, made)
            exchange.run()
            exchange.refund()
        return _paid(zone)


def per_task(bill: Bill, tasks: int) -> Bill:
    """One task's part of a bill."""
    return Bill({name: phase.times(1 / tasks) for name, phase in bill.phases.items()})


def seal_transactions(tasks: int, batch: int = 1) -> int:
    """Of one winner: a proof and a key for each batch, a claim, and the commit that all winners share."""
    return 2 * -(-tasks // batch) + 1 + 1


def safe_transactions(tasks: int) -> int:
    """Commit, proof, key and claim for each task."""
    return 4 * tasks


@dataclass(frozen=True)
class Comparison:
    """Of one run, with the same prover; every proof made."""

    safe: Phase
    batched: Phase
    single: Phase
    """SEAL with one proof a task, as in the paper."""

    def ratio(self, of: Callable[[Phase], float]) -> Sample:
        """SEAL with batches over SAFE; the figure without batches among the parts."""
        theirs, ours, without = of(self.safe), of(self.batched), of(self.single)
        parts = {"SAFE": theirs, "SEAL": ours, "without batches": without, "ratio without batches": without / theirs}
        return Sample(ours / theirs, parts)


def table(comparison: Comparison) -> Table:
    """The three figures of the catalogue, with what they are made of."""
    rows: list[tuple[Cell, ...]] = []
    for name, _, of, goal in KINDS:
        found = comparison.ratio(of).parts
        ratios = found["SEAL"] / found["SAFE"], found["ratio without batches"]
        rows.append((name, found["SAFE"], found["without batches"], found["SEAL"], ratios[1], ratios[0], goal))
    return Table(
        "seal-vs-safe",
        "SEAL against SAFE: one winner",
        ("", "SAFE", "SEAL", "SEAL, batches", "SEAL / SAFE", "batches / SAFE", "goal"),
        tuple(rows),
        f"Commit, exchange and claim of {TASKS} tasks of a winner, results of 31 bytes; with batches {BATCH} in a "
        "proof. The same contracts and the same prover in both, every proof made. Bytes of envelopes and messages; "
        "computation in s of processor time. `zoneshare bench run seal.vs_safe.` measures it alone.",
    )


def compare(tasks: int = TASKS, batch: int = BATCH) -> Comparison:
    """All three, one after the other."""
    with proofs() as made:
        bills = safe(tasks, made), seal(tasks, batch, made), seal(tasks, 1, made)
    return Comparison(*(bill.total() for bill in bills))


class _Shared:
    """The three figures of a run are measured once: run k of each of them is comparison k."""

    def __init__(self) -> None:
        self._found: list[Comparison] = []
        self._asked: dict[str, int] = {}

    def sample(self, name: str, of: Callable[[Phase], float]) -> Sample:
        number = self._asked.get(name, 0)
        self._asked[name] = number + 1
        if number == len(self._found):
            self._found.append(compare())
        return self._found[number].ratio(of)


def _drone(zone: Zone, market: Market, made: Proofs) -> Drone:
    drone = Drone(zone, money_for(market), made.records)
    bring_keys(drone.ledger, made)
    return drone


def _paid(zone: Zone) -> Bill:
    return Bill({name: phase for name, phase in zone.meter.bill.phases.items() if name in PAID})


_SHARED = _Shared()
KINDS: tuple[tuple[str, str, Callable[[Phase], float], float], ...] = (
    ("transactions", "ledger transactions", lambda phase: phase.transactions, 0.3),
    ("bytes", "bytes of envelopes and messages", lambda phase: phase.bytes, 0.5),
    ("computation", "processor time of all parties and both endorsers' contracts", lambda phase: phase.work, 0.6),
)
"""Name, what it is, how it is read, and the goal."""
_WHAT = f"commit to claim of {TASKS} tasks of a winner, {BATCH} in a proof, against SAFE's task by task, same prover"
FIGURES = tuple(
    Figure(
        f"seal.vs_safe.{name}",
        f"{what}, {_WHAT}",
        "of SAFE",
        "lower",
        partial(_SHARED.sample, name, of),
        goal=goal,
        runs=1,
    )
    for name, what, of, goal in KINDS
)
