"""``zoneshare`` as a person uses it: processes in one folder."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("zoneshare")
PATIENCE_S = 60.0


class Terminal:
    """Commands in one folder; what is started is ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []
        self.env = {**os.environ, "ZONESHARE_HOME": str(folder / "devices")}

    def run(self, *words: str) -> Any:
        """A command's --json answer."""
        done = subprocess.run(
            [str(PROGRAM), *words, "--json"],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def text(self, *words: str) -> str:
        """What a command prints."""
        return subprocess.run(
            [str(PROGRAM), *words],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
        ).stdout  # fmt: skip

    def refused(self, *words: str) -> str:
        """A command's one line on stderr."""
        done = subprocess.run(
            [str(PROGRAM), *words],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode in (1, 2)
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
        return done.stderr

    def start(self, *words: str, ready: Callable[[str], bool]) -> tuple[subprocess.Popen[str], str]:
        """A command that goes on; what it printed until it was ready."""
        process = subprocess.Popen(
            [str(PROGRAM), *words], cwd=self.folder, env=self.env, stdout=subprocess.PIPE, text=True
        )
        self.running.append(process)
        text = ""
        if process.stdout is None:
            raise AssertionError
        while not ready(text):
            line = process.stdout.readline()
            assert line, f"{words} ended: {text}"
            text += line
        return process, text

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            process.wait(PATIENCE_S)


def until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < end
        time.sleep(0.01)
