"""On what a result was made: machine and versions."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version

import msgspec
import psutil

_PACKAGES = ("zoneshare", "cryptography", "grpcio", "numpy", "msgspec")


class Machine(msgspec.Struct, frozen=True):
    """``load``: how busy it was with everything, one minute's average, when the result was begun."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    versions: dict[str, str]
    load: float
    at: str
    """UTC."""

    @property
    def line(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gb:.0f} GB, {self.system}, Python {self.python}, "
            f"{versions}; load {self.load:.1f} at the start, {self.at}"
        )


def machine() -> Machine:
    """This one, now."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=psutil.virtual_memory().total / 1e9,
        system=f"{platform.system()} {platform.release().split('-')[0]}",
        python=platform.python_version(),
        versions={name: number for name in _PACKAGES if (number := _version(name))},
        load=os.getloadavg()[0],
        at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
