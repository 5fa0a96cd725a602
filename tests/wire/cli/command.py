"""The command in a process of its own: ``python -m tests.wire.cli.command …`` is ``zoneshare …``."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from zoneshare.__main__ import main

ROOT = Path(__file__).parents[3]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


def zoneshare(folder: Path, *args: str, **environment: str) -> Outcome:
    """Run it in ``folder`` and wait for its end."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "tests.wire.cli.command", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


if __name__ == "__main__":
    main()
