"""The services of one organisation's peer: Endorser, Gateway, Deliver. gRPC's methods carry the protobuf's names."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

import grpc
from cryptography.hazmat.primitives.hashes import SHA256
from fabric_protos.common import common_pb2
from fabric_protos.discovery import protocol_pb2, protocol_pb2_grpc
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import events_pb2, events_pb2_grpc, peer_pb2_grpc, proposal_pb2, proposal_response_pb2

from zoneshare_network import deliver
from zoneshare_network.calls import Calls, refuse
from zoneshare_network.deliver import Seek, SeekRefused
from zoneshare_network.discovery import Discovery
from zoneshare_network.gateway import Gateway
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.nodes import Node
from zoneshare_network.view import READERS
from zoneshare_protocols.errors import LedgerFailed
from zoneshare_protocols.fabric.identity import certificate

Answer = TypeVar("Answer")
Envelopes: TypeAlias = AsyncIterator[common_pb2.Envelope]
Sought: TypeAlias = tuple[Seek, common_pb2.Block]
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class EndorserService(peer_pb2_grpc.EndorserServicer):  # type: ignore[misc]  # generated
    """The organisation's own peer."""

    def __init__(self, network: EmbeddedNetwork, node: Node, calls: Calls) -> None:
        self._network, self._node, self._calls = network, node, calls

    async def ProcessProposal(
        self, request: proposal_pb2.SignedProposal, context: Context
    ) -> proposal_response_pb2.ProposalResponse:
        try:
            return await self._calls.run(lambda: self._network.process_proposal(self._node.mspid, request))
        except LedgerFailed as refusal:
            return await refuse(context, refusal)


class GatewayService(gateway_pb2_grpc.GatewayServicer):  # type: ignore[misc]  # generated
    """The gateway at the organisation's peer."""

    def __init__(self, network: EmbeddedNetwork, node: Node, nodes: Sequence[Node], calls: Calls) -> None:
        self._gateway, self._calls = Gateway(network, node.mspid), calls
        self._addresses = {one.mspid: one.address for one in nodes}

    async def Evaluate(self, request: gateway_pb2.EvaluateRequest, context: Context) -> Any:
        return await self._answer(context, lambda: self._gateway.evaluate(request))

    async def Endorse(self, request: gateway_pb2.EndorseRequest, context: Context) -> Any:
        return await self._answer(context, lambda: self._gateway.endorse(request))

    async def Submit(self, request: gateway_pb2.SubmitRequest, context: Context) -> Any:
        return await self._answer(context, lambda: self._gateway.submit(request))

    async def CommitStatus(self, request: gateway_pb2.SignedCommitStatusRequest, context: Context) -> Any:
        channel, tx_id = await self._answer(context, lambda: self._gateway.status_asked(request))
        try:
            found = await self._calls.committed(channel, tx_id)
        except LedgerFailed as failure:
            return await refuse(context, failure, self._addresses)
        return gateway_pb2.CommitStatusResponse(result=int(found.flag), block_number=found.block)

    async def ChaincodeEvents(
        self, request: gateway_pb2.SignedChaincodeEventsRequest, context: Context
    ) -> AsyncIterator[gateway_pb2.ChaincodeEventsResponse]:
        channel, events = await self._answer(context, lambda: self._gateway.events_asked(request))
        async for block in self._calls.blocks(channel, events.start):
            response = events.of(block)
            if response is not None:
                yield response
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the network has been stopped")

    async def _answer(self, context: Context, serve: Callable[[], Answer]) -> Answer:
        try:
            return await self._calls.run(serve)
        except LedgerFailed as refusal:
            await refuse(context, refusal, self._addresses)
            raise


class DiscoveryService(protocol_pb2_grpc.DiscoveryServicer):  # type: ignore[misc]  # generated
    """What the peer knows of the network."""

    def __init__(self, discovery: Discovery, calls: Calls) -> None:
        self._discovery, self._calls = discovery, calls

    async def Discover(self, request: protocol_pb2.SignedRequest, context: Context) -> Any:
        try:
            return await self._calls.run(lambda: self._discovery.discover(request))
        except LedgerFailed as refusal:
            return await refuse(context, refusal)


class DeliverService(events_pb2_grpc.DeliverServicer):  # type: ignore[misc]  # generated
    """Blocks to who may read the channel. There is no private data here, so no block comes with any."""

    def __init__(self, network: EmbeddedNetwork, calls: Calls) -> None:
        self._network, self._calls = network, calls

    async def Deliver(self, requests: Envelopes, context: Context) -> AsyncIterator[events_pb2.DeliverResponse]:
        async for item in self._sought(requests, context):
            yield _answer(item, lambda _seek, block: events_pb2.DeliverResponse(block=block))

    async def DeliverFiltered(self, requests: Envelopes, context: Context) -> AsyncIterator[events_pb2.DeliverResponse]:
        def short(seek: Seek, block: common_pb2.Block) -> events_pb2.DeliverResponse:
            return events_pb2.DeliverResponse(filtered_block=deliver.filtered(seek.channel.name, block))

        async for item in self._sought(requests, context):
            yield _answer(item, short)

    async def DeliverWithPrivateData(
        self, requests: Envelopes, context: Context
    ) -> AsyncIterator[events_pb2.DeliverResponse]:
        def whole(_: Seek, block: common_pb2.Block) -> events_pb2.DeliverResponse:
            return events_pb2.DeliverResponse(block_and_private_data=events_pb2.BlockAndPrivateData(block=block))

        async for item in self._sought(requests, context):
            yield _answer(item, whole)

    def _sought(self, requests: Envelopes, context: Context) -> AsyncIterator[Sought | int]:
        return sought(self._network, self._calls, requests, READERS, tls_hash(self._network, context))


def _answer(
    item: Sought | int, shape: Callable[[Seek, common_pb2.Block], events_pb2.DeliverResponse]
) -> events_pb2.DeliverResponse:
    return events_pb2.DeliverResponse(status=item) if isinstance(item, int) else shape(*item)


def tls_hash(network: EmbeddedNetwork, context: Context) -> bytes | None:
    """SHA-256 of the certificate that the client has shown; None where the network asks for none."""
    if not network.topology.client_auth:
        return None
    shown = next(iter(context.auth_context()["x509_pem_cert"]))
    return certificate(shown).fingerprint(SHA256())


async def sought(
    network: EmbeddedNetwork, calls: Calls, requests: Envelopes, policy: str, shown: bytes | None
) -> AsyncIterator[Sought | int]:
    """The blocks that each request asks for, and then its common.Status, until one is refused."""
    async for envelope in requests:
        try:
            seek = await calls.run(partial(deliver.read_seek, envelope, network.find, policy, network.clock_ms, shown))
            if seek.waits or seek.first < seek.channel.height:
                async for block in calls.blocks(seek.channel, seek.first):
                    seek.recheck()
                    yield seek, deliver.header_of(block) if seek.headers_only else block
                    if block.header.number == seek.last:
                        break
                    seek.check_ready(block.header.number + 1)
                else:
                    raise SeekRefused(common_pb2.SERVICE_UNAVAILABLE, "the network has been stopped")
            else:
                seek.check_ready(seek.first)
        except SeekRefused as refused:
            yield refused.status
            return
        yield int(common_pb2.SUCCESS)
