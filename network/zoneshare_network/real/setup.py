"""Channels, peers in them, anchor peers, the chaincode: each asked for first, and made only where it is missing."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, ledger_pb2
from fabric_protos.discovery import protocol_pb2
from fabric_protos.peer import proposal_response_pb2, query_pb2

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
        self._members = members
        self.site = site
        self.say = say
        self._next = -1
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
            self.revoke(zone)
            self.chaincode(zone)
        for zone in self.site.topology.zones:
            self.discovered(zone)

    def install(self) -> None:
        """The chaincode's package, on every peer."""
        data, wanted = package.build(self.site), package.package_id(self.site)
        for peer in self.all_peers:
            if wanted not in until(f"peer {peer.address}", partial(lifecycle.installed, peer)):
                self.say(f"{peer.address}: installed {lifecycle.install(peer, data)}")

    def channel(self, zone: str) -> None:
        """The channel, at the orderers."""
        members = {one.signer.serialized: one.signer.key for one in self.firsts}
        update = consortium.new_channel(zone, CONSORTIUM, self.site.topology.mspids)
        sent = False

        def ask() -> bool | None:
            nonlocal sent
            if self._first_block(zone) is not None:
                return True
            if not sent:
                self._turn().broadcast(_signed(update, members))
                sent = True
            return None

        until(f"channel {zone}", ask)
        if sent:
            self.say(f"{zone}: channel made")

    def join(self, zone: str) -> None:
        """Every peer of the topology in the channel."""
        block: common_pb2.Block | None = None
        for peer in self.all_peers:
            listed = wire.read(query_pb2.ChannelQueryResponse, peer.query("", "cscc", b"GetChannels"))
            if zone not in {one.channel_id for one in listed.channels}:
                block = block or until(f"block 0 of {zone}", partial(self._first_block, zone))
                peer.query("", "cscc", b"JoinChain", wire.write(block))
                self.say(f"{zone}: {peer.address} joined")

    def anchor(self, zone: str) -> None:
        """Each organisation's first peer as its anchor, without which gateways find no peers of other organisations."""
        for member in self.site.topology.organisations:
            peer, node = self.peers[member.mspid][0], self.site.gateway(member)
            place = (self.site.host(node), node.port)
            update = consortium.anchor_update(zone, _config(peer, zone), member.mspid, [place])
            if update is None:
                continue
            signer, what = {peer.signer.serialized: peer.signer.key}, f"{zone}: anchor of {member.mspid}"
            self._order(what, partial(_signed, update, signer))
            for each in self.firsts:
                until(f"{what} at {each.address}", partial(_anchored, each, zone, member.mspid, place))
            self.say(f"{zone}: {node.name} is the anchor of {member.mspid}")

    def revoke(self, zone: str) -> None:
        """Each organisation's revocation list in the channel, where it has one that the channel has not."""
        for mspid, peers in self.peers.items():
            crls = self._members[mspid].msp().crls
            if not crls:
                continue
            update = consortium.revocation_update(zone, _config(peers[0], zone), mspid, crls)
            if update is None:
                continue
            signer, what = {peers[0].signer.serialized: peers[0].signer.key}, f"{zone}: revocations of {mspid}"
            self._order(what, partial(_signed, update, signer))
            for each in self.all_peers:
                until(f"{what} at {each.address}", partial(_revoked, each, zone, mspid, crls))
            self.say(f"{zone}: the revocations of {mspid} are published")

    def chaincode(self, zone: str) -> None:
        """Approved by every organisation, then committed; a new version or policy is the next sequence."""
        shape = self.site.topology
        first, *others = self.firsts
        agreed = Definition(shape.chaincode.name, shape.chaincode.version, shape.endorsement_policy())
        present = lifecycle.committed(first, zone, agreed.name)
        agreed = lifecycle.wanted(present, agreed)
        for peer in self.firsts:
            self._approve(peer, zone, agreed)
        if present is not None and present.sequence == agreed.sequence:
            return
        until(f"{zone}: approvals", partial(_all_approve, first, zone, agreed))
        self._order(f"{zone}: commit", partial(lifecycle.commitment, first, zone, agreed, others))
        for peer in self.all_peers:
            until(f"{zone}: commit at {peer.address}", partial(_has, peer, zone, agreed))
        self.say(f"{zone}: {agreed.name} {agreed.version} committed, sequence {agreed.sequence}")

    def discovered(self, zone: str) -> None:
        """Every gateway sees how the chaincode can be endorsed, and all peers of the channel."""
        for peer in self.all_peers:
            until(f"{zone}: discovery at {peer.address}", partial(self._sees, peer, zone))
        self.say(f"{zone}: ready, {len(self.all_peers)} peers see each other")

    def _approve(self, peer: Peer, zone: str, agreed: Definition) -> None:
        wanted, what = package.package_id(self.site), f"{zone}: approval of {peer.mspid}"
        if lifecycle.approved_package(peer, zone, agreed) == wanted:
            return
        self._order(what, partial(lifecycle.approval, peer, zone, agreed, wanted))
        until(what, partial(_approved, peer, zone, agreed, wanted))
        self.say(f"{zone}: {peer.mspid} approved {agreed.name} {agreed.version}, sequence {agreed.sequence}")

    def _sees(self, peer: Peer, zone: str) -> bool | None:
        name = self.site.topology.chaincode.name
        call = proposal_response_pb2.ChaincodeInterest(chaincodes=[proposal_response_pb2.ChaincodeCall(name=name)])
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

        def ask() -> bool:
            self._turn().broadcast(make())
            return True

        until(what, ask)

    def _turn(self) -> Orderer:
        self._next += 1
        return self.orderers[self._next % len(self.orderers)]

    def _first_block(self, zone: str) -> common_pb2.Block | None:
        """Raises LedgerFailed while the orderer cannot tell."""
        return self.orderers[0].first_block(zone, self.firsts[0].signer)

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


def _anchored(peer: Peer, zone: str, mspid: str, place: tuple[str, int]) -> bool | None:
    return consortium.anchors(_config(peer, zone), mspid) == (place,) or None


def _revoked(peer: Peer, zone: str, mspid: str, crls: tuple[bytes, ...]) -> bool | None:
    return consortium.revocations(_config(peer, zone), mspid) == crls or None


def _approved(peer: Peer, zone: str, agreed: Definition, wanted: str) -> bool | None:
    return lifecycle.approved_package(peer, zone, agreed) == wanted or None


def _all_approve(peer: Peer, zone: str, agreed: Definition) -> bool | None:
    return all(lifecycle.approvals(peer, zone, agreed).values()) or None


def _has(peer: Peer, zone: str, agreed: Definition) -> bool | None:
    try:
        found = lifecycle.committed(peer, zone, agreed.name)
    except PeerRefused:
        return None
    return (found is not None and found.sequence == agreed.sequence) or None


def _signed(update: configtx_pb2.ConfigUpdate, signers: dict[bytes, Any]) -> common_pb2.Envelope:
    return consortium.signed_update(update, signers, nonce=nonce(), timestamp_ms=now_ms())
