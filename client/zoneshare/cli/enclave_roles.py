"""What ``zoneshare enclave`` does, from a device's folder."""

import asyncio
import datetime
import logging
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from zoneshare import enrolment
from zoneshare.accounts import Accounts
from zoneshare.device import Device
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.enclave_server import EnclaveServer, clock_ms
from zoneshare.seal.enclave_store import FolderStore
from zoneshare.seal.ledger import Auctions
from zoneshare.seal.measurement import measure
from zoneshare.seal.platform import KEY_FILE, SimulatedPlatform, make_simulated_platform, simulated_root
from zoneshare.seal.setup import set_up_auctions
from zoneshare.trade.peers import PeerBook
from zoneshare_protocols.seal.ledger import SealZone
from zoneshare_protocols.sharing.records import Trust

PLATFORM = "simulated-platform"
ENCLAVE = "enclave"


def set_up(network: Path, folder: Path, *, production: bool, quote_age: int) -> tuple[SealZone, bytes]:
    """The zone's new rules and the program's measurement; ``quote_age`` in seconds."""
    with Device.open(folder) as device:
        channel, trust = device.ledger().channel, _trust(device)
    if not (folder / PLATFORM / KEY_FILE).exists():
        make_simulated_platform(folder / PLATFORM, datetime.datetime.now(datetime.UTC))
    members = enrolment.organisations(network)
    with ExitStack() as opened:
        admins = [opened.enter_context(enrolment.operator(network, f"admin.{o}", o, "admin")) for o in members]
        zone = set_up_auctions(
            [admin.ledger(channel) for admin in admins],
            measure(trust),
            simulated_root(folder / PLATFORM),
            production=production,
            quote_age=quote_age * 1000,
        )
    return zone, measure(trust)


def measured(folder: Path) -> bytes:
    with Device.open(folder) as device:
        return measure(_trust(device))


def rules(folder: Path) -> SealZone:
    with Device.open(folder) as device:
        return Auctions(device.ledger()).zone()


async def serve(
    folder: Path, address: tuple[str, int], platform: Path | None, ready: Callable[[int, bytes], None]
) -> None:
    """Until SIGINT or SIGTERM; ``ready`` gets the port and the program's measurement."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with Device.open(folder) as device:
        trust = await asyncio.to_thread(_trust, device)
        peers = PeerBook(await asyncio.to_thread(lambda: device.accounts().trusts()))
        runs_on = SimulatedPlatform(platform or folder / PLATFORM, trust)
        enclave = Enclave(runs_on, trust, FolderStore(folder / ENCLAVE), clock_ms)
        server = EnclaveServer(enclave, device.identity, peers)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            ready(await server.start(*address), runs_on.measurement)
            await stop.wait()
        finally:
            await server.stop()


def _trust(device: Device) -> Trust:
    """What the zone's own ledger says of the zone: blocks."""
    ledger = device.ledger()
    return Accounts(ledger).trust(device.zone)
