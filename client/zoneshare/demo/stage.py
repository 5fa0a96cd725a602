"""The demo's stage: a network, devices, sellers and watchtowers, each a process of its own, in one folder."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zoneshare import enrolment
from zoneshare.accounts import Accounts
from zoneshare.audit import NetworkAudit, audit_network
from zoneshare.cli import trade_roles as roles
from zoneshare.device import Device, create_folder
from zoneshare.ledger import Ledger
from zoneshare.registry import CHANNEL, Registry
from zoneshare.stores.folder import FolderStore
from zoneshare.trade.buyer import Buyer
from zoneshare.trade.moment import SystemClock
from zoneshare.trade.opening import Plan
from zoneshare_protocols.errors import LedgerFailed
from zoneshare_protocols.sharing.records import Device as Placed

START_S = 60.0


class ProcessFailed(LedgerFailed):
    """A process of the demo ended before it was ready; its own words are in the message."""


class Program:
    """One process of zoneshare's command, or of a module."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process, self._log = process, log

    @classmethod
    async def start(cls, log: Path, *arguments: str, module: str = "zoneshare") -> "Program":
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE, stderr=errors
            )
        return cls(process, log)

    async def line(self, words: str) -> str:
        """The first line of its output with these words in it. Raises ProcessFailed when it ends without."""
        if self._process.stdout is not None:
            async with asyncio.timeout(START_S):
                async for line in self._process.stdout:
                    text = line.decode(errors="replace").strip()
                    if words in text:
                        return text
        await self._process.wait()
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        raise ProcessFailed(*last or ("a process ended before it was ready",))

    async def kill(self) -> None:
        """As a power cut does (SIGKILL): it can write nothing more."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not heard in time."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            await self.kill()


@dataclass(frozen=True)
class Actor:
    """A device of the demo."""

    name: str
    folder: Path
    account: str
    zone: str


class Shop(NamedTuple):
    """A seller's process, where it listens, and what it sells."""

    program: Program
    port: int
    data: bytes


class Stage:
    """Use :meth:`open`; everything it started has ended when it is closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = folder / "net"
        self._programs: list[Program] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, tolerance_ms: int) -> AsyncIterator["Stage"]:
        """A network in ``folder``/net, set up. ``tolerance_ms``: how far clocks may be apart in its zones."""
        stage = cls(folder)
        try:
            network = await stage.program("network", "network", "up", "--dir", str(stage.network), "--port", "0")
            await network.line("ready")
            init = await stage.program(
                "zones", "zones", "init", "--network", str(stage.network), "--tolerance", str(tolerance_ms)
            )
            await init.line("registry: zone")
            await init.line("registry: zone")
            yield stage
        finally:
            for program in reversed(stage._programs):
                await program.stop()

    async def program(self, log: str, *arguments: str, module: str = "zoneshare") -> Program:
        """Start a process, whose errors go to ``log``.log in the stage's folder."""
        program = await Program.start(self.folder / f"{log}.log", *arguments, module=module)
        self._programs.append(program)
        return program

    async def device(self, name: str, latitude: int, longitude: int, money: int) -> Actor:
        """A new device at a place (millionths of a degree), with money issued to it."""
        return await asyncio.to_thread(self._device, name, latitude, longitude, money)

    def _device(self, name: str, latitude: int, longitude: int, money: int) -> Actor:
        folder = self.folder / "devices" / name
        folder.parent.mkdir(exist_ok=True)
        create_folder(folder, enrolment.enroller(self.network), secrets.token_bytes(32))
        with Device.open(folder) as device:
            placed: Placed = device.join(latitude, longitude)
        with enrolment.issuer(self.network) as issuer:
            Accounts(issuer.ledger(placed.zone)).issue(placed.id, money)
        return Actor(name, folder, placed.id, placed.zone)

    async def seller(self, actor: Actor, file: Path, *options: str, module: str = "zoneshare") -> Shop:
        """A seller's process that is ready to sell ``file``."""
        words = ("seller", "serve", str(actor.folder), str(file), "--port", "0", "--store", str(self._store), *options)
        program = await self.program(actor.name, *words, module=module)
        port = _port(await program.line(" sells on "))
        offer = await program.line(f"{file.name}: ")
        return Shop(program, port, bytes.fromhex(offer.split(" --from ")[0].rpartition(" ")[2]))

    async def watchtower(self, actor: Actor) -> tuple[Program, int]:
        """A watchtower's process that is ready, and its port."""
        program = await self.program(actor.name, "watchtower", "serve", str(actor.folder), "--port", "0")
        return program, _port(await program.line(" watches on "))

    @contextlib.asynccontextmanager
    async def buyer(self, actor: Actor, plan: Plan) -> AsyncIterator[Buyer]:
        """The demo's own process is the buyer."""
        with Device.open(actor.folder) as device, roles.open_journal(actor.folder / "buyer.db") as journal:
            party = await asyncio.to_thread(roles.party_of, device)
            yield Buyer(party, FolderStore(self._store), journal, clock=SystemClock(), plan=plan)

    @contextlib.contextmanager
    def ledgers(self) -> Iterator[dict[str, Ledger]]:
        """Every zone's ledger, as the issuer sees it."""
        with enrolment.issuer(self.network) as connection:
            zones = [load.zone.trust.fabric_channel for load in Registry(connection.ledger(CHANNEL)).zones()]
            yield {zone: connection.ledger(zone) for zone in zones}

    def audit(self) -> NetworkAudit:
        """Raises NotConserved when money was made or lost in any zone, or between them."""
        with self.ledgers() as ledgers:
            return audit_network(ledgers.values())

    def balances(self, *actors: Actor) -> tuple[int, ...]:
        """What each has in its zone."""
        with self.ledgers() as ledgers:
            return tuple(Accounts(ledgers[actor.zone]).balance(actor.account) for actor in actors)

    @property
    def _store(self) -> Path:
        return self.folder / "store"


def _port(line: str) -> int:
    return int(line.split(" on ", 1)[1].split(maxsplit=1)[0].rpartition(":")[2])
