"""What every process or container that takes part uses: processor and memory, sampled while a round runs."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil

INTERVAL_S = 0.5
_DOCKER_S = 10.0
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1000, "MB": 1000**2, "GB": 1000**3}


@dataclass
class Usage:
    """``cpu``: mean share of one core, in percent; ``peak``: the largest sample. ``rss``: MB, the largest."""

    cpu: float = 0.0
    peak: float = 0.0
    rss: float = 0.0
    samples: int = 0

    def add(self, cpu: float, rss: float) -> None:
        self.cpu = (self.cpu * self.samples + cpu) / (self.samples + 1)
        self.samples += 1
        self.peak, self.rss = max(self.peak, cpu), max(self.rss, rss)


@dataclass
class Watch:
    """Samples named processes with their children, and Docker's containers, between ``start`` and ``stop``."""

    processes: Mapping[str, int]
    usage: dict[str, Usage] = field(default_factory=dict)
    machine: Usage = field(default_factory=Usage)
    """All the machine's cores together: what others do on it is seen here."""

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._known: dict[int, psutil.Process] = {}
        self._threads = [threading.Thread(target=self._sample, daemon=True)]
        if _docker_runs():
            self._threads.append(threading.Thread(target=self._containers, daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> dict[str, Usage]:
        self._over.set()
        for thread in self._threads:
            thread.join(_DOCKER_S)
        self._look()
        return dict(self.usage)

    def _sample(self) -> None:
        self._look()
        while not self._over.wait(INTERVAL_S):
            self._look()

    def _look(self) -> None:
        first = not self._known
        for name, pid in self.processes.items():
            cpu, rss, seen = self._family(pid)
            if seen and not first:
                self.usage.setdefault(name, Usage()).add(cpu, rss)
        whole = psutil.cpu_percent(None)
        if not first:
            self.machine.add(whole, psutil.virtual_memory().used / 1e6)

    def _family(self, pid: int) -> tuple[float, float, bool]:
        cpu = rss = 0.0
        seen = False
        try:
            first = self._process(pid)
            # Our own children are watched by their own names.
            family = [first] if pid == os.getpid() else [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0.0, 0.0, False
        for each in family:
            try:
                kept = self._process(each.pid)
                with kept.oneshot():
                    cpu, rss, seen = cpu + kept.cpu_percent(None), rss + kept.memory_info().rss / 1e6, True
            except psutil.NoSuchProcess:
                continue
        return cpu, rss, seen

    def _process(self, pid: int) -> psutil.Process:
        return self._known.setdefault(pid, psutil.Process(pid))

    def _containers(self) -> None:
        while not self._over.is_set():
            for name, cpu, rss in docker_stats():
                self.usage.setdefault(f"container {name}", Usage()).add(cpu, rss)
            self._over.wait(INTERVAL_S)


def docker_stats() -> list[tuple[str, float, float]]:
    """Name, percent of a core, and MB, of every running container; empty where Docker does not answer."""
    rows = []
    for line in _docker("stats", "--no-stream", "--format", "{{json .}}").splitlines():
        try:
            row = json.loads(line)
            rows.append((str(row["Name"]), float(row["CPUPerc"].rstrip("%")), _megabytes(row)))
        except (ValueError, KeyError, AttributeError):
            continue
    return rows


def _megabytes(row: Mapping[str, Any]) -> float:
    used = str(row["MemUsage"]).split("/")[0].strip()
    digits = used.rstrip("BKMGTikbmgt")
    return float(digits) * _UNITS[used[len(digits) :]] / 1e6


def _docker_runs() -> bool:
    return bool(_docker("version", "--format", "{{.Server.Version}}").strip())


def _docker(*words: str) -> str:
    program = shutil.which("docker")
    if program is None:
        return ""
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=_DOCKER_S, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return ""
    return done.stdout if done.returncode == 0 else ""
