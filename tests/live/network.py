"""A running network and the devices on it: the embedded one started here as a process, or a real one by its profile."""

import itertools
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from zoneshare import enrolment
from zoneshare.accounts import Accounts
from zoneshare.connection import ADAPTER, Connection, Profile
from zoneshare.device import Device, create_folder
from zoneshare.device_keys import DeviceKeys, load_keys
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.hfc.process import Worker
from zoneshare.hfc.profile import network as hfc_network
from zoneshare.identity import CONNECTION, load_identity, load_msps, read_part
from zoneshare.registry import CHANNEL

PROFILE = "ZONESHARE_PROFILE"
"""Environment variable: a connection profile in the folder ``profiles`` of a real network's folder."""
PROGRAM = Path(sys.executable).with_name("zoneshare")
PATIENCE_S = 120.0
AT = {"zone-a": (37_770_000, -122_420_000), "zone-b": (37_800_000, -122_270_000)}


@dataclass
class Live:
    """Devices reach it by ``adapter``; one hfc worker an organisation serves all of them."""

    folder: Path
    devices: Path
    adapter: str
    home: str
    """MSP id of the organisation whose profile was named."""
    _workers: dict[str, Worker] = field(default_factory=dict)
    _names: Iterator[int] = field(default_factory=itertools.count)

    def connect(self, folder: Path) -> Connection:
        """By the identity in ``folder``."""
        identity, data = load_identity(folder), read_part(folder, CONNECTION)
        profile, msps = Profile(data, folder), load_msps(folder)
        if self.adapter != "hfc":
            return Connection(identity, profile.transport(identity), profile.channels, msps=msps)
        if identity.mspid not in self._workers:
            self._workers[identity.mspid] = Worker(hfc_network(json.loads(data), folder))
        return Connection(identity, HfcTransport(self._workers[identity.mspid], identity), profile.channels, msps=msps)

    def device(self, zone: str, org: str = "") -> Device:
        """A new one, enrolled and in ``zone``."""
        folder = self._enrolled(org)
        device = Device(folder, self.connect(folder), load_keys(folder))
        device.join(*AT[zone])
        assert device.zone == zone
        return device

    def account(self, zone: str) -> str:
        """Of a new identity; its connection is closed again."""
        folder = self._enrolled("")
        connection = self.connect(folder)
        accounts = Accounts(connection.ledger(zone))
        made = accounts.register(DeviceKeys(secrets.token_bytes(32))).id
        if self.adapter != "hfc":
            connection.close()
        return made

    def _enrolled(self, org: str) -> Path:
        folder = self.devices / f"{self.adapter}-{secrets.token_hex(4)}-{next(self._names)}"
        create_folder(folder, enrolment.enroller(self.folder, org or self.home), secrets.token_bytes(32))
        return folder

    def issuer(self) -> Connection:
        return self.connect(self.folder / "operators" / enrolment.ISSUER)

    @property
    def zones(self) -> tuple[str, ...]:
        return tuple(each for each in enrolment.channels(self.folder) if each != CHANNEL)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


def run(*words: str) -> None:
    """A command of ours, which must succeed."""
    done = subprocess.run(
        [str(PROGRAM), *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def start(folder: Path) -> subprocess.Popen[str]:
    """The embedded network in ``folder``, on the ports it had before, ready."""
    first = () if folder.exists() else ("--port", "0")
    command = [str(PROGRAM), "network", "up", "--dir", str(folder), *first]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready"):
            return process
    raise AssertionError("the network ended before it was ready")


@dataclass
class Embedded:
    """The embedded network's process, which a test may kill and start again."""

    folder: Path
    process: subprocess.Popen[str]

    def restart(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = start(self.folder)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)


@contextmanager
def embedded(folder: Path) -> Iterator[Embedded]:
    made = Embedded(folder, start(folder))
    try:
        run("zones", "init", "--network", str(folder))
        yield made
    finally:
        made.stop()


@contextmanager
def live(folder: Path, devices: Path, adapter: str, home: str) -> Iterator[Live]:
    made = Live(folder, devices, adapter, home)
    try:
        yield made
    finally:
        made.close()


def named() -> Path | None:
    """The profile of a real network, where the environment names one."""
    value = os.environ.get(PROFILE)
    return Path(value).resolve() if value else None


def own_adapter() -> None:
    """The suite says which adapter it is about: the environment must not."""
    os.environ.pop(ADAPTER, None)
