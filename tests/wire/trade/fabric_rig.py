"""The devices of the rig on an embedded Fabric: in this process, its clock turned by the test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fabric_protos.common import common_pb2

from tests.wire.ledger.zones import AT_A, AT_B, PLACES, Zones, zones
from tests.wire.trade.rig import BOND, MONEY, Devices, TurnedClock, no_hook
from zoneshare.accounts import Accounts
from zoneshare.bootstrap import set_up
from zoneshare.device import Device
from zoneshare.trade.opening import Plan
from zoneshare.trade.party import Party, Zone
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import transaction
from zoneshare_protocols.fabric.validation import TxFlag
from zoneshare_protocols.sharing.accounts import account_of

PLAN = Plan(lifetime=400_000, tick=10, challenge=20_000, funding=120_000)


class FabricRig(Devices):
    """``devices`` by name; the ledgers they reach may be anywhere."""

    def __init__(self, folder: Path, clock: TurnedClock, devices: dict[str, Device]) -> None:
        super().__init__(folder, clock, PLAN, BOND)
        self.devices = devices

    def party(self, name: str, hook: Callable[[str], None] = no_hook) -> Party:
        device = self.devices[name]
        home = "zone-a" if name == "alice" else "zone-b"
        reach = device.connection.ledger
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

    def __init__(self, site: Zones, devices: dict[str, Device]) -> None:
        self._network = site.network
        self._names = {device.account: name for name, device in devices.items()}
        self._start = {zone: self._network.channel(zone).height for zone in ("zone-a", "zone-b")}

    def writes(self, zone: str) -> list[tuple[str, str]]:
        """(who, function) of every transaction, in the ledger's order. None may be invalid: nobody races here."""
        found = []
        channel = self._network.channel(zone)
        with channel.store.snapshot() as snapshot:
            for number in range(self._start[zone], snapshot.height):
                block = common_pb2.Block.FromString(snapshot.block(number) or b"")
                for flag, envelope in zip(blocks.flags(block), block.data.data, strict=True):
                    assert flag == TxFlag.VALID
                    parsed = transaction.parse(envelope)
                    who = account_of(parsed.creator.mspid, parsed.creator.certificate)
                    found.append((self._names[who], parsed.args[0].decode()))
        return found


@contextmanager
def fabric(folder: Path) -> Iterator[tuple[FabricRig, BlockReader]]:
    """Two zones on an embedded network in this process, and alice and bob with their money."""
    with zones(folder / "net") as site:
        issuer = site.connection("issuer")
        set_up(site.operators(), PLACES, site.pattern(), issuer.identity.account)
        devices = {"alice": site.device(AT_A), "bob": site.device(AT_B), "carol": site.device(AT_B)}
        for name, zone in (("alice", "zone-a"), ("bob", "zone-b")):
            Accounts(issuer.ledger(zone)).issue(devices[name].account, MONEY)

        def turn(span_ms: int) -> None:
            site.clock.ahead += span_ms

        yield FabricRig(folder, TurnedClock(site.clock, turn), devices), BlockReader(site, devices)
