"""SEAL and the model of SAFE over the real contracts and the real prover: what is counted is what the formulas say."""

from collections.abc import Iterator

import numpy as np
import pytest

from zoneshare_benchmarks import seal_compare, seal_ledger, seal_runs, seal_safe
from zoneshare_benchmarks.seal_armor import Keys
from zoneshare_benchmarks.seal_cost import Bill, Phase
from zoneshare_benchmarks.seal_path import CLAIM, COMMIT, EXCHANGE, PHASES
from zoneshare_benchmarks.seal_prover import Proofs, proofs

KEYS = Keys(512)
"""Far too short for use, and quick."""


@pytest.fixture(scope="module")
def made() -> Iterator[Proofs]:
    with proofs() as found:
        yield found


@pytest.fixture(scope="module")
def whole(made: Proofs) -> seal_runs.Run:
    return seal_runs.run_whole((4, 3), made)


def transactions(bill: Bill) -> list[int]:
    return [bill.phase(name).transactions for name in (COMMIT, EXCHANGE, CLAIM)]


def test_transactions_after_the_result_are_those_of_the_formulas(made: Proofs) -> None:
    safe, single, batched = seal_safe.safe(2, made), seal_safe.seal(2, 1, made), seal_safe.seal(5, 3, made)
    assert transactions(safe) == [2, 4, 2]
    assert transactions(single) == [1, 4, 1]
    assert transactions(batched) == [1, 4, 1]
    assert safe.total().transactions == seal_safe.safe_transactions(2)
    assert single.total().transactions == seal_safe.seal_transactions(2)
    assert batched.total().transactions == seal_safe.seal_transactions(5, 3)
    assert single.total().bytes < safe.total().bytes
    assert seal_safe.per_task(safe, 2).total().transactions == 4


def test_a_whole_auction_has_the_transactions_of_every_phase(whole: seal_runs.Run) -> None:
    bidders = len(whole.market.bidders)
    assert whole.sold > 0
    counted = [whole.bill.phase(name).transactions for name in PHASES]
    losers = bidders - whole.winners
    assert counted == [2 + bidders, 2 + 2 * bidders, 1, 1, 2 * whole.sold, whole.winners, losers + 1]
    assert all(whole.bill.phase(name).work > 0 for name in PHASES)


def test_the_tables_stand_on_the_same_bills(whole: seal_runs.Run) -> None:
    task = Bill({name: Phase({1: 0.5, "drone": 0.25}, 1, 2, 1000) for name in (COMMIT, EXCHANGE, CLAIM)})
    (found,) = seal_compare.compare([whole], KEYS, task)
    assert found.bills["SEAL"] is whole.bill
    safe = found.bills["SAFE"]
    assert safe.phase(EXCHANGE).transactions == 2 * whole.sold
    assert safe.phase(EXCHANGE).longest == pytest.approx(0.5 * max(whole.won) + 0.25 * whole.sold)
    assert safe.phase("init") is whole.bill.phase("init")
    pairs = len(whole.market.bidders) * len(whole.market.tasks)
    assert found.bills["ARMOR"].phase("init").bytes == 2 * pairs * KEYS.ciphertext
    six, seven = seal_compare.table_6([found]), seal_compare.table_7([found])
    assert {row[0] for row in six.rows} == {row[0] for row in seven.rows} == set(found.bills)
    joules = seal_compare.overhead(found, task)
    assert joules.safe_task == pytest.approx(3 * (0.25 * 20 + 1000 * 8 / 20e6 * 0.5))
    five = seal_runs.table_5(whole, whole)
    assert [row[0] for row in five.rows[:-1]] == list(PHASES)


def test_sizes_that_were_measured_multiply_to_what_was_measured() -> None:
    def commit(winners: int, tasks: int) -> Bill:
        return Bill({COMMIT: Phase(bytes=5000 + 300 * winners + 70 * tasks), CLAIM: Phase(bytes=4000 * winners)})

    market = seal_runs.draw((2, 2))
    won = ((2, 2, 1), (2, 2, *[1] * 8), (25, *[1] * 19))
    runs = [seal_runs.Run(market, commit(len(one), sum(one)), one) for one in won]
    single = Bill({COMMIT: Phase(bytes=5000 + 300 + 700), EXCHANGE: Phase(bytes=10 * 9000)})
    batched = Bill({EXCHANGE: Phase(bytes=12_000)})
    safe = Bill({COMMIT: Phase(bytes=4000), EXCHANGE: Phase(bytes=9000), CLAIM: Phase(bytes=4000)})
    found = seal_ledger.sizes(runs, single, batched, safe, 10)
    assert (found.commit, found.winner, found.task) == pytest.approx((5000, 300, 70))
    assert found.seal_bytes(1, 10, 1) == pytest.approx(5000 + 300 + 700 + 90_000 + 4000)
    assert found.seal_bytes(2, 20, 10) == pytest.approx(5000 + 2 * (300 + 1400 + 24_000 + 4000))
    assert found.safe_bytes(2, 20) == pytest.approx(40 * 17_000)
    shown = seal_ledger.payments(found)
    assert (np.array(shown.column("high: SEAL, batches")) < np.array(shown.column("high: SAFE"))).all()


def test_a_comparison_has_its_goals_and_ratios() -> None:
    comparison = seal_safe.Comparison(
        *(Phase({"drone": s}, 0, n, size) for s, n, size in ((8, 40, 400), (2, 4, 40), (7, 22, 230)))
    )
    shown = seal_safe.table(comparison)
    assert shown.column("batches / SAFE") == [0.1, 0.1, 0.25]
    assert shown.column("SEAL / SAFE") == [0.55, 0.575, 0.875]
    assert shown.column("goal") == [figure.goal for figure in seal_safe.FIGURES]


def test_table_8_grows_with_the_tasks_but_for_commit_and_claim() -> None:
    *_, exponents = seal_ledger.table_8().rows
    assert exponents[1] == pytest.approx(1)
    assert 0.9 < float(exponents[2]) < 1
    assert exponents[4] == pytest.approx(0)
    assert exponents[5] == pytest.approx(1)
