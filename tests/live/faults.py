"""What can be killed of a network, and load while it is: every submit has one outcome, which the ledger has too."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

from tests.live.network import Embedded
from zoneshare.accounts import Accounts
from zoneshare.gateway import GatewayLedger
from zoneshare.ledger import CommitUnknown
from zoneshare_network.real.native import supervisor
from zoneshare_protocols.errors import LedgerFailed, ZoneshareError

PATIENCE_S = 60.0
_NODES = {
    "orderer": "orderer0",
    "broker": "kafka0",
    "other peer": "peer0.org2",
    "own peer": "peer0.org1",
    "chaincode": "chaincode",
}


class Faults(Protocol):
    """Whoever ends is started again, by whatever watches over the network."""

    @property
    def kinds(self) -> tuple[str, ...]: ...

    def kill(self, kind: str) -> str:
        """Kill one node of a kind without a word; its name."""


class EmbeddedFaults:
    """All nodes are one process."""

    kinds = ("network",)

    def __init__(self, network: Embedded) -> None:
        self._network = network

    def kill(self, kind: str) -> str:
        self._network.restart()
        return kind


class NativeFaults:
    """The processes that the network's supervisor has started, found by the folder or module they were given."""

    kinds = tuple(_NODES)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kill(self, kind: str) -> str:
        name = _NODES[kind]
        mark = "zoneshare_chaincode.host" if kind == "chaincode" else f"nodes/{name}"
        parent = supervisor(self._folder)
        assert parent is not None, "no native network runs there"
        for pid in map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()):
            if mark in _said(pid):
                os.kill(pid, signal.SIGKILL)
                return name
        raise AssertionError(f"no process for {kind}")


class ComposeFaults:
    """Containers of the docker-compose.yaml in this folder; what is killed by hand no restart policy starts again."""

    kinds = tuple(_NODES)

    def kill(self, kind: str) -> str:
        name, docker = _NODES[kind], shutil.which("docker")
        assert docker is not None
        for verb in ("kill", "start"):
            subprocess.run((docker, "compose", verb, name), check=True, capture_output=True, timeout=PATIENCE_S)
        return name


def _said(pid: int) -> str:
    """Command and configuration path of a process."""
    folder = Path(f"/proc/{pid}")
    settings = [each for each in (folder / "environ").read_bytes().split(b"\0") if each.startswith(b"FABRIC_CFG_PATH=")]
    return ((folder / "cmdline").read_bytes() + b" ".join(settings)).decode(errors="replace")


@dataclass
class Load:
    """``at_once`` threads, each putting money into an account of its own, one unit after the other."""

    ledger: GatewayLedger
    accounts: list[str]
    committed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """By the kind of error: nothing of these is on the ledger."""
    unknown: list[tuple[str, str]] = field(default_factory=list)
    """(account, transaction id): asked for when all is over."""
    seconds: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _more: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> "Load":
        self._threads = [threading.Thread(target=self._work, args=(account,)) for account in self.accounts]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def await_commits(self, count: int) -> None:
        """That many more, from now on."""
        with self._more:
            wanted = self.committed.total() + count
            assert self._more.wait_for(lambda: self.committed.total() >= wanted, PATIENCE_S), self.refused

    def settle(self) -> tuple[int, int]:
        """Ask for what nobody could say: how many of those are on the ledger, and how many are not."""
        there = 0
        for account, tx_id in self.unknown:
            try:
                self.ledger.outcome(tx_id, 2.0)
            except LedgerFailed:
                continue
            self.committed[account] += 1
            there += 1
        return there, len(self.unknown) - there

    @property
    def longest_gap(self) -> float:
        """Seconds without any commit."""
        return max((b - a for a, b in zip(self.ends, self.ends[1:], strict=False)), default=0.0)

    def report(self) -> str:
        return (
            f"{self.committed.total()} committed, median {1000 * median(self.seconds):.0f} ms, "
            f"longest gap {self.longest_gap:.1f} s, refused {dict(self.refused)}, unclear {len(self.unknown)}"
        )

    def _work(self, account: str) -> None:
        accounts = Accounts(self.ledger)
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                accounts.issue(account, 1)
            except CommitUnknown as unknown:
                with self._lock:
                    self.unknown.append((account, unknown.tx_id))
                continue
            except ZoneshareError as refused:
                with self._lock:
                    self.refused[type(refused).__name__] += 1
                self._stop.wait(0.05)
                continue
            with self._more:
                end = time.monotonic()
                self.committed[account] += 1
                self.seconds.append(end - start)
                self.ends.append(end)
                self._more.notify_all()
