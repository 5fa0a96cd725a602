"""What ``zoneshare enclave`` does, from a device's folder."""

import asyncio
import contextlib
import datetime
import logging
import re
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

from zoneshare import enrolment
from zoneshare.accounts import Accounts
from zoneshare.device import Device
from zoneshare.ledger import Ledger
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.enclave_server import EnclaveServer, clock_ms
from zoneshare.seal.enclave_store import FolderStore
from zoneshare.seal.ledger import Auctions
from zoneshare.seal.measurement import measure
from zoneshare.seal.platform import KEY_FILE, SimulatedPlatform, make_simulated_platform, simulated_root
from zoneshare.seal.setup import allow_only, set_up_auctions
from zoneshare.trade.moment import SystemClock, answered
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.seal.ledger import PlatformRoot, SealZone
from zoneshare_protocols.sharing.records import Trust

PLATFORM = "simulated-platform"
ENCLAVE = "enclave"


def set_up(network: Path, folder: Path, quote_age: int) -> tuple[SealZone, bytes]:
    """The zone's new rules and the program's measurement; ``quote_age`` in seconds."""
    with Device.open(folder) as device:
        channel, trust = device.ledger().channel, _trust(device)
    if not (folder / PLATFORM / KEY_FILE).exists():
        make_simulated_platform(folder / PLATFORM, datetime.datetime.now(datetime.UTC))
    measurement = measure(trust)
    with administrators(network, channel) as admins:
        zone = set_up_auctions(admins, measurement, simulated_root(folder / PLATFORM), quote_age * 1000)
    return zone, measurement


def allow(network: Path, folder: Path, measurement: bytes, root: Path, quote_age: int, *, production: bool) -> SealZone:
    """This program on this maker's hardware, and nothing else. Raises Misuse for a root that cannot be read."""
    try:
        platform = PlatformRoot(root.read_bytes(), simulated=False)
    except OSError as cause:
        raise Misuse(f"cannot read {root}: {cause.strerror}") from cause
    with Device.open(folder) as device:
        channel = device.ledger().channel
    with administrators(network, channel) as admins:
        return allow_only(admins, measurement, platform, quote_age * 1000, production=production)


def parse_digest(text: str) -> bytes:
    """Raises Misuse unless it is 64 hex digits."""
    if re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise Misuse(f"not a measurement: {text[:80]!r}; it has 64 hex digits")
    return bytes.fromhex(text)


def measured(folder: Path) -> bytes:
    with Device.open(folder) as device:
        return measure(_trust(device))


def rules(folder: Path) -> SealZone:
    with Device.open(folder) as device:
        return Auctions(device.ledger()).zone()


async def serve(
    folder: Path, address: tuple[str, int], drones: Collection[str], ready: Callable[[int, bytes], None]
) -> None:
    """Until SIGINT or SIGTERM, for these drones; ``ready`` gets the port and the program's measurement."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with Device.open(folder) as device:
        clock = SystemClock()
        trust = await answered(clock, lambda: _trust(device))
        accounts = await answered(clock, device.accounts)
        runs_on = SimulatedPlatform(folder / PLATFORM, trust)
        enclave = Enclave(runs_on, trust, FolderStore(folder / ENCLAVE), clock_ms)
        server = EnclaveServer(enclave, device.identity, accounts.trusts, clock, drones)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            ready(await server.start(*address), runs_on.measurement)
            await stop.wait()
        finally:
            await server.stop()


@contextlib.contextmanager
def administrators(network: Path, channel: str) -> Iterator[list[Ledger]]:
    with ExitStack() as opened:
        admins = [
            opened.enter_context(enrolment.operator(network, f"admin.{member}", member, "admin"))
            for member in enrolment.organisations(network)
        ]
        yield [admin.ledger(channel) for admin in admins]


def _trust(device: Device) -> Trust:
    """What the zone's own ledger says of the zone: blocks."""
    ledger = device.ledger()
    return Accounts(ledger).trust(device.zone)
