"""The coordinator's process killed (SIGKILL) at each kind of durable write: nothing is lost, nothing is paid twice."""

from pathlib import Path

import numpy as np
import pytest

from zoneshare_benchmarks.epow_system import Site
from zoneshare_protocols.epow.exact import product

ROOT = Path(__file__).parents[3]
RNG = np.random.default_rng(6)
FACTORS = [RNG.integers(-100, 100, shape, dtype=np.int8) for shape in ((40, 60), (60, 50), (50, 30))]
NSUBS = 3 * 4 * 4 + 3 * 4 * 2 * 3
"""The second sub-task's left matrix takes three limbs."""
FEE = 100
WRITES = {
    "a matrix", "a file to write over", "a file that is over", "a batch on the ledger",
    "epow-task", "epow-step", "epow-result, epow-run, epow-step", "epow-batch, epow-step", "epow-batch",
    "epow-run, epow-task", "epow-run, epow-step, epow-task",
}  # fmt: skip


@pytest.mark.timeout(180)
def test_killed_at_each_kind_of_write(tmp_path: Path) -> None:
    at = Site(tmp_path, 16)
    killed = tmp_path / "killed"
    at.env |= {"KILLED": str(killed), "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    for name, factor in zip("ABC", FACTORS, strict=True):
        np.save(tmp_path / f"{name}.npy", factor)
    try:
        address = f"127.0.0.1:{at.set_up('ann', module='tests.support.mortal_coordinator')}"
        at.start("mine", "ann", "--coordinator", address, "--tasks-only", "--json")
        words = ("multiply", "A.npy", "B.npy", "C.npy", "D.product", "--device", "sue", "--coordinator", address)
        at.run(*words, "--fee", str(FEE), "--json")
        (task,) = at.run("coordinator", "show", "sue", "tasks", "--json")
        miners = at.run("coordinator", "show", "sue", "miners", "--json")
        at.run("zones", "audit", "--network", "net")
    finally:
        at.close()
    first, second, third = FACTORS
    assert (np.load(tmp_path / "D.product") == product(product(first, second), third)).all()
    deaths = killed.read_text().splitlines()
    assert len(deaths) == len(set(deaths))
    assert {f"{when} {write}" for when in ("before", "after") for write in WRITES} <= set(deaths)
    assert (task["status"], task["verified"], task["held"]) == ("accepted", NSUBS, 0)
    (miner,) = [found for found in miners if found["verified"]]
    assert (miner["verified"], miner["earned"], miner["fakes"]) == (NSUBS, NSUBS * FEE * 9 // 10, 0)
