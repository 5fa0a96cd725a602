"""The orderer's service, AtomicBroadcast. gRPC's methods carry the protobuf's names."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc

from zoneshare_network.calls import Calls
from zoneshare_network.deliver import ordered
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.peer_services import sought, tls_hash

CHANNEL_READERS = "/Channel/Readers"


class OrdererService(ab_pb2_grpc.AtomicBroadcastServicer):  # type: ignore[misc]  # generated
    """Takes transactions, and gives out blocks as they are before a peer has validated them."""

    def __init__(self, network: EmbeddedNetwork, calls: Calls) -> None:
        self._network, self._calls = network, calls

    async def Broadcast(
        self, requests: AsyncIterator[common_pb2.Envelope], _: Any
    ) -> AsyncIterator[ab_pb2.BroadcastResponse]:
        async for envelope in requests:
            answer = await self._calls.run(partial(self._network.broadcast, envelope))
            yield answer
            if answer.status != common_pb2.SUCCESS:
                return

    async def Deliver(
        self, requests: AsyncIterator[common_pb2.Envelope], context: Any
    ) -> AsyncIterator[ab_pb2.DeliverResponse]:
        shown = tls_hash(self._network, context)
        async for item in sought(self._network, self._calls, requests, CHANNEL_READERS, shown):
            if isinstance(item, int):
                yield ab_pb2.DeliverResponse(status=item)
            else:
                yield ab_pb2.DeliverResponse(block=ordered(item[1]))
