"""What the kernel has: netem for links, control groups for a share of the processor. Where it has not, that is said."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoneshare_protocols.errors import Misuse

_V1, _V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
_PERIOD_US = 100_000


def netem() -> str:
    """Empty where netem can be used in a network namespace of one's own; else why not."""
    tools = [shutil.which(name) for name in ("unshare", "tc")]
    if None in tools:
        return "netem: no tc or unshare on this machine"
    words = ("unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else f"netem: {said[-1] if said else 'refused'}"


@contextmanager
def cpu_share(share: float, *pids: int) -> Iterator[str]:
    """Give processes (and what they start) this share of one core; the text says whether that was applied.

    Raises Misuse for a share that is not above 0.
    """
    if not share > 0:
        raise Misuse("a share of the processor is above 0", share=str(share))
    try:
        group = _make(share)
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
    except OSError as refused:
        yield f"CPU share {share:g}: not applied, no control group can be made here ({refused.strerror})"
        return
    try:
        yield f"CPU share {share:g}: applied by a control group"
    finally:
        _empty(group)


def _make(share: float) -> Path:
    version1 = (_V1 / "cpu.cfs_quota_us").exists()
    group = (_V1 if version1 else _V2) / f"zoneshare-bench-{os.getpid()}"
    quota = int(share * _PERIOD_US)
    group.mkdir()
    try:
        if version1:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD_US}")
    except OSError:
        group.rmdir()
        raise
    return group


def _empty(group: Path) -> None:
    parent = group.parent / "cgroup.procs"
    for pid in (group / "cgroup.procs").read_text().split():
        # A process that has ended meanwhile is nowhere to be put.
        with contextlib.suppress(OSError):
            parent.write_text(pid)
    group.rmdir()
