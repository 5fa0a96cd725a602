"""Every node of the network on its own port: Endorser, Deliver and Broadcast, as peers and orderers answer."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc
from fabric_protos.peer import events_pb2, events_pb2_grpc, peer_pb2_grpc, transaction_pb2

from tests.support.embedded import CHANNEL, TIMEOUT, Client, enrol
from zoneshare_network.deliver import TIME_WINDOW_MS
from zoneshare_network.members import Signer
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.nodes import Kind, Node
from zoneshare_network.pki import Role, load_key, new_key
from zoneshare_network.server import FabricServer
from zoneshare_network.topology import utc
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import transaction
from zoneshare_protocols.fabric.signatures import sign
from zoneshare_protocols.fabric.wire import timestamp
from zoneshare_protocols.stub import Creator

OLDEST = ab_pb2.SeekPosition(oldest=ab_pb2.SeekOldest())
NEWEST = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
EVER = 2**64 - 1


@dataclass
class Site:
    network: EmbeddedNetwork
    nodes: tuple[Node, ...]
    channels: dict[str, grpc.Channel]

    def peer(self, mspid: str = "Org1MSP") -> events_pb2_grpc.DeliverStub:
        return events_pb2_grpc.DeliverStub(self.channels[mspid])

    def orderer(self) -> ab_pb2_grpc.AtomicBroadcastStub:
        return ab_pb2_grpc.AtomicBroadcastStub(self.channels["OrdererMSP"])


@pytest.fixture(scope="module")
def site(network: EmbeddedNetwork) -> Iterator[Site]:
    server = FabricServer(network)
    with ExitStack() as stack:
        channels = {}
        for node in server.nodes:
            root = (network.folder / "orgs" / node.mspid / "tlsca" / "cert.pem").read_bytes()
            channel = grpc.secure_channel(node.address, grpc.ssl_channel_credentials(root))
            channels[node.mspid] = stack.enter_context(channel)
        yield Site(network, server.nodes, channels)
    server.stop()


def at(number: int) -> ab_pb2.SeekPosition:
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number))


def seek(
    client: Client,
    start: ab_pb2.SeekPosition | None,
    stop: ab_pb2.SeekPosition | None,
    *,
    behavior: int = ab_pb2.SeekInfo.BLOCK_UNTIL_READY,
    content: int = ab_pb2.SeekInfo.BLOCK,
    at_ms: int | None = None,
) -> common_pb2.Envelope:
    info = ab_pb2.SeekInfo(start=start, stop=stop, behavior=behavior, content_type=content)
    channel = common_pb2.ChannelHeader(
        type=common_pb2.DELIVER_SEEK_INFO,
        channel_id=client.channel,
        timestamp=timestamp(client.network.clock_ms() if at_ms is None else at_ms),
    )
    signer = common_pb2.SignatureHeader(creator=client.signer.serialized, nonce=b"n" * 24)
    header = common_pb2.Header(channel_header=channel.SerializeToString(), signature_header=signer.SerializeToString())
    payload = common_pb2.Payload(header=header, data=info.SerializeToString()).SerializeToString()
    return common_pb2.Envelope(payload=payload, signature=sign(client.signer.key, payload))


def asked(method: Any, *envelopes: common_pb2.Envelope) -> list[Any]:
    """All answers; the stream ends by itself."""
    return list(method(iter(envelopes), timeout=TIMEOUT))


def status(method: Any, envelope: common_pb2.Envelope) -> str:
    """The one answer, a status."""
    (answer,) = asked(method, envelope)
    assert answer.WhichOneof("Type") == "status"
    return str(common_pb2.Status.Name(answer.status))


def test_every_organisation_has_a_node(site: Site) -> None:
    found = [(node.name, node.kind, node.mspid) for node in site.nodes]
    assert found == [
        ("peer0.Org1MSP", Kind.PEER, "Org1MSP"),
        ("peer0.Org2MSP", Kind.PEER, "Org2MSP"),
        ("orderer0.OrdererMSP", Kind.ORDERER, "OrdererMSP"),
    ]
    assert len({node.port for node in site.nodes}) == 3


def test_each_peer_endorses_for_its_organisation(site: Site, client: Client) -> None:
    signed = client.signed(client.propose("put", "by", "1")[0])
    for mspid in ("Org1MSP", "Org2MSP"):
        answer = peer_pb2_grpc.EndorserStub(site.channels[mspid]).ProcessProposal(signed)
        assert answer.endorsement.endorser == site.network.peers[mspid].serialized


def test_broadcast_and_the_block_it_comes_in(site: Site, client: Client) -> None:
    first, first_id = client.endorsed("putev", "bc", "1")
    second, second_id = client.endorsed("put", "bd", "2")
    answers = asked(site.orderer().Broadcast, first, second)
    assert [answer.status for answer in answers] == [common_pb2.SUCCESS] * 2
    number = client.committed(first_id).block
    client.committed(second_id)
    envelope = seek(client, at(number), at(number))
    committed, end = asked(site.peer("Org2MSP").Deliver, envelope)
    assert (end.WhichOneof("Type"), end.status) == ("status", common_pb2.SUCCESS)
    assert committed.block == client.network.channel(CHANNEL).block(number)
    (ordered, _) = asked(site.orderer().Deliver, envelope)
    assert ordered.block.header == committed.block.header
    assert ordered.block.data == committed.block.data
    assert blocks.flags(ordered.block) == ()
    assert blocks.signers(ordered.block, client.network.channel(CHANNEL).config.msps)
    (whole, _) = asked(site.peer().DeliverWithPrivateData, envelope)
    assert whole.block_and_private_data.block == committed.block
    assert not whole.block_and_private_data.private_data_map
    (short, _) = asked(site.peer().DeliverFiltered, envelope)
    found = short.filtered_block
    assert (found.channel_id, found.number) == (CHANNEL, number)
    entry = next(one for one in found.filtered_transactions if one.txid == first_id)
    assert (entry.type, entry.tx_validation_code) == (common_pb2.ENDORSER_TRANSACTION, transaction_pb2.VALID)
    (action,) = entry.transaction_actions.chaincode_actions
    event = action.chaincode_event
    assert (event.chaincode_id, event.event_name, event.payload) == ("asset", "put", b"")


def test_what_the_orderer_refuses_ends_the_stream(site: Site, client: Client) -> None:
    envelope, tx_id = client.endorsed("put", "refused", "1")
    tampered = common_pb2.Envelope(payload=envelope.payload.replace(b"refused", b"REFUSED"))
    tampered.signature = envelope.signature
    answers = asked(site.orderer().Broadcast, tampered, envelope)
    assert [common_pb2.Status.Name(answer.status) for answer in answers] == ["FORBIDDEN"]
    assert client.network.commit_status(CHANNEL, tx_id, 0) is None
    garbage = common_pb2.Envelope(payload=b"\xff\xff")
    assert [common_pb2.Status.Name(a.status) for a in asked(site.orderer().Broadcast, garbage)] == ["BAD_REQUEST"]
    nowhere = Client(client.network, client.signer, "zone-x")
    proposed, _ = nowhere.propose("put", "k", "v")
    header = common_pb2.Header.FromString(proposed.header)
    payload = common_pb2.Payload(header=header).SerializeToString()
    lost = transaction.sign(payload, client.signer.key)
    assert [common_pb2.Status.Name(a.status) for a in asked(site.orderer().Broadcast, lost)] == ["NOT_FOUND"]


def test_positions(site: Site, client: Client) -> None:
    client.submit("put", "pos", "1")
    top = client.network.channel(CHANNEL).height - 1

    def numbers(start: ab_pb2.SeekPosition, stop: ab_pb2.SeekPosition) -> list[int]:
        *found, end = asked(site.peer().Deliver, seek(client, start, stop))
        assert end.status == common_pb2.SUCCESS
        return [answer.block.header.number for answer in found]

    assert numbers(OLDEST, at(2)) == [0, 1, 2]
    assert numbers(OLDEST, OLDEST) == [0]
    assert numbers(NEWEST, NEWEST) == [top]
    assert numbers(OLDEST, NEWEST) == list(range(top + 1))
    assert numbers(at(1), at(1)) == [1]


def test_one_stream_takes_several_requests(site: Site, client: Client) -> None:
    answers = asked(site.peer().Deliver, seek(client, at(0), at(0)), seek(client, at(1), at(1)))
    assert [answer.WhichOneof("Type") for answer in answers] == ["block", "status", "block", "status"]
    answers = asked(site.peer().Deliver, seek(client, at(1), at(0)), seek(client, at(1), at(1)))
    assert [answer.status for answer in answers] == [common_pb2.BAD_REQUEST], "a refusal ends the stream"


def test_headers_only(site: Site, client: Client) -> None:
    envelope = seek(client, at(1), at(1), content=ab_pb2.SeekInfo.HEADER_WITH_SIG)
    (answer, _) = asked(site.orderer().Deliver, envelope)
    assert answer.block.header.number == 1
    assert not answer.block.data.data
    assert blocks.signers(answer.block, client.network.channel(CHANNEL).config.msps)


@pytest.mark.parametrize("service", ["peer", "filtered", "private", "orderer"])
def test_who_may_not_read_or_asks_for_nonsense(site: Site, client: Client, service: str) -> None:
    method = {
        "peer": site.peer().Deliver,
        "filtered": site.peer().DeliverFiltered,
        "private": site.peer().DeliverWithPrivateData,
        "orderer": site.orderer().Deliver,
    }[service]
    good = seek(client, at(0), at(0))
    forged = common_pb2.Envelope(payload=good.payload, signature=sign(client.signer.key, b"something else"))
    assert status(method, forged) == "FORBIDDEN"
    assert status(method, common_pb2.Envelope(payload=good.payload)) == "FORBIDDEN"
    stranger = Client(client.network, Signer(Creator("Org9MSP", client.signer.creator.certificate), client.signer.key))
    assert status(method, seek(stranger, at(0), at(0))) == "FORBIDDEN"
    future = at(client.network.channel(CHANNEL).height)
    assert status(method, seek(stranger, future, future)) == "FORBIDDEN", "at once, not when the block comes"
    assert status(method, seek(stranger, None, future)) == "FORBIDDEN", "before what else is wrong is looked at"
    assert status(method, seek(Client(client.network, client.signer, "zone-x"), at(0), at(0))) == "NOT_FOUND"
    assert status(method, seek(client, at(1), at(0))) == "BAD_REQUEST"
    assert status(method, seek(client, None, at(3))) == "BAD_REQUEST"
    assert status(method, seek(client, at(0), None)) == "BAD_REQUEST"
    assert status(method, seek(client, at(99999), at(99999))) == "NOT_FOUND"
    late = client.network.clock_ms() - TIME_WINDOW_MS - 1000
    assert status(method, seek(client, at(0), at(0), at_ms=late)) == "BAD_REQUEST"
    assert status(method, common_pb2.Envelope(payload=b"\xff")) == "BAD_REQUEST"
    assert status(method, common_pb2.Envelope()) == "BAD_REQUEST"


def test_a_block_that_is_not_there_yet(site: Site, client: Client) -> None:
    height = client.network.channel(CHANNEL).height
    hurried = seek(client, at(height), at(EVER), behavior=ab_pb2.SeekInfo.FAIL_IF_NOT_READY)
    assert status(site.peer().Deliver, hurried) == "NOT_FOUND"
    partly = seek(client, at(height - 1), at(EVER), behavior=ab_pb2.SeekInfo.FAIL_IF_NOT_READY)
    first, end = asked(site.peer().Deliver, partly)
    assert (first.block.header.number, end.status) == (height - 1, common_pb2.NOT_FOUND)
    stream = site.peer().Deliver(iter([seek(client, at(height), at(height))]), timeout=TIMEOUT)
    found: list[events_pb2.DeliverResponse] = []
    reading = threading.Thread(target=lambda: found.extend(stream))
    reading.start()
    client.submit("put", "waited", "1")
    reading.join(TIMEOUT)
    assert [answer.WhichOneof("Type") for answer in found] == ["block", "status"]
    assert found[0].block.header.number == height


def test_who_loses_the_right_gets_no_further_block(site: Site, client: Client) -> None:
    leaver = Client(client.network, enrol(client.network, name="leaver"))
    height = client.network.channel(CHANNEL).height
    stream = site.peer().Deliver(iter([seek(leaver, at(height - 1), at(EVER))]), timeout=TIMEOUT)
    assert next(stream).block.header.number == height - 1
    client.network.organisation("Org1MSP").revoke("leaver", client.network.clock_ms())
    client.network.reconcile()
    answers = list(stream)
    assert [answer.status for answer in answers] == [common_pb2.FORBIDDEN]


def test_a_peer_of_the_orderers_organisation_reads_the_orderers_blocks_only(site: Site, client: Client) -> None:
    made = client.network._orderer.enrol("auditor", Role.ADMIN, client.network.clock_ms())
    assert made.key is not None
    auditor = Client(client.network, Signer(Creator("OrdererMSP", made.certificate), load_key(made.key)))
    envelope = seek(auditor, at(0), at(0))
    assert len(asked(site.orderer().Deliver, envelope)) == 2
    assert status(site.peer().Deliver, envelope) == "FORBIDDEN"


def _expired(network: EmbeddedNetwork) -> Client:
    member, now = network.organisation("Org1MSP"), network.clock_ms()
    key, past = new_key(), timedelta(seconds=-1)
    certificate = member.ca.enrol(key.public_key(), "late", Role.CLIENT, utc(now), past)
    return Client(network, Signer(Creator("Org1MSP", certificate), key))


def test_an_expired_certificate_is_refused_by_every_service(site: Site, client: Client) -> None:
    late = _expired(site.network)
    channel = site.channels["Org1MSP"]
    signed = late.signed(late.propose("put", "k", "v")[0])
    denied = "access denied: channel [zone-a] creator org [Org1MSP]"
    with pytest.raises(grpc.RpcError, match=re.escape(denied)):
        peer_pb2_grpc.EndorserStub(channel).ProcessProposal(signed)
    gateway = gateway_pb2_grpc.GatewayStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        gateway.Endorse(gateway_pb2.EndorseRequest(proposed_transaction=signed))
    assert code_of(caught.value) is grpc.StatusCode.ABORTED
    with pytest.raises(grpc.RpcError) as caught:
        gateway.CommitStatus(late.status_request("f" * 64))
    assert code_of(caught.value) is grpc.StatusCode.PERMISSION_DENIED
    assert status(site.peer().Deliver, seek(late, at(0), at(0))) == "FORBIDDEN"
    payload, _ = client.endorsed("put", "late", "v")
    header = common_pb2.Payload.FromString(payload.payload)
    signer = common_pb2.SignatureHeader.FromString(header.header.signature_header)
    signer.creator = late.signer.serialized
    header.header.signature_header = signer.SerializeToString()
    forged = transaction.sign(header.SerializeToString(), late.signer.key)
    answers = asked(site.orderer().Broadcast, forged)
    assert [common_pb2.Status.Name(answer.status) for answer in answers] == ["FORBIDDEN"]


def test_a_transaction_that_is_replayed(site: Site, client: Client) -> None:
    """Its proposal is refused at once; the transaction itself is ordered, and marked in its block."""
    proposed, tx_id = client.propose("put", "replayed", "1")
    signed = client.signed(proposed)
    answers = [client.network.process_proposal(mspid, signed) for mspid in ("Org1MSP", "Org2MSP")]
    envelope = transaction.sign(transaction.assemble(proposed, answers), client.signer.key)
    first = asked(site.orderer().Broadcast, envelope)[0]
    number = client.committed(tx_id).block
    stream = site.peer().DeliverFiltered(iter([seek(client, at(number + 1), at(number + 1))]), timeout=TIMEOUT)
    second = asked(site.orderer().Broadcast, envelope)[0]
    assert (first.status, second.status) == (common_pb2.SUCCESS, common_pb2.SUCCESS)
    (entry,) = next(stream).filtered_block.filtered_transactions
    assert (entry.txid, entry.tx_validation_code) == (tx_id, transaction_pb2.DUPLICATE_TXID)
    with pytest.raises(grpc.RpcError, match=re.escape(f"duplicate transaction found [{tx_id}]")):
        peer_pb2_grpc.EndorserStub(site.channels["Org1MSP"]).ProcessProposal(signed)


def code_of(error: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = error.code()
    return code
