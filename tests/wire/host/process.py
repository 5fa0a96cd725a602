"""The host as a process of its own, with the test chaincode or zoneshare's."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from zoneshare_network.ccaas_stream import Connection

ASSET = Path(__file__).parent / "asset.py"
ID = "asset_1.0:7d58b720283456cd109002c36497e99901d262c594eecd50ae3f2b6fd6be5104"
WAIT_S = 20.0


class HostProcess:
    """Runs until the ``with`` block ends; ``lines`` are what it has logged."""

    def __init__(self, *command: str, address: str = "127.0.0.1:0", **environ: str) -> None:
        named = {"CHAINCODE_ID": ID, "CHAINCODE_SERVER_ADDRESS": address, **environ}
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CHAINCODE_", "CORE_", "ZONESHARE_"))}
        self.process = subprocess.Popen(
            [sys.executable, *(command or (str(ASSET),))],
            env={**clean, **named},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "HostProcess":
        found = re.search(r"listens on (\S+),", self.wait_for("listens on"))
        assert found
        self.address = found.group(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def connection(self) -> Connection:
        return Connection(self.address)

    def wait_for(self, pattern: str, times: int = 1) -> str:
        """The line that matches; fails if the host ends or WAIT_S seconds pass without it."""

        def matching() -> list[str]:
            return [line for line in self.lines if re.search(pattern, line)]

        with self._news:
            ended = self._news.wait_for(
                lambda: len(matching()) >= times or not self._reader.is_alive() or self._done, WAIT_S
            )
            assert ended, f"no line like {pattern!r} in {self.lines}"
            assert len(matching()) >= times, f"the host ended without a line like {pattern!r}: {self.lines}"
            return matching()[times - 1]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)

    _done = False

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._done = True
            self._news.notify_all()
        self.process.stdout.close()
