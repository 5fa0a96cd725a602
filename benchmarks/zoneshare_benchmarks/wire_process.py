"""Programs that a benchmark runs beside itself, and Node with its pinned packages for some of them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoneshare_benchmarks import node_tools
from zoneshare_protocols.errors import Misuse

ROOT = Path(__file__).parents[2]
NODE = ROOT / "benchmarks" / "node"
_START_S = 20.0
_END_S = 20.0


class Process:
    """A program beside this one."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Child(Process):
    """One that says ``ready`` once it is, then answers lines of JSON with lines of JSON."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        super().__init__(process)
        said = self._line()
        if not said.startswith("ready"):
            raise Misuse(f"a program of the benchmark did not start: {said.strip() or process.poll()}")

    def ask(self, **question: Any) -> dict[str, float]:
        """Raises Misuse when it ends instead."""
        stdin = self.process.stdin
        if stdin is None:
            raise Misuse("a program of the benchmark takes no questions")
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        answer: dict[str, float] = json.loads(self._line() or "{}")
        if not answer:
            raise Misuse(f"a program of the benchmark ended with {self.process.wait()}")
        return answer

    def _line(self) -> str:
        return self.process.stdout.readline() if self.process.stdout else ""


@contextmanager
def child(*command: str, **environ: str) -> Iterator[Child]:
    """Runs until the block ends. Raises Misuse when it does not start."""
    with _started(command, environ) as process:
        yield Child(process)


@contextmanager
def serving(address: str, *command: str, **environ: str) -> Iterator[Process]:
    """As :func:`child`, of one that says nothing and listens at ``address``."""
    host, port = address.rsplit(":", 1)
    with _started(command, environ) as process:
        until = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection((host, int(port))).close()
                break
            except OSError as cause:
                if process.poll() is not None or time.monotonic() > until:
                    raise Misuse("a program of the benchmark did not start", program=command[1]) from cause
                time.sleep(0.05)
        yield Process(process)


@contextmanager
def _started(command: tuple[str, ...], environ: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, **environ},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_END_S)


def python(module: str, *args: str) -> tuple[str, ...]:
    """The command of one of our programs."""
    return (sys.executable, "-m", f"zoneshare_benchmarks.{module}", *args)


def node(script: str, *args: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command of a script in benchmarks/node, and its environment. Raises Misuse where Node is missing."""
    modules, (program, _) = node_tools.installed(NODE), node_tools.node()
    return (str(program), str(NODE / script), *args), {"NODE_PATH": str(modules)}
