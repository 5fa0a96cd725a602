"""The Discovery service, over the wire, as the SDKs ask it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from fabric_protos.discovery import protocol_pb2, protocol_pb2_grpc
from fabric_protos.gossip import message_pb2
from fabric_protos.peer import proposal_response_pb2

from tests.support.embedded import CHANNEL, Client, enrol, running
from zoneshare_network.members import Signer
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.plans import plans
from zoneshare_network.server import FabricServer
from zoneshare_network.topology import Topology
from zoneshare_protocols.fabric import identity
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.policy import parse_policy
from zoneshare_protocols.fabric.signatures import sign, verify
from zoneshare_protocols.stub import Creator

Ask = Callable[..., protocol_pb2.Response]


@pytest.fixture(scope="module")
def server(network: EmbeddedNetwork) -> Iterator[FabricServer]:
    made = FabricServer(network)
    yield made
    made.stop()


@pytest.fixture
def ask(network: EmbeddedNetwork, server: FabricServer, client: Client) -> Iterator[Ask]:
    root = network.organisation("Org1MSP").tls_ca.pem
    with grpc.secure_channel(server.address, grpc.ssl_channel_credentials(root)) as channel:
        stub = protocol_pb2_grpc.DiscoveryStub(channel)

        def asked(
            *queries: protocol_pb2.Query, signer: Signer = client.signer, over: bytes | None = None
        ) -> protocol_pb2.Response:
            authentication = protocol_pb2.AuthInfo(client_identity=signer.serialized)
            payload = protocol_pb2.Request(authentication=authentication, queries=queries).SerializeToString()
            signature = sign(signer.key, payload if over is None else over)
            return stub.Discover(protocol_pb2.SignedRequest(payload=payload, signature=signature), timeout=10)

        yield asked


def interest(*names: str) -> proposal_response_pb2.ChaincodeInterest:
    return proposal_response_pb2.ChaincodeInterest(
        chaincodes=[proposal_response_pb2.ChaincodeCall(name=name) for name in names]
    )


def chaincode(*names: str, channel: str = CHANNEL) -> protocol_pb2.Query:
    return protocol_pb2.Query(channel=channel, cc_query=protocol_pb2.ChaincodeQuery(interests=[interest(*names)]))


PEERS = protocol_pb2.Query(channel=CHANNEL, peer_query=protocol_pb2.PeerMembershipQuery())
CONFIG = protocol_pb2.Query(channel=CHANNEL, config_query=protocol_pb2.ConfigQuery())
LOCAL = protocol_pb2.Query(local_peers=protocol_pb2.LocalPeerQuery())


def test_configuration(ask: Ask, server: FabricServer, network: EmbeddedNetwork) -> None:
    (result,) = ask(CONFIG).results
    config = result.config_result
    assert set(config.msps) == {"Org1MSP", "Org2MSP", "OrdererMSP"}
    assert tuple(config.msps["Org1MSP"].root_certs) == network.organisation("Org1MSP").msp().roots
    assert tuple(config.msps["Org1MSP"].tls_root_certs) == (network.organisation("Org1MSP").tls_ca.pem,)
    (orderer,) = config.orderers["OrdererMSP"].endpoint
    assert f"{orderer.host}:{orderer.port}" == server.nodes[-1].address


def test_peers(ask: Ask, server: FabricServer, network: EmbeddedNetwork) -> None:
    channel, local = ask(PEERS, LOCAL).results
    for found, on_channel in ((channel, True), (local, False)):
        addresses = {}
        for mspid, peers in found.members.peers_by_org.items():
            (peer,) = peers.peers
            assert identity.parse(peer.identity).mspid == mspid
            certificate = identity.certificate(identity.parse(peer.identity).certificate)
            verify(certificate, peer.membership_info.signature, peer.membership_info.payload)
            alive = message_pb2.GossipMessage.FromString(peer.membership_info.payload).alive_msg
            addresses[mspid] = alive.membership.endpoint
            assert peer.HasField("state_info") == on_channel
            if on_channel:
                verify(certificate, peer.state_info.signature, peer.state_info.payload)
                state = message_pb2.GossipMessage.FromString(peer.state_info.payload).state_info
                assert state.properties.ledger_height == network.channel(CHANNEL).height
                assert [(one.name, one.version) for one in state.properties.chaincodes] == [("asset", "1.0")]
        assert addresses == {node.mspid: node.address for node in server.nodes[:2]}
    unknown = protocol_pb2.Query(channel=CHANNEL, peer_query=protocol_pb2.PeerMembershipQuery(filter=interest("no")))
    (result,) = ask(unknown).results
    assert [len(peers.peers) for peers in result.members.peers_by_org.values()] == [0, 0]


def test_endorsers_of_a_chaincode(ask: Ask) -> None:
    (result,) = ask(chaincode("asset")).results
    (descriptor,) = result.cc_query_res.content
    assert descriptor.chaincode == "asset"
    assert [dict(layout.quantities_by_group) for layout in descriptor.layouts] == [{"G0": 1, "G1": 1}]
    groups = {name: identity.parse(p.peers[0].identity).mspid for name, p in descriptor.endorsers_by_groups.items()}
    assert groups == {"G0": "Org1MSP", "G1": "Org2MSP"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (chaincode("nochaincode"), 'failed constructing descriptor for chaincodes:{name:"nochaincode"}'),
        (chaincode("asset", "nochaincode"), "failed constructing descriptor"),
        (chaincode(), "chaincode interest must contain at least one chaincode"),
        (chaincode(""), "chaincode name in interest cannot be empty"),
        (
            protocol_pb2.Query(channel=CHANNEL, cc_query=protocol_pb2.ChaincodeQuery()),
            "chaincode query must have at least one chaincode interest",
        ),
        (chaincode("asset", channel="zone-x"), "access denied"),
        (chaincode("asset", channel=""), "unknown or missing request type"),
        (protocol_pb2.Query(channel=CHANNEL), "unknown or missing request type"),
    ],
)
def test_what_cannot_be_answered(ask: Ask, query: protocol_pb2.Query, words: str) -> None:
    bad, good = ask(query, CONFIG).results
    assert bad.error.content.startswith(words)
    assert good.WhichOneof("result") == "config_result", "the other queries are answered"


def test_who_may_not_ask(ask: Ask, network: EmbeddedNetwork, client: Client) -> None:
    stranger = Signer(Creator("Org9MSP", client.signer.creator.certificate), client.signer.key)
    for response in (ask(CONFIG, LOCAL, signer=stranger), ask(CONFIG, LOCAL, over=b"something else")):
        assert [result.error.content for result in response.results] == ["access denied"] * 2
    other = ask(CONFIG, LOCAL, signer=enrol(network, "Org2MSP")).results
    assert other[0].WhichOneof("result") == "config_result"
    assert other[1].error.content == "access denied", "without a channel a peer answers its own organisation only"


@pytest.mark.parametrize(
    ("request_bytes", "words"),
    [
        (b"\xff", "failed parsing request"),
        (b"", "access denied, no authentication info in request"),
        (
            protocol_pb2.Request(authentication=protocol_pb2.AuthInfo()).SerializeToString(),
            "access denied, client identity wasn't supplied",
        ),
    ],
)
def test_what_is_no_request(server: FabricServer, network: EmbeddedNetwork, request_bytes: bytes, words: str) -> None:
    root = network.organisation("Org1MSP").tls_ca.pem
    with grpc.secure_channel(server.address, grpc.ssl_channel_credentials(root)) as channel:
        stub = protocol_pb2_grpc.DiscoveryStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Discover(protocol_pb2.SignedRequest(payload=request_bytes), timeout=10)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNKNOWN, words)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("AND('A.peer','B.peer')", (("A", "B"),)),
        ("OR('A.peer','B.peer')", (("A",), ("B",))),
        ("OutOf(2,'A.peer','B.peer','C.peer')", (("A", "B"), ("A", "C"), ("B", "C"))),
        ("OR('A.peer',AND('B.peer','C.peer'))", (("A",), ("B", "C"))),
        ("AND('A.peer','D.peer')", ()),
    ],
)
def test_plans(tmp_path: Path, policy: str, expected: tuple[tuple[str, ...], ...]) -> None:
    with running(tmp_path, shape=Topology(organisations=("A", "B", "C"), channels=())) as network:
        msps = [Msp(name, network.organisation(name).msp().roots) for name in ("A", "B", "C")]
        peers = tuple(msp.validate(network.peers[msp.mspid].creator) for msp in msps)
    assert plans((parse_policy(policy).SerializeToString(),), peers) == expected
