"""``zoneshare network up`` as a process."""

import subprocess
import sys
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("zoneshare"))


def up(folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [PROGRAM, "network", "up", "--dir", str(folder), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ready(process: "subprocess.Popen[str]") -> list[str]:
    """What it says, up to the line that says it is ready."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.startswith("ready "):
            return lines
    raise AssertionError(f"the network did not come up: {lines}")
