"""From an identity's folder to the ledgers of its network: reads Fabric's common connection profile (JSON)."""

import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from zoneshare.failover import FailoverTransport
from zoneshare.gateway import GatewayLedger, now_ms
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.hfc import profile as hfc_profile
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.hfc.process import Worker
from zoneshare.identity import CONNECTION, ClientTls, Identity, load_identity, load_msps, read_part
from zoneshare.transport import Transport
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric.msp import Msp

ADAPTER = "ZONESHARE_ADAPTER"
"""Environment variable: gateway or hfc; before what the profile says under client, x-adapter."""
ADAPTERS = ("gateway", "hfc")


class Profile:
    """What of a connection profile the adapters need: the client's own organisation's peers, the channels."""

    def __init__(self, data: bytes, base: Path) -> None:
        """``base`` is where relative paths in the profile start. Raises Misuse for what is no profile."""
        path = base / CONNECTION
        try:
            profile = json.loads(data)
            home = profile["organizations"][profile["client"]["organization"]]
            self.peers = tuple(hfc_profile.node(name, profile["peers"][name], base) for name in home["peers"])
            """An evaluate is answered by one peer, unsigned: only the own organisation's are asked."""
            self.channels: tuple[str, ...] = tuple(profile.get("channels", {}))
            self.adapter = os.environ.get(ADAPTER) or profile["client"].get("x-adapter", ADAPTERS[0])
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OSError) as cause:
            raise Misuse(f"{path} is not a connection profile: {type(cause).__name__} {cause}") from cause
        if not self.peers:
            raise Misuse(f"{path} names no peer of the client's own organisation")
        if self.adapter not in ADAPTERS:
            raise Misuse(f"no such adapter; there are {', '.join(ADAPTERS)}", adapter=str(self.adapter))
        self._profile, self._base = profile, base

    def transport(self, identity: Identity) -> Transport:
        """By the adapter that the environment or the profile chooses. Raises Misuse where the profile lacks nodes."""
        shown = self._shown() or identity.tls
        if self.adapter == "hfc":
            nodes = hfc_profile.network(self._profile, self._base)
            known = msgspec.structs.replace(nodes, client_key=shown.key, client_certificate=shown.certificate)
            return HfcTransport(Worker(known), identity, shown=shown)
        peers = [
            GrpcTransport(peer.endpoint, peer.tls_roots, peer.server_name or None, client=shown) for peer in self.peers
        ]
        return peers[0] if len(peers) == 1 else FailoverTransport(peers)

    def _shown(self) -> ClientTls | None:
        """What the profile says under client, tlsCerts, client. Raises Misuse for what cannot be read."""
        try:
            said = self._profile["client"].get("tlsCerts", {}).get("client")
            if said is None:
                return None
            return ClientTls(hfc_profile.pem(said["key"], self._base), hfc_profile.pem(said["cert"], self._base))
        except (KeyError, TypeError, AttributeError, OSError) as cause:
            reason = f"{type(cause).__name__} {cause}"
            raise Misuse(
                f"{self._base / CONNECTION}: no usable TLS key and certificate of a client: {reason}"
            ) from cause


class Connection:
    """One identity's way to its network's ledgers, by whatever transport. Close it, or use it as a context manager."""

    def __init__(
        self,
        identity: Identity,
        transport: Transport,
        channels: tuple[str, ...] = (),
        *,
        msps: Mapping[str, Msp] | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """With ``msps`` the endorsers' signatures are checked before anything is signed. Closes the transport.

        ``clock`` gives transactions their timestamps, in milliseconds since 1970.
        """
        self.identity = identity
        self.channels = channels
        """The Fabric channels that the connection profile names."""
        self._transport = transport
        self._msps = msps
        self._clock = clock
        self._ledgers: dict[str, GatewayLedger] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> "Connection":
        """By the identity in ``folder``, through a gateway or hfc, as environment and profile say.

        Endorsers are checked where the folder has the organisations' CAs.
        Raises Misuse for a bad folder; who answers, a first call will show.
        """
        identity, profile = load_identity(folder), Profile(read_part(folder, CONNECTION), folder)
        return cls(identity, profile.transport(identity), profile.channels, msps=load_msps(folder))

    def ledger(self, channel: str) -> GatewayLedger:
        """The ledger of a Fabric channel; the same object every time."""
        with self._lock:
            if channel not in self._ledgers:
                self._ledgers[channel] = GatewayLedger(
                    self._transport, channel, self.identity, msps=self._msps, clock=self._clock
                )
            return self._ledgers[channel]

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
