"""Channels, peers in them, anchor peers, the chaincode: each asked for first, and made only where it is missing."""

from collections.abc import Callable
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, ledger_pb2
from fabric_protos.discovery import protocol_pb2
from fabric_protos.peer import query_pb2

from zoneshare_network.network import now_ms
from zoneshare_network.real import lifecycle, package
from zoneshare_network.real.lifecycle import Definition
from zoneshare_network.real.material import ADMIN, organisations
from zoneshare_network.real.remote import Orderer, Peer, nonce, until
from zoneshare_network.real.site import Site
from zoneshare_network.real.topology import CONSORTIUM
from zoneshare_protocols.errors import LedgerFailed, PeerRefused
from zoneshare_protocols.fabric import consortium, wire

Say = Callable[[str], None]


class Setup:
    """The administrators of all organisations at work. Close it, or use it as a context manager."""

    def __init__(self, site: Site, say: Say) -> None:
        """``say`` is told a line for each thing that was done."""
        members = organisations(site)
        root = members[site.topology.orderers.mspid].tls_ca.pem
        self.site = site
        self.say = say
        self.orderers = [Orderer(site.reach(node), root) for node in site.topology.orderer_nodes]
        self.peers = {
            member.mspid: [
                Peer(
                    site.reach(node),
                    members[member.mspid].tls_ca.pem,
                    member.mspid,
                    members[member.mspid].signer(ADMIN),
                )
                for node in site.topology.peers_of(member)
            ]
            for member in site.topology.organisations
        }

    @property
    def firsts(self) -> list[Peer]:
        """A peer of every organisation."""
        return [peers[0] for peers in self.peers.values()]

    def run(self) -> None:
        """All of it. Raises LedgerFailed for what did not come about in time, PeerRefused for what is refused."""
        self.install()
        for zone in self.site.topology.zones:
            self.channel(zone)
            self.join(zone)
            self.anchor(zone)
            self.chaincode(zone)
        for zone in self.site.topology.zones:
            self.discovered(zone)

    def install(self) -> None:
        """The chaincode's package, on every peer."""
        data, wanted = package.build(self.site), package.package_id(self.site)
        for peer in self.all_peers:
            have = until(f"peer {peer.address}", lambda peer=peer: lifecycle.installed(peer))  # type: ignore[misc]
            if wanted not in have:
                self.say(f"{peer.address}: installed {lifecycle.install(peer, data)}")

    def channel(self, zone: str) -> None:
        """The channel, at the orderers."""
        if self._first_block(zone) is not None:
            return
        members = {one.signer.serialized: one.signer.key for one in self.firsts}
        update = consortium.new_channel(zone, CONSORTIUM, self.site.topology.mspids)
        self._order(f"channel {zone}", lambda: _signed(update, members))
        until(f"channel {zone}", lambda: self._first_block(zone))
        self.say(f"{zone}: channel made")

    def join(self, zone: str) -> None:
        """Every peer of the topology in the channel."""
        block: common_pb2.Block | None = None
        for peer in self.all_peers:
            listed = wire.read(query_pb2.ChannelQueryResponse, peer.query("", "cscc", b"GetChannels"))
            if zone not in {one.channel_id for one in listed.channels}:
                block = block or until(f"block 0 of {zone}", lambda: self._first_block(zone))
                peer.query("", "cscc", b"JoinChain", wire.write(block))
                self.say(f"{zone}: {peer.address} joined")

    def anchor(self, zone: str) -> None:
        """Each organisation's first peer as its anchor, without which gateways find no peers of other organisations."""
        for member, peer in zip(self.site.topology.organisations, self.firsts, strict=True):
            node = self.site.gateway(member)
            place = (self.site.host(node), node.port)
            signer = {peer.signer.serialized: peer.signer.key}
            update = consortium.anchor_update(zone, _config(peer, zone), member.mspid, [place])
            if update is None:
                continue
            self._order(f"anchor of {member.mspid}", lambda u=update, s=signer: _signed(u, s))  # type: ignore[misc]
            for each in self.firsts:
                until(
                    f"{zone}: anchor of {member.mspid} at {each.address}",
                    lambda e=each, m=member, p=place: consortium.anchors(_config(e, zone), m.mspid) == (p,) or None,  # type: ignore[misc]
                )
            self.say(f"{zone}: {node.name} is the anchor of {member.mspid}")

    def chaincode(self, zone: str) -> None:
        """Approved by every organisation, then committed; a new version or policy is the next sequence."""
        shape = self.site.topology
        first, *others = self.firsts
        agreed = Definition(shape.chaincode.name, shape.chaincode.version, shape.endorsement_policy())
        present = lifecycle.committed(first, zone, agreed.name)
        agreed = lifecycle.wanted(present, agreed)
        wanted = package.package_id(self.site)
        for peer in self.firsts:
            self._approve(peer, zone, agreed, wanted)
        if present is not None and present.sequence == agreed.sequence:
            return
        until(f"{zone}: approvals", lambda: all(lifecycle.approvals(first, zone, agreed).values()) or None)
        self._order(f"{zone}: commit", lambda: lifecycle.commitment(first, zone, agreed, others))
        for peer in self.all_peers:
            until(f"{zone}: commit at {peer.address}", lambda p=peer: _has(p, zone, agreed))  # type: ignore[misc]
        self.say(f"{zone}: {agreed.name} {agreed.version} committed, sequence {agreed.sequence}")

    def discovered(self, zone: str) -> None:
        """Every gateway sees how the chaincode can be endorsed, and all peers of the channel."""
        for peer in self.all_peers:
            until(f"{zone}: discovery at {peer.address}", lambda p=peer: self._sees(p, zone))  # type: ignore[misc]
        self.say(f"{zone}: ready, {len(self.all_peers)} peers see each other")

    def _approve(self, peer: Peer, zone: str, agreed: Definition, wanted: str) -> None:
        if lifecycle.approved_package(peer, zone, agreed) == wanted:
            return
        self._order(f"{zone}: approval of {peer.mspid}", lambda: lifecycle.approval(peer, zone, agreed, wanted))
        until(
            f"{zone}: approval of {peer.mspid}",
            lambda: lifecycle.approved_package(peer, zone, agreed) == wanted or None,
        )
        self.say(f"{zone}: {peer.mspid} approved {agreed.name} {agreed.version}, sequence {agreed.sequence}")

    def _sees(self, peer: Peer, zone: str) -> bool | None:
        name = self.site.topology.chaincode.name
        from fabric_protos.peer import proposal_pb2

        call = proposal_pb2.ChaincodeInterest(chaincodes=[proposal_pb2.ChaincodeCall(name=name)])
        asked = protocol_pb2.Request(
            queries=[
                protocol_pb2.Query(channel=zone, peer_query=protocol_pb2.PeerMembershipQuery()),
                protocol_pb2.Query(channel=zone, cc_query=protocol_pb2.ChaincodeQuery(interests=[call])),
            ]
        )
        members, endorsers = peer.discover(asked).results
        if members.error.content or endorsers.error.content:
            raise LedgerFailed(members.error.content or endorsers.error.content)
        count = sum(len(group.peers) for group in members.members.peers_by_org.values())
        return count == len(self.all_peers) or None

    def _order(self, what: str, make: Callable[[], common_pb2.Envelope]) -> None:
        """Made anew for each try, at one orderer after the other."""
        turn = iter(range(10**6))

        def ask() -> bool:
            self.orderers[next(turn) % len(self.orderers)].broadcast(make())
            return True

        until(what, ask)

    def _first_block(self, zone: str) -> common_pb2.Block | None:
        signer = self.firsts[0].signer
        return until("an orderer", lambda: (self.orderers[0].first_block(zone, signer),))[0]

    @property
    def all_peers(self) -> list[Peer]:
        """Organisation by organisation."""
        return [peer for peers in self.peers.values() for peer in peers]

    def close(self) -> None:
        for one in (*self.orderers, *self.all_peers):
            one.close()

    def __enter__(self) -> "Setup":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def height(peer: Peer, zone: str) -> int:
    """Blocks of a channel at a peer. Raises PeerRefused where it has not joined."""
    data = peer.query(zone, "qscc", b"GetChainInfo", zone.encode())
    return int(wire.read(ledger_pb2.BlockchainInfo, data).height)


def _config(peer: Peer, zone: str) -> Any:
    data = peer.query(zone, "cscc", b"GetChannelConfig", zone.encode())
    return wire.read(configtx_pb2.Config, data).channel_group


def _has(peer: Peer, zone: str, agreed: Definition) -> bool | None:
    try:
        found = lifecycle.committed(peer, zone, agreed.name)
    except PeerRefused:
        return None
    return (found is not None and found.sequence == agreed.sequence) or None


def _signed(update: configtx_pb2.ConfigUpdate, signers: dict[bytes, Any]) -> common_pb2.Envelope:
    return consortium.signed_update(update, signers, nonce=nonce(), timestamp_ms=now_ms())
