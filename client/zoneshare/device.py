"""A device: an identity of a CA, its own keys, its place in the registry and its account in that zone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from zoneshare.accounts import Accounts
from zoneshare.connection import Connection
from zoneshare.device_keys import DeviceKeys, create_keys, load_keys
from zoneshare.identity import Identity, check_absent, new_key, signing_request, whole_folder, write_identity
from zoneshare.ledger import Ledger
from zoneshare.registry import CHANNEL, Registry
from zoneshare_protocols.errors import AlreadyExists, Misuse, NotFound
from zoneshare_protocols.sharing import records


class Enrolled(NamedTuple):
    """What an organisation's CA gives for a signing request."""

    mspid: str
    certificate: bytes
    """PEM."""
    profile: bytes
    """The connection profile."""
    roots: Mapping[str, Sequence[bytes]]
    """CA certificates (PEM) of the network's organisations, by MSP id."""


Enrol = Callable[[str, bytes], Enrolled]
"""From a name and a signing request (PEM)."""


class Device:
    """An opened device folder. Close it, or use it as a context manager."""

    def __init__(self, folder: Path, connection: Connection, keys: DeviceKeys) -> None:
        self.folder = folder
        self.connection = connection
        self.keys = keys
        self.registry = Registry(connection.ledger(CHANNEL))

    @classmethod
    def open(cls, folder: Path) -> "Device":
        """Raises Misuse when the folder is no device's."""
        if not folder.is_dir():
            raise Misuse(f"no folder {folder}: zoneshare device new makes a device")
        keys = load_keys(folder)
        return cls(folder, Connection.open(folder), keys)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def identity(self) -> Identity:
        return self.connection.identity

    @property
    def account(self) -> str:
        """Its account in every zone, and its id in the registry: 40 hex digits."""
        return self.identity.account

    def record(self) -> records.Device:
        """Where the registry has it. Raises NotFound before it joined."""
        return self.registry.device(self.account)

    @property
    def zone(self) -> str:
        """The zone that the registry put it in."""
        return self.record().zone

    def ledger(self, zone: str | None = None) -> Ledger:
        """The ledger of a zone, by default its own. Raises NotFound for a zone the registry does not have."""
        trust = self.registry.zone(zone or self.zone).trust
        return self.connection.ledger(trust.fabric_channel)

    def accounts(self, zone: str | None = None) -> Accounts:
        return Accounts(self.ledger(zone))

    def join(self, latitude: int, longitude: int) -> records.Device:
        """Enter the registry and open an account in the zone it gives; goes on where an earlier try stopped.

        Positions are in millionths of a degree.
        """
        try:
            placed = self.record()
        except NotFound:
            placed = self.registry.assign(latitude, longitude)
        self.open_account(placed.zone)
        return placed

    def open_account(self, zone: str) -> bool:
        """Register the device's keys in a zone; False when they were there already."""
        try:
            self.accounts(zone).register(self.keys)
        except AlreadyExists:
            return False
        return True

    def move(self, latitude: int, longitude: int) -> records.Device:
        """Tell the registry the new position, and open an account in the zone it gives. Money stays where it is."""
        moved = self.registry.move(latitude, longitude)
        self.open_account(moved.zone)
        return moved

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_folder(folder: Path, enrol: Enrol, seed: bytes) -> None:
    """Make a device's folder: new keys (the Ed25519 key is ``seed``, 32 random bytes), and a certificate for them.

    The folder appears whole or not at all, for its owner only. Raises Misuse when it is there already.
    """
    check_absent(folder)
    key = new_key()
    made = enrol(folder.name, signing_request(key, folder.name))
    with whole_folder(folder) as half:
        half.chmod(0o700)
        create_keys(half, seed)
        write_identity(half, Identity(made.mspid, made.certificate, key), made.profile, made.roots)
