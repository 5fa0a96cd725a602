"""The peer's Discovery service: configuration, peers, and which of them must endorse for a chaincode."""

import hashlib
from collections.abc import Iterable, Sequence

from fabric_protos.discovery import protocol_pb2
from fabric_protos.gossip import message_pb2
from fabric_protos.msp import msp_config_pb2
from google.protobuf.message import DecodeError

from zoneshare_network.channel import Channel
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.nodes import Kind, Node
from zoneshare_network.plans import plans
from zoneshare_network.view import READERS
from zoneshare_protocols.errors import LedgerFailed, Malformed, NotAllowed, ZoneshareError
from zoneshare_protocols.fabric import identity, wire
from zoneshare_protocols.fabric.identity import certificate
from zoneshare_protocols.fabric.signatures import sign


class DiscoveryRefused(LedgerFailed):
    """The whole request is refused; the message is the peer's."""


class Discovery:
    """What the peer ``node`` knows of the network whose ``nodes`` are these.

    A real peer that asks clients for certificates also wants their hash in the request; ours does not compare it.
    """

    def __init__(self, network: EmbeddedNetwork, node: Node, nodes: Sequence[Node]) -> None:
        self._network, self._node = network, node
        self._peers = [one for one in nodes if one.kind is Kind.PEER]
        self._orderers = [one for one in nodes if one.kind is Kind.ORDERER]

    def discover(self, signed: protocol_pb2.SignedRequest) -> protocol_pb2.Response:
        """A result for each query of the request, in their order. Raises DiscoveryRefused."""
        try:
            request = protocol_pb2.Request.FromString(signed.payload)
        except DecodeError as cause:
            raise DiscoveryRefused("failed parsing request") from cause
        if not request.HasField("authentication"):
            raise DiscoveryRefused("access denied, no authentication info in request")
        if not request.authentication.client_identity:
            raise DiscoveryRefused("access denied, client identity wasn't supplied")
        creator = request.authentication.client_identity
        return protocol_pb2.Response(results=[self._result(query, creator, signed) for query in request.queries])

    def _result(
        self, query: protocol_pb2.Query, creator: bytes, signed: protocol_pb2.SignedRequest
    ) -> protocol_pb2.QueryResult:
        try:
            self._authorise(query.channel, creator, signed)
        except ZoneshareError:
            return _error("access denied")
        try:
            return self._dispatch(query)
        except ZoneshareError as failure:
            return _error(failure.message)

    def _authorise(self, name: str, creator: bytes, signed: protocol_pb2.SignedRequest) -> None:
        now = self._network.clock_ms()
        if name:
            self._network.channel(name).authorise(READERS, creator, signed.signature, signed.payload, now)
            return
        parsed = identity.parse(creator)
        if parsed.mspid != self._node.mspid:
            raise NotAllowed("only members of the peer's organisation ask without a channel", mspid=parsed.mspid)
        who = self._network.organisation(parsed.mspid).msp().validate(parsed, now)
        who.verify(signed.signature, signed.payload)

    def _dispatch(self, query: protocol_pb2.Query) -> protocol_pb2.QueryResult:
        kind = query.WhichOneof("query")
        if kind == "local_peers" and not query.channel:
            return self._members(None)
        if not query.channel or kind not in ("config_query", "peer_query", "cc_query"):
            raise Malformed("unknown or missing request type")
        channel = self._network.channel(query.channel)
        if kind == "config_query":
            return self._config(channel)
        if kind == "peer_query":
            wanted = [one.name for one in query.peer_query.filter.chaincodes]
            return self._members(channel, wanted)
        return self._endorsers(channel, query.cc_query)

    def _config(self, channel: Channel) -> protocol_pb2.QueryResult:
        result = protocol_pb2.ConfigResult()
        for mspid, msp in channel.config.msps.items():
            outer = msp_config_pb2.MSPConfig.FromString(msp.to_fabric_config())
            result.msps[mspid].ParseFromString(outer.config)
        for node in self._orderers:
            result.orderers[node.mspid].endpoint.add(host=node.address.rpartition(":")[0], port=node.port)
        return protocol_pb2.QueryResult(config_result=result)

    def _members(self, channel: Channel | None, wanted: Iterable[str] = ()) -> protocol_pb2.QueryResult:
        result = protocol_pb2.PeerMembershipResult()
        there = True
        if channel is not None:
            with channel.view() as view:
                there = all(view.definition(name) for name in wanted)
        for node in self._peers:
            result.peers_by_org[node.mspid].peers.extend([self._peer(node, channel)] if there else [])
        return protocol_pb2.QueryResult(members=result)

    def _endorsers(self, channel: Channel, query: protocol_pb2.ChaincodeQuery) -> protocol_pb2.QueryResult:
        if not query.interests:
            raise Malformed("chaincode query must have at least one chaincode interest")
        found = []
        for interest in query.interests:
            names = [one.name for one in interest.chaincodes]
            if not names:
                raise Malformed("chaincode interest must contain at least one chaincode")
            if not all(names):
                raise Malformed("chaincode name in interest cannot be empty")
            found.append(self._descriptor(channel, names))
        return protocol_pb2.QueryResult(cc_query_res=protocol_pb2.ChaincodeQueryResult(content=found))

    def _descriptor(self, channel: Channel, names: list[str]) -> protocol_pb2.EndorsementDescriptor:
        with channel.view() as view:
            definitions = [view.definition(name) for name in names]
            known = [view.config.msps[mspid].validate(peer.creator) for mspid, peer in self._network.peers.items()]
        policies = tuple(definition.policy for definition in definitions if definition is not None)
        layouts = plans(policies, tuple(known)) if len(policies) == len(names) else ()
        if not layouts:
            listed = " ".join(f'chaincodes:{{name:"{name}"}}' for name in names)
            raise Malformed(f"failed constructing descriptor for {listed}")
        descriptor = protocol_pb2.EndorsementDescriptor(chaincode=names[0])
        groups = {node.mspid: f"G{place}" for place, node in enumerate(self._peers)}
        for node in self._peers:
            if any(node.mspid in layout for layout in layouts):
                descriptor.endorsers_by_groups[groups[node.mspid]].peers.append(self._peer(node, channel))
        for layout in layouts:
            descriptor.layouts.add(quantities_by_group={groups[mspid]: 1 for mspid in layout})
        return descriptor

    def _peer(self, node: Node, channel: Channel | None) -> protocol_pb2.Peer:
        signer = self._network.peers[node.mspid]
        pki_id = hashlib.sha256(node.mspid.encode() + certificate(signer.creator.certificate).tbs_certificate_bytes)
        time = message_pb2.PeerTime(inc_num=1, seq_num=1)
        member = message_pb2.Member(endpoint=node.address, pki_id=pki_id.digest())
        alive = message_pb2.GossipMessage(
            tag=message_pb2.GossipMessage.EMPTY, alive_msg=message_pb2.AliveMessage(membership=member, timestamp=time)
        )
        peer = protocol_pb2.Peer(identity=signer.serialized, membership_info=self._signed(node, alive))
        if channel is not None:
            state = message_pb2.StateInfo(pki_id=pki_id.digest(), timestamp=time)
            state.properties.ledger_height = channel.height
            with channel.view() as view:
                for name in self._network.chaincodes:
                    definition = view.definition(name)
                    if definition is not None:
                        state.properties.chaincodes.add(name=name, version=definition.version)
            told = message_pb2.GossipMessage(tag=message_pb2.GossipMessage.CHAN_OR_ORG, state_info=state)
            peer.state_info.CopyFrom(self._signed(node, told))
        return peer

    def _signed(self, node: Node, message: message_pb2.GossipMessage) -> message_pb2.Envelope:
        payload = wire.write(message)
        return message_pb2.Envelope(payload=payload, signature=sign(self._network.peers[node.mspid].key, payload))


def _error(content: str) -> protocol_pb2.QueryResult:
    return protocol_pb2.QueryResult(error=protocol_pb2.Error(content=content))
