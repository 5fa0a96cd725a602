"""registry, on the network-wide channel: zones, their loads, and which zone serves a device.

A zone's load is a folded number plus one row a change, so that devices placed at the same time write no common key.
A decision reads the folded number only: between two folds a zone may get more devices than it has room for.
"""

from typing import Annotated

import msgspec

from zoneshare_chaincode import governance
from zoneshare_chaincode.base import MAX_PAGE, Context, Contract, query, transaction
from zoneshare_protocols.codec import Name
from zoneshare_protocols.errors import AlreadyExists, NotFound
from zoneshare_protocols.sharing import registry as rules
from zoneshare_protocols.sharing.records import Device, ZoneInfo, ZoneLoad
from zoneshare_protocols.sharing.registry import Candidate
from zoneshare_protocols.stub import composite_key

DEVICE = "device"
LOAD = "load"
DELTA = "load-delta"

Latitude = Annotated[int, msgspec.Meta(ge=-90_000_000, le=90_000_000)]
"""In millionths of a degree."""
Longitude = Annotated[int, msgspec.Meta(ge=-180_000_000, le=180_000_000)]
Deltas = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_PAGE)]


class Registry(Contract):
    """Zones come here as governed records of kind ``zone`` (``ledger:approve``)."""

    name = "registry"

    @transaction
    def assign(self, context: Context, latitude: Latitude, longitude: Longitude) -> Device:
        """Place the caller's device: its id is the caller's account; event ``assigned`` (Device)."""
        key = composite_key(DEVICE, context.account)
        if context.get(Device, key) is not None:
            raise AlreadyExists("the device has a zone; tell when it moves", device=context.account)
        device = rules.place(context.account, latitude, longitude, _candidates(context))
        context.put(key, device)
        context.put(composite_key(DELTA, device.zone, context.tx_id), 1)
        context.event("assigned", device)
        return device

    @transaction
    def move(self, context: Context, latitude: Latitude, longitude: Longitude) -> Device:
        """The caller's device is elsewhere: decide again; both zones' loads follow; event ``moved`` (Device)."""
        old = _device(context, context.account)
        new = rules.move(old, latitude, longitude, _candidates(context))
        context.put(composite_key(DEVICE, new.id), new)
        if new.zone != old.zone:
            context.put(composite_key(DELTA, old.zone, context.tx_id), -1)
            context.put(composite_key(DELTA, new.zone, context.tx_id), 1)
        context.event("moved", new)
        return new

    @transaction
    def fold(self, context: Context, zone: Name, deltas: Deltas) -> int:
        """Add rows that ``registry:deltas`` listed to the zone's load; anyone may; gives the load.

        Rows are read by key, not by range, so that devices placed meanwhile are no phantoms.
        """
        key = composite_key(LOAD, zone)
        load = context.get(int, key) or 0
        for tx_id in deltas:
            row = composite_key(DELTA, zone, tx_id)
            load += context.need(int, row, "such change of the zone's load")
            context.delete(row)
        context.put(key, load)
        return load

    @query
    def zones(self, context: Context) -> tuple[ZoneLoad, ...]:
        """All zones, each with its folded load."""
        return tuple(ZoneLoad(zone=c.zone, load=c.load) for c in _candidates(context))

    @query
    def deltas(
        self, context: Context, zone: Name, size: int = 100, bookmark: str = ""
    ) -> tuple[tuple[tuple[str, int], ...], str]:
        """A page of (transaction, change) not yet folded, and the next page's bookmark."""
        rows, following = context.page(int, DELTA, size, bookmark, zone)
        return tuple((attributes[1], change) for attributes, change in rows), following

    @query
    def device(self, context: Context, id: Name) -> Device:
        return _device(context, id)

    @query
    def devices(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Device, ...], str]:
        """A page of devices, and the next page's bookmark."""
        rows, following = context.page(Device, DEVICE, size, bookmark)
        return tuple(device for _, device in rows), following


def _candidates(context: Context) -> tuple[Candidate, ...]:
    zones = [zone for _, zone in context.scan(ZoneInfo, governance.ZONE)]
    return tuple(Candidate(zone, context.get(int, composite_key(LOAD, zone.id)) or 0) for zone in zones)


def _device(context: Context, id: str) -> Device:
    found = context.get(Device, composite_key(DEVICE, id))
    if found is None:
        raise NotFound("no such device", device=id)
    return found
