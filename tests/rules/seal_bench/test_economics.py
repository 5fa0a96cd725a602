"""What the drone pays with each scheme: the orders that must hold, whatever the market."""

import numpy as np
import pytest

from zoneshare_benchmarks import seal_economics as economics
from zoneshare_benchmarks import seal_schemes as schemes
from zoneshare_benchmarks.seal_markets import market
from zoneshare_benchmarks.seal_payoffs import payoffs
from zoneshare_protocols.seal.auction import run


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_below_the_optimum_and_overheads_only_add(seed: int) -> None:
    one = market(np.random.default_rng(seed), 12, 5)
    out = run(one.tasks, one.bidders, one.terms)
    assert economics.optimum_cost(one) <= economics.drone_cost(one, out) < economics.drone_cost(one, out, 5.0)


def test_fig_7_has_a_row_for_each_density(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(economics, "DENSITIES", (8, 16))
    table = economics.by_scheme(economics.Overhead(2.0, 0.5, 0.1), tasks=4, repeat=2)
    assert table.column("vehicles/km") == [8, 16]
    seal, safe, armor = (np.array(table.column(name)) for name in ("SEAL", "SAFE", "ARMOR"))
    assert (np.array(table.column("optimum")) < seal).all()
    assert (seal < safe).all()
    assert (safe < armor).all()


def test_truth_is_best_without_slack() -> None:
    table = payoffs(tasks=4, lies=60)
    honest, best = np.array(table.column("honest")), np.array(table.column("false, best"))
    assert (honest >= 0).all()
    assert (best <= honest).all()
    assert honest.any(), "a loser's payoff alone shows nothing"


def test_schemes_differ_as_they_are_defined() -> None:
    one = market(np.random.default_rng(3), 30, 8)
    spent = {name: schemes.spent(name, one) for name in schemes.NAMES}
    assert spent["EAA"] == spent["DAA"], "with one rate for all the quickest vehicle takes the least energy"
    assert spent["DAA"].hovering <= min(spent["SEAL"].hovering, spent["PAA"].hovering)
    assert spent["LOCAL"].together == pytest.approx(spent["LOCAL"].hovering)
    assert spent["LOCAL"].in_time <= spent["CLOUD"].in_time
    rng = np.random.default_rng(1)
    assert schemes.speed("EAA", rng) < schemes.speed("SEAL", rng) < schemes.speed("DAA", rng)


def test_figs_10_and_11_have_a_row_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemes, "ROUTES", 1)
    ten, eleven = schemes.by_locations(locations=(2, 4)), schemes.by_tasks(tasks=(3, 6))
    assert ten.column("locations") == [2, 4]
    assert eleven.column("tasks") == [3, 6]
    for name in schemes.NAMES:
        assert ten.column(f"{name} kJ")[0] < ten.column(f"{name} kJ")[1]
