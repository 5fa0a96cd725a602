"""A whole Fabric in the process, in a folder: for development and tests, one machine, many zones."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import msgspec
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError

from zoneshare_network import administration, topology
from zoneshare_network.channel import Channel, CommitStatus
from zoneshare_network.durable import Fault, no_fault
from zoneshare_network.endorser import Endorser
from zoneshare_network.lifecycle import Definition
from zoneshare_network.members import Organisation, Signer
from zoneshare_network.orderer import Orderer
from zoneshare_network.pki import Role
from zoneshare_network.topology import Topology
from zoneshare_protocols.errors import Misuse, NotFound
from zoneshare_protocols.fabric.config import BatchLimits
from zoneshare_protocols.fabric.policy import parse_policy
from zoneshare_protocols.stub import Chaincode

LOCK = "lock"
_UNREADABLE = "proto: cannot parse invalid wire-format data"
PEER, ADMIN, ORDERER = "peer0", "admin", "orderer0"


def now_ms() -> int:
    """Milliseconds since 1970, by the machine's clock."""
    return time.time_ns() // 1_000_000


class EmbeddedNetwork:
    """The network in ``folder``: made there on the first start, gone on with on every other.

    ``shape`` counts on the first start only; later the folder's own file rules. ``chaincodes`` are hosted under their
    names on every channel; ``batch_timeout_ms`` overrides the topology. All methods may be called from any thread.
    Close it, or use it as a context manager. Raises Misuse where another process has the
    folder, or its files are not a network's.
    """

    def __init__(
        self,
        folder: Path,
        shape: Topology | None = None,
        chaincodes: Mapping[str, Chaincode] | None = None,
        *,
        batch_timeout_ms: int | None = None,
        clock_ms: Callable[[], int] = now_ms,
        fault: Fault = no_fault,
    ) -> None:
        self.folder = folder
        self._fault = fault
        self.clock_ms = clock_ms
        self.chaincodes = dict(chaincodes or {})
        self._batch_timeout_ms = batch_timeout_ms
        self._channels: dict[str, Channel] = {}
        self._orderers: dict[str, Orderer] = {}
        self._reconciling = threading.Lock()
        self._lock = _lock(folder)
        try:
            self._start(shape)
        except BaseException:
            self.close()
            raise

    def _start(self, shape: Topology | None) -> None:
        self.topology = topology.read(self.folder) or shape or Topology()
        self._policy = parse_policy(self.topology.endorsement_policy()).SerializeToString(deterministic=True)
        topology.write(self.folder, self.topology, self._fault)
        now = self.clock_ms()
        self.organisations = {name: self._organisation(name) for name in self.topology.organisations}
        for organisation in self.organisations.values():
            organisation.prepare({PEER: Role.PEER, ADMIN: Role.ADMIN}, now)
        self._orderer = self._organisation(self.topology.orderer)
        self._orderer.prepare({ORDERER: Role.ORDERER, ADMIN: Role.ADMIN}, now)
        self.peers = {name: organisation.signer(PEER) for name, organisation in self.organisations.items()}
        self.endorser = Endorser(
            self._channels, self.peers, self.chaincodes, self.clock_ms, lambda name: self.organisations[name].msp()
        )
        self.reconcile()

    def _limits(self) -> BatchLimits:
        limits = self.topology.batch.limits()
        return limits if self._batch_timeout_ms is None else replace(limits, timeout_ms=self._batch_timeout_ms)

    def _organisation(self, mspid: str) -> Organisation:
        return Organisation(mspid, self.folder / "orgs" / mspid, self._fault)

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self._channels)

    def channel(self, name: str) -> Channel:
        """Raises NotFound."""
        try:
            return self._channels[name]
        except KeyError:
            raise NotFound("the network has no such channel", channel=name) from None

    def find(self, name: str) -> Channel | None:
        """The channel, or None."""
        return self._channels.get(name)

    def reconcile(self) -> None:
        """Make the channels what the folder says: new ones, chaincodes not yet defined, new revocation lists."""
        with self._reconciling:
            self.topology = topology.read(self.folder) or self.topology
            for name in self.topology.channels:
                if name not in self._channels:
                    self._open(name)
                self._configure(name)
                self._deploy(name)

    def add_channel(self, name: str) -> None:
        """One zone more, with the network's organisations and chaincodes. Raises Misuse for a bad name."""
        topology.write(self.folder, topology.with_channel(self.topology, name), self._fault)
        self.reconcile()

    def _open(self, name: str) -> None:
        channel = Channel(name, self.folder / "channels" / f"{name}.db", self._fault)
        signer = self._orderer.signer(ORDERER)
        if channel.height == 0:
            limits, now = self._limits(), self.clock_ms()
            msps = [organisation.msp() for organisation in self.organisations.values()]
            channel.commit(administration.genesis(name, msps, self._orderer.msp(), signer, limits=limits, now_ms=now))
        orderer = Orderer(channel, signer, self._limits(), self.clock_ms)
        orderer.start()
        self._channels[name], self._orderers[name] = channel, orderer

    def _configure(self, name: str) -> None:
        channel = self._channels[name]
        present = channel.config.application
        changed = [o.msp() for o in self.organisations.values() if o.msp().crls != present[o.mspid].crls]
        if changed:
            with channel.store.snapshot() as snapshot:
                block = common_pb2.Block.FromString(snapshot.block(channel.last_config))
            admins = [organisation.signer(ADMIN) for organisation in self.organisations.values()]
            signer, now = self._orderer.signer(ORDERER), self.clock_ms()
            self._orderers[name].order([administration.with_msps(block, changed, admins, signer, now)])

    def _deploy(self, name: str) -> None:
        channel = self._channels[name]
        admin = next(iter(self.organisations.values())).signer(ADMIN)
        envelopes = []
        with channel.view() as view:
            for chaincode in self.chaincodes:
                wanted = Definition(chaincode, self.topology.version, self._policy)
                missing = administration.definition_to_commit(wanted, view.snapshot)
                if missing is not None:
                    peers, now = tuple(self.peers.values()), self.clock_ms()
                    envelopes.append(
                        administration.deploy(name, missing, view.snapshot, admin, peers=peers, now_ms=now)
                    )
        if envelopes:
            self._orderers[name].order(envelopes)

    def process_proposal(
        self, mspid: str, signed: proposal_pb2.SignedProposal
    ) -> proposal_response_pb2.ProposalResponse:
        """``Endorser.ProcessProposal`` of the organisation's peer. Raises ProposalRefused, NotFound."""
        if mspid not in self.peers:
            raise NotFound("the network has no such organisation", organisation=mspid)
        return self.endorser.process(mspid, signed)

    def broadcast(self, envelope: common_pb2.Envelope) -> ab_pb2.BroadcastResponse:
        """``AtomicBroadcast.Broadcast``: SUCCESS says it is ordered; ask :meth:`commit_status` what became of it."""
        try:
            header = common_pb2.Payload.FromString(envelope.payload).header
            name = common_pb2.ChannelHeader.FromString(header.channel_header).channel_id
        except DecodeError:
            info = f"could not determine channel ID: error unmarshalling Payload: {_UNREADABLE}"
            return ab_pb2.BroadcastResponse(status=common_pb2.BAD_REQUEST, info=info)
        orderer = self._orderers.get(name)
        if orderer is None:
            return ab_pb2.BroadcastResponse(status=common_pb2.NOT_FOUND, info="channel does not exist")
        return orderer.broadcast(envelope)

    def commit_status(self, channel: str, tx_id: str, timeout_s: float | None = None) -> CommitStatus | None:
        """The transaction's validation code once it is on the ledger; None when it is not after ``timeout_s``.

        Raises NotFound for an unknown channel, LedgerFailed when the network stops meanwhile.
        """
        return self.channel(channel).wait(tx_id, timeout_s)

    def deliver(
        self, channel: str, from_block: int = 0, going_on: Callable[[], bool] = lambda: True
    ) -> Iterator[common_pb2.Block]:
        """Blocks from a number on, as they come, until the network closes; see ``Channel.deliver``."""
        return self.channel(channel).deliver(from_block, going_on)

    def tls_server(self, mspid: str) -> tuple[bytes, bytes]:
        """Certificate and key (PEM) with which an organisation's node serves, issued by its TLS authority."""
        organisation = self._orderer if mspid == self.topology.orderer else self.organisation(mspid)
        folder = organisation.folder / "tls"
        return (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()

    def tls_clients(self) -> bytes | None:
        """Whose certificates a client must show, PEM: the organisations' CAs and TLS CAs; None where none is asked."""
        if not self.topology.client_auth:
            return None
        return b"".join(one.ca.pem + one.tls_ca.pem for one in self.organisations.values())

    def require_client_auth(self, required: bool) -> None:
        """Kept in the folder; who serves the network next goes by it."""
        topology.write(self.folder, msgspec.structs.replace(self.topology, client_auth=required), self._fault)
        self.reconcile()

    def admin(self, mspid: str) -> Signer:
        """The administrator that every organisation has from the start. Raises NotFound."""
        return self.organisation(mspid).signer(ADMIN)

    def organisation(self, mspid: str) -> Organisation:
        """Raises NotFound."""
        try:
            return self.organisations[mspid]
        except KeyError:
            raise NotFound("the network has no such organisation", organisation=mspid) from None

    def close(self) -> None:
        """Commit what was ordered, then let go of the folder."""
        for orderer in self._orderers.values():
            orderer.stop()
        for channel in self._channels.values():
            channel.close()
        self._lock.close()

    def __enter__(self) -> "EmbeddedNetwork":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _lock(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("ab")
    except OSError as cause:
        raise Misuse(f"a network cannot live in {folder}: {cause.strerror}") from cause
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        file.close()
        raise Misuse(f"another process runs the network in {folder}") from cause
    file.truncate(0)
    file.write(f"{os.getpid()}\n".encode())
    file.flush()
    return file
