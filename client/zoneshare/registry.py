"""The network-wide registry, typed: the zones, their loads, and the zone of every device."""

from collections.abc import Iterator
from contextlib import suppress

from zoneshare.calls import PAGE, Contract, result
from zoneshare.ledger import Conflict
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.sharing.records import Device, ZoneInfo, ZoneLoad

CHANNEL = "registry"
"""The Fabric channel that every organisation has joined."""


class Registry(Contract):
    """The contract ``registry``. Positions are in millionths of a degree. Raises the contract's own errors."""

    prefix = "registry"

    def zones(self) -> tuple[ZoneLoad, ...]:
        return self.query(tuple[ZoneLoad, ...], "zones")

    def zone(self, id: str) -> ZoneInfo:
        """Raises NotFound."""
        for each in self.zones():
            if each.zone.id == id:
                return each.zone
        raise NotFound("no such zone in the registry", zone=id)

    def assign(self, latitude: int, longitude: int) -> Device:
        """Place the caller's device. Raises AlreadyExists, NotFound (no zones), LimitExceeded (all full)."""
        return result(Device, self.submit("assign", latitude, longitude).payload)

    def move(self, latitude: int, longitude: int) -> Device:
        """The caller's device is elsewhere: the contract decides again."""
        return result(Device, self.submit("move", latitude, longitude).payload)

    def device(self, id: str) -> Device:
        """Raises NotFound."""
        return self.query(Device, "device", id)

    def devices(self) -> Iterator[Device]:
        return self.pages(Device, "devices")

    def fold(self, zone: str) -> int:
        """Add the changes of a zone's load that wait into one number; anyone may. The load."""
        rows, _ = self.query(tuple[tuple[tuple[str, int], ...], str], "deltas", zone, PAGE, "")
        if rows:
            # Where others fold at the same time, one comes first, and that does as well.
            with suppress(NotFound, Conflict):
                return result(int, self.submit("fold", zone, tuple(tx_id for tx_id, _ in rows)).payload)
        return next((each.load for each in self.zones() if each.zone.id == zone), 0)
