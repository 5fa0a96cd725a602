"""The devices of the rig on an embedded Fabric, its clock turned by the test: in this process, or in one that dies."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from fabric_protos.common import common_pb2

from tests.support.memory_ledger import no_hook
from tests.support.mortal_network import Shared
from tests.wire.ledger.zones import AT_A, AT_B, PLACES, Zones, zones
from tests.wire.trade.rig import BOND, MONEY, PAUSE_S, Devices, TurnedClock
from tests.wire.trade.steady import Calls, SteadyLedger
from zoneshare.accounts import Accounts
from zoneshare.bootstrap import set_up
from zoneshare.connection import Connection
from zoneshare.device import Device
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.ledger import Ledger
from zoneshare.trade.opening import Plan
from zoneshare.trade.party import Party, Zone
from zoneshare_network.host import organisations
from zoneshare_network.store import read_only
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import transaction
from zoneshare_protocols.fabric.validation import TxFlag
from zoneshare_protocols.sharing.accounts import account_of

PLAN = Plan(lifetime=400_000, tick=10, challenge=20_000, funding=120_000)

LONGEST_PAUSE_S = 0.3
"""While a network starts again."""


class FabricRig(Devices):
    """``devices`` by name; the ledgers they reach may be anywhere."""

    def __init__(
        self,
        folder: Path,
        now_ms: Callable[[], int],
        turn: Callable[[int], None],
        devices: dict[str, Device],
        pause_s: float = PAUSE_S,
    ) -> None:
        self._calls = Calls()
        super().__init__(folder, TurnedClock(now_ms, self._calls.turner(turn), pause_s), PLAN, BOND)
        self.devices = devices

    def party(self, name: str, hook: Callable[[str], None] = no_hook) -> Party:
        device = self.devices[name]
        home = "zone-a" if name == "alice" else "zone-b"

        def reach(channel: str) -> Ledger:
            return SteadyLedger(device.connection.ledger(channel), self._calls)

        return Party(device.identity, device.keys, Zone(home, reach(home)), lambda trust: reach(trust.fabric_channel))

    @property
    def money(self) -> tuple[int, int]:
        balances = [
            Accounts(self.devices[name].connection.ledger(zone)).balance(self.devices[name].account)
            for name, zone in (("alice", "zone-a"), ("bob", "zone-b"))
        ]
        return balances[0], balances[1]


class BlockReader:
    """What the devices wrote in each zone since it was made, from the blocks themselves."""

    def __init__(self, network: Path, devices: dict[str, Device]) -> None:
        self._files = {zone: network / "channels" / f"{zone}.db" for zone in ("zone-a", "zone-b")}
        self._names = {device.account: name for name, device in devices.items()}
        self._start = {}
        for zone, file in self._files.items():
            with read_only(file) as snapshot:
                self._start[zone] = snapshot.height

    def writes(self, zone: str, *, allowed: tuple[TxFlag, ...] = ()) -> list[tuple[str, str]]:
        """(who, function) of every valid transaction, in the ledger's order; others must have an ``allowed`` flag."""
        found = []
        with read_only(self._files[zone]) as snapshot:
            for number in range(self._start[zone], snapshot.height):
                block = common_pb2.Block.FromString(snapshot.block(number) or b"")
                for flag, envelope in zip(blocks.flags(block), block.data.data, strict=True):
                    assert flag in (TxFlag.VALID, *allowed)
                    if flag == TxFlag.VALID:
                        parsed = transaction.parse(envelope)
                        who = account_of(parsed.creator.mspid, parsed.creator.certificate)
                        found.append((self._names[who], parsed.args[0].decode()))
        return found


Reach = Callable[[Zones], AbstractContextManager[Callable[[Device], Connection]]]


@contextmanager
def in_process(_: Zones) -> Iterator[Callable[[Device], Connection]]:
    yield lambda device: device.connection


@contextmanager
def fabric(folder: Path, reach: Reach = in_process) -> Iterator[tuple[FabricRig, BlockReader]]:
    """Two zones on an embedded network in this process, and alice and bob with their money.

    ``reach`` connects the devices to their ledgers once they are set up.
    """
    with zones(folder / "net") as site, reach(site) as connect:
        issuer = site.connection("issuer")
        set_up(site.operators(), PLACES, site.pattern(), issuer.identity.account)
        devices = {"alice": site.device(AT_A), "bob": site.device(AT_B), "carol": site.device(AT_B)}
        for name, zone in (("alice", "zone-a"), ("bob", "zone-b")):
            Accounts(issuer.ledger(zone)).issue(devices[name].account, MONEY)
        devices = {name: Device(each.folder, connect(each), each.keys) for name, each in devices.items()}

        def turn(span_ms: int) -> None:
            site.clock.ahead += span_ms

        yield FabricRig(folder, site.clock, turn, devices), BlockReader(folder / "net", devices)


@contextmanager
def mortal(folder: Path, point: str) -> Iterator[tuple[FabricRig, BlockReader, Shared]]:
    """As :func:`fabric`, over gRPC from a process of its own, which dies at ``point`` while the shared flag is set."""
    with fabric(folder) as (made, reader):
        members = organisations(folder / "net")
    shared = Shared(folder / "shared")
    command = [sys.executable, "-m", "tests.support.mortal_network", str(folder / "net"), str(folder / "shared"), point]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert process.stdin is not None
    assert process.stdout is not None
    address = process.stdout.readline().decode().strip()
    msps = {name: member.msp() for name, member in members.items()}
    devices = {}
    for name, device in made.devices.items():
        transport = GrpcTransport(address, members["Org1MSP"].tls_ca.pem)
        connection = Connection(device.identity, transport, msps=msps, clock=shared.now_ms)
        devices[name] = Device(device.folder, connection, device.keys)
    try:
        yield FabricRig(folder, shared.now_ms, shared.turn, devices, LONGEST_PAUSE_S), reader, shared
    finally:
        for device in devices.values():
            device.close()
        process.stdin.close()
        process.wait(30)
