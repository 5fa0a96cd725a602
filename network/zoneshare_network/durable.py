"""Files that are whole or not there: written beside, flushed to the disk, then renamed."""

import os
from collections.abc import Callable
from pathlib import Path

Fault = Callable[[str], None]
"""Called with a name just before each durable write, and around a block's; a test may crash there."""


def no_fault(point: str) -> None:
    """The hook of a network that nobody crashes on purpose."""


def write_file(path: Path, data: bytes, *, private: bool = False, fault: Fault = no_fault) -> None:
    """Put ``data`` at ``path``, as mode 0600 when ``private``: after a crash the old file or the new one is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fault(f"before {path.name}")
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
