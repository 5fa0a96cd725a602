"""How many miners one core of a coordinator feeds: real coordinator, ledger, source and connections; miners that know.

The second matrix is made of permutations, so that a miner here has each run's results without its products, and the
coordinator is asked as fast as it can answer: its processor time for each nsub-task stands against a real miner's. Of
two tasks, one after the other, the second counts: a coordinator at work writes it over the files of the first.
"""

import asyncio
import os
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import psutil

from zoneshare.cli.epow_roles import Party, party
from zoneshare.epow.messages import EPOW, Done, Fetch, Mine, Piece, Reveal, Revealed, Run, Taken, Welcome, Work
from zoneshare.trade.wire import Connection, connect
from zoneshare_benchmarks.epow_loop import loop_seconds
from zoneshare_benchmarks.epow_system import Site, site
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.exact import Int8, Int32
from zoneshare_protocols.epow.hashing import matrix_bytes, matrix_hash, product_hash
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.epow.records import Assignment, RunResult
from zoneshare_protocols.errors import LedgerFailed

BASIC = 1000
SHAPE = (16, 64, 16)
"""Blocks along rows, inner side and columns: 16,384 nsub-tasks, 256 runs, matrices of a gigabyte, the largest taken."""
MINERS = 2


class Known:
    """The task, and its runs' sums without a product."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        rows, inner, columns = SHAPE
        self.layout = Layout(rows * BASIC, inner * BASIC, columns * BASIC, BASIC)
        self.left: Int8 = rng.integers(-127, 128, (rows * BASIC, inner * BASIC), dtype=np.int8)
        self.places = {(k, c): rng.permutation(BASIC) for k in range(inner) for c in range(columns)}
        self.right: Int8 = np.zeros((inner * BASIC, columns * BASIC), np.int8)
        for (k, c), place in self.places.items():
            self.right[k * BASIC + place, c * BASIC + np.arange(BASIC)] = 1

    def result(self, run: int, position: int) -> Int32:
        """One nsub-task's, the ``position``-th of a run."""
        at = self.layout.run(run)
        k = at.inner + position
        block = self.left[at.row * BASIC : (at.row + 1) * BASIC, k * BASIC : (k + 1) * BASIC]
        return np.take(block, self.places[k, at.column], axis=1).astype(np.int32)

    def work(self, run: int) -> tuple[tuple[bytes, ...], Int32]:
        """Each result's hash, and their sum."""
        total: Int32 = np.zeros((BASIC, BASIC), np.int32)
        hashes = []
        for position in range(self.layout.run(run).count):
            result = self.result(run, position)
            hashes.append(product_hash(result))
            total += result
        return tuple(hashes), total


class Feeder:
    """A miner as the coordinator sees it, that never waits for a product."""

    def __init__(self, me: Party, known: Known) -> None:
        self._me, self._known = me, known
        self._seen: set[bytes] = set()
        self._runs: list[tuple[Run, set[bytes]]] = []
        self._sent: dict[bytes, Assignment] = {}
        self.bytes = 0
        self.refused = ""

    async def run(self, address: tuple[str, int]) -> None:
        """Until it is cancelled, or refused."""
        await asyncio.to_thread(self._me.mining.register, 0)
        line = await connect(*address, self._me.identity, self._me.peers, EPOW)
        await line.send(Mine(self._known.layout.nsubs))
        await line.receive(Welcome)
        while not self.refused:
            for message in await line.receive_many(600):
                await self._heard(line, message)

    async def _heard(self, line: Connection, message: object) -> None:
        match message:
            case Work():
                for run in message.runs:
                    lacking = {*run.left, *run.right} - self._seen
                    asked = {hash for _, waits in self._runs for hash in waits}
                    self._runs.append((run, lacking))
                    if lacking - asked:
                        await line.send(Fetch(tuple(lacking - asked)))
            case Piece():
                self.bytes += len(message.cells)
                if message.offset + len(message.cells) == message.total:
                    self._seen.add(message.hash)
                    for _, waits in self._runs:
                        waits.discard(message.hash)
            case Taken():
                self.refused = message.why
            case Reveal():
                sampled = self._sent[message.assignment]
                result = self._known.result(sampled.run, message.nsub - sampled.first)
                await line.send(Revealed(message.assignment, matrix_bytes(result)))
        while self._runs and not self._runs[0][1]:
            assignment = self._runs.pop(0)[0].assignment
            hashes, total = await asyncio.to_thread(self._known.work, assignment.run)
            self._sent[digest(assignment)] = assignment
            await line.send(
                Done(assignment, RunResult(digest(assignment), hashes, matrix_hash(total)), matrix_bytes(total))
            )


def fed() -> dict[str, float]:
    """Processor time of the coordinator for a whole task, its matrices and its result included."""
    known = Known()
    with site(BASIC) as at:
        names = [f"ann{number}" for number in range(MINERS)]
        port = at.set_up(*names)
        for name, matrix in (("A", known.left), ("B", known.right)):
            np.save(at.folder / f"{name}.npy", matrix)
        with patch.dict(os.environ, at.env):
            return asyncio.run(_feed(at, names, port, known))


async def _feed(at: Site, names: list[str], port: int, known: Known) -> dict[str, float]:
    first = await _task(at, names, port, known)
    await _forgotten(at)
    parts = await _task(at, names, port, known)
    nsubs = known.layout.nsubs
    # The least of some: a slow one would count for the coordinator.
    loop, product = min([await asyncio.to_thread(loop_seconds, BASIC) for _ in range(5)])
    return {
        "miners": loop * nsubs / parts["spent"],
        "coordinator_ms": parts["spent"] / nsubs * 1e3,
        "first_ms": first["spent"] / nsubs * 1e3,
        "loop_ms": loop * 1e3,
        "product_ms": product * 1e3,
        "nsubs": nsubs,
        "sent_mb": parts["sent_mb"],
        "seconds": parts["seconds"],
    }


async def _task(at: Site, names: list[str], port: int, known: Known) -> dict[str, float]:
    """One whole task, of miners that have none of its blocks yet."""
    coordinator = psutil.Process(at.coordinator)
    opened = [party(Path(at.env["ZONESHARE_HOME"]) / name) for name in names]
    feeders = [Feeder(each.__enter__(), known) for each in opened]
    running = [asyncio.create_task(feeder.run(("127.0.0.1", port))) for feeder in feeders]
    words = ("multiply", "A.npy", "B.npy", "C.npy", "--device", "sue", "--coordinator", f"127.0.0.1:{port}", "--json")
    try:
        before, began = _cpu(coordinator), time.perf_counter()
        asking = asyncio.create_task(asyncio.to_thread(at.run, *words))
        done, _ = await asyncio.wait([asking, *running], return_when=asyncio.FIRST_COMPLETED)
        if asking not in done:
            raise LedgerFailed(f"a miner ended: {[feeder.refused for feeder in feeders]}")
        asking.result()
        spent, seconds = _cpu(coordinator) - before, time.perf_counter() - began
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for each in opened:
            each.__exit__(None, None, None)
    return {"spent": spent, "seconds": seconds, "sent_mb": sum(feeder.bytes for feeder in feeders) / 1e6}


async def _forgotten(at: Site) -> None:
    """Until the coordinator knows from the ledger that the source has its result, and keeps the task's files."""
    folder = Path(at.env["ZONESHARE_HOME"]) / "cora" / "coordinator"
    async with asyncio.timeout(60):
        while any((folder / "tasks").iterdir()):
            await asyncio.sleep(0.2)
    if not any((folder / "spare").iterdir()):
        raise LedgerFailed("no file of the first task is kept to be written over")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def coordinator_miners() -> Sample:
    """Miners at work on runs of their claims that one core feeds."""
    parts = fed()
    return Sample(parts["miners"], parts)


FIGURES = [
    Figure(
        "epow.coordinator.miners",
        "miners at 1000 x 1000 that one core of a coordinator feeds: a miner's processor time / the coordinator's",
        "miners",
        "higher",
        coordinator_miners,
        goal=20,
        runs=1,
    )
]
