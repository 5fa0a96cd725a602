"""From an identity's folder to the ledgers of its network: reads Fabric's common connection profile (JSON)."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoneshare.identity import CONNECTION, Identity, load_identity, read_part
from zoneshare.ledger import Ledger
from zoneshare_protocols.errors import Misuse


class Profile:
    """What of a connection profile the gateway adapter needs: a peer's endpoint, its TLS roots, the organisations."""

    def __init__(self, data: bytes, base: Path) -> None:
        """``base`` is where relative paths in the profile start. Raises Misuse for what is no profile."""
        try:
            self._profile = json.loads(data)
            organisations: Mapping[str, Any] = self._profile["organizations"]
            home = organisations[self._profile["client"]["organization"]]
            peer = self._profile["peers"][home["peers"][0]]
            scheme, _, self.endpoint = str(peer["url"]).rpartition("://")
            self.tls_roots = _pem(peer["tlsCACerts"], base)
            options = peer.get("grpcOptions", {})
        except (ValueError, KeyError, TypeError, IndexError, OSError) as cause:
            raise Misuse(f"{base / CONNECTION} is not a connection profile: {cause!r}") from cause
        if scheme != "grpcs":
            raise Misuse(f"{base / CONNECTION}: a peer is reached by grpcs:// only", url=str(peer["url"]))
        self.server_name: str | None = options.get("ssl-target-name-override")
        self.channels: tuple[str, ...] = tuple(self._profile.get("channels", {}))
        self.organisations: tuple[str, ...] = tuple(str(o["mspid"]) for o in organisations.values())
        self.roots: dict[str, tuple[bytes, ...]] = {
            str(organisation["mspid"]): tuple(
                _pem(self._profile["certificateAuthorities"][name]["tlsCACerts"], base)
                for name in organisation.get("certificateAuthorities", ())
            )
            for organisation in organisations.values()
        }


class Connection:
    """One identity's way to its network's ledgers. Close it, or use it as a context manager."""

    def __init__(self, identity: Identity, profile: Profile) -> None:
        from zoneshare.grpc_transport import GrpcTransport

        self.identity = identity
        self.profile = profile
        self._transport = GrpcTransport(profile.endpoint, profile.tls_roots, profile.server_name)
        self._ledgers: dict[str, Ledger] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> "Connection":
        """By the identity in ``folder``. Raises Misuse for a bad folder; whether the peer answers a call will say."""
        return cls(load_identity(folder), Profile(read_part(folder, CONNECTION), folder))

    @property
    def channels(self) -> tuple[str, ...]:
        return self.profile.channels

    def ledger(self, channel: str) -> Ledger:
        """The ledger of a Fabric channel; the same object every time."""
        from zoneshare.gateway import GatewayLedger

        with self._lock:
            if channel not in self._ledgers:
                self._ledgers[channel] = GatewayLedger(self._transport, channel, self.identity)
            return self._ledgers[channel]

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pem(source: Mapping[str, str], base: Path) -> bytes:
    return source["pem"].encode() if "pem" in source else (base / source["path"]).read_bytes()
