"""The system's figure: a busy miner's useful share.

Real processes on a real development network: the miner in one process, coordinator, ledger and source in others.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from zoneshare_benchmarks.epow_loop import loop_seconds
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_protocols.errors import LedgerFailed

SHAPES = {500: (10, 64, 10), 1000: (8, 32, 8)}
"""Blocks along rows, inner side and columns of the task that keeps the miner busy."""


class Site:
    """A network, a coordinator, miners and a source, each a process of zoneshare's command."""

    def __init__(self, folder: Path, basic: int) -> None:
        self.folder, self.basic = folder, basic
        self.env = {**os.environ, "ZONESHARE_HOME": str(folder / "devices")}
        self.coordinator = 0
        """Its process's id."""
        self._running: list[subprocess.Popen[str]] = []

    def run(self, *words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "zoneshare", *words], cwd=self.folder, env=self.env, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise LedgerFailed(f"zoneshare {words[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout) if "--json" in words else None

    def start(
        self, *words: str, ready: str = "", core: int | None = None, module: str = "zoneshare"
    ) -> subprocess.Popen[str]:
        """Start (on one core), and wait for ``ready`` in what it prints."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._running.append(process)
        if core is not None and (os.cpu_count() or 1) > core:
            psutil.Process(process.pid).cpu_affinity([core])
        while ready and process.stdout is not None:
            line = process.stdout.readline()
            if not line:
                raise LedgerFailed(f"zoneshare {words[0]} ended before it was ready")
            if ready in line:
                break
        return process

    def set_up(self, *miners: str, module: str = "zoneshare", **rules: object) -> int:
        """The coordinator's port. ``module``: what runs as its command."""
        self.start("network", "up", "--dir", "net", "--port", "0", ready="ready")
        self.run("zones", "init", "--network", "net")
        for name in ("cora", "sue", *miners):
            self.run("device", "new", name, "--network", "net", "--at", "37.76,-122.43")
        self.run("account", "issue", "sue", "1000000000", "--network", "net")
        options = {"block-time": 300, "draws": 100_000, "max-claim": 100_000, **rules}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.run("coordinator", "init", "cora", "--network", "net", "--basic-size", str(self.basic), *words)
        serving = self.start(
            "coordinator", "serve", "cora", "--port", "0", "--json", "--patience", "600", ready="{", module=module
        )
        self.coordinator = serving.pid
        text = "{" + "".join(serving.stdout.readline() for _ in range(3)) if serving.stdout else "{}"
        port: int = json.loads(text)["port"]
        return port

    def close(self) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
                process.wait(30)


@contextmanager
def site(basic: int) -> Iterator[Site]:
    """In a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="zoneshare-epow-") as folder:
        made = Site(Path(folder), basic)
        try:
            yield made
        finally:
            made.close()


def busy_miner(basic: int) -> dict[str, float]:
    """One miner with more work than it can do, pinned to one core; coordinator, ledger and source have the other.

    Processor time, which other programs on the machine do not change: ``product_s`` in the products of nsub-tasks;
    ``busy_s`` of the whole process from its first run's start to its last one's end: TLS, blocks, casts, hashes, draws,
    sums; ``coordinator_s`` of the coordinator for the whole task, its source's matrices and result included. ``clock``
    is the same share by the clock, waiting included: it means something on a machine with nothing else to do.
    """
    rows, inner, columns = (side * basic for side in SHAPES[basic])
    rng = np.random.default_rng(1)
    with site(basic) as at:
        address = f"127.0.0.1:{at.set_up('ann')}"
        for name, shape in (("A", (rows, inner)), ("B", (inner, columns))):
            np.save(at.folder / f"{name}.npy", rng.integers(-127, 128, shape, dtype=np.int8))
        coordinator = psutil.Process(at.coordinator)
        before = sum(coordinator.cpu_times()[:2])
        miner = at.start(
            "mine", "ann", "--coordinator", address, "--tasks-only", "--memory", _memory(basic), "--json", core=1
        )
        asked = at.run("multiply", "A.npy", "B.npy", "C.npy", "--device", "sue", "--coordinator", address, "--json")
        spent = sum(coordinator.cpu_times()[:2]) - before
        miner.terminate()
        got = json.loads(miner.communicate(timeout=60)[0])
    return {
        "product_s": got["product_cpu"],
        "busy_s": got["busy_cpu"],
        "clock": got["product"] / got["busy"],
        "nsubs": got["nsubs"],
        "coordinator_s": spent,
        "asked_s": asked["seconds"],
    }


def _memory(basic: int) -> str:
    """MB in which a miner keeps all blocks of the task in float32: half of what it has is for those."""
    rows, inner, columns = SHAPES[basic]
    return str(1 + (2 * 4 * inner * (rows + columns) * basic**2 >> 20))


def useful_share(basic: int) -> Sample:
    """Useful share: time in the product itself over all of a busy miner's time. ``bare``: that of its loop alone."""
    parts = busy_miner(basic)
    loop, product = loop_seconds(basic, 64)
    parts["bare"] = product / loop
    return Sample(parts["product_s"] / parts["busy_s"], parts)


FIGURES = [
    Figure(
        f"epow.useful_share.{basic}",
        f"time in the products of nsub-tasks ({basic} x {basic}) / all of a busy miner's time, one core",
        "ratio",
        "higher",
        partial(useful_share, basic),
        goal=goal,
        runs=3,
    )
    for basic, goal in ((500, 0.87), (1000, 0.93))
]
