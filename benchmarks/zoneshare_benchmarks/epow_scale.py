"""What a task list costs by its length, up to 10^6 nsub-tasks: processor time and memory.

    python -m zoneshare_benchmarks.epow_scale docs/pictures

The same two matrices, 1,000 x 1,000, in ever smaller blocks: each nsub-task is handed out, done, hashed, summed,
checked by Freivalds and merged, in a process of its own; memory is what it took beyond the matrices.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from threadpoolctl import threadpool_limits

from zoneshare_benchmarks import plots
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_protocols.epow.merge import Merger
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.verify import Freivalds
from zoneshare_protocols.epow.work import Worker
from zoneshare_protocols.errors import FakeResult

SIDE = 1000
BASICS = (100, 50, 40, 20, 10)
"""Basic sizes: 1,000 to 1,000,000 nsub-tasks."""


def whole(basic: int) -> dict[str, float]:
    """Do all of it; ``seconds`` of processor time, ``mb`` of memory at the most."""
    rng = np.random.default_rng(1)
    left, right = rng.integers(-127, 128, (2, SIDE, SIDE), dtype=np.int8)
    before, began = _peak(), time.process_time()
    with threadpool_limits(1):
        task = SubTask(left, right, basic, bytes(32))
        worker, check, merger = Worker(basic), Freivalds(task, bytes(32)), Merger(task.layout)
        sums = np.empty((task.layout.runs, basic, basic), np.int32)
        for place in range(task.layout.runs):
            run = task.layout.run_at(place)
            done = worker.run(task.run_blocks(run), lambda *_: None)
            if not check.check_run(run, done.total):
                raise FakeResult("a right sum did not pass", run=run.index)
            sums[run.index] = done.total
            merger.add(run.index)
        for _ in merger.strips(sums):
            pass
    spent = time.process_time() - began
    return {"nsubs": task.layout.nsubs, "runs": task.layout.runs, "seconds": spent, "mb": _peak() - before}


def apart(basic: int) -> dict[str, float]:
    """:func:`whole` in a process of its own."""
    words = [sys.executable, "-m", "zoneshare_benchmarks.epow_scale", "--one", str(basic)]
    found: dict[str, float] = json.loads(subprocess.run(words, capture_output=True, check=True, text=True).stdout)
    return found


def growth() -> Sample:
    """Memory for 10^6 nsub-tasks over that for 1,000 of the same matrices."""
    first, last = apart(BASICS[0]), apart(BASICS[-1])
    parts = {"mb": last["mb"], "mb_of_1000": first["mb"], "us_a_nsub": last["seconds"] / last["nsubs"] * 1e6}
    return Sample(last["mb"] - first["mb"], parts)


def main(folder: Path) -> None:
    """Write ``epow-scale.svg`` into ``folder``."""
    rows = [apart(basic) for basic in BASICS]
    for row in rows:
        Console().print("{nsubs:>9} nsub-tasks, {runs:>6} runs: {seconds:6.2f} s, {mb:5.1f} MB".format(**row))
    pyplot = plots.start("svg")
    figure, (time_axis, memory_axis) = pyplot.subplots(1, 2, figsize=plots.SIZE)
    counts = [row["nsubs"] for row in rows]
    time_axis.loglog(counts, [row["seconds"] for row in rows], marker="o", markersize=3)
    time_axis.set_ylabel("processor seconds, products included")
    memory_axis.semilogx(counts, [row["mb"] for row in rows], marker="o", markersize=3)
    memory_axis.set_ylim(bottom=0)
    memory_axis.set_ylabel("MB beyond the matrices, at most")
    for axis in (time_axis, memory_axis):
        axis.set_xlabel("nsub-tasks of two 1,000 x 1,000 matrices")
    Console().print(str(plots.save(figure, folder / "epow-scale.svg")))


def _peak() -> float:
    """MB. Not ``ru_maxrss``: that begins with what the process has used that started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


FIGURES = [
    Figure(
        "epow.scale.memory",
        "memory that 10^6 nsub-tasks of two matrices take beyond what 1,000 of them do",
        "MB",
        "lower",
        growth,
        goal=64,
        runs=1,
    )
]

if __name__ == "__main__":
    if sys.argv[1] == "--one":
        sys.stdout.write(json.dumps(whole(int(sys.argv[2]))))
    else:
        main(Path(sys.argv[1]))
