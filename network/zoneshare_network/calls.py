"""How the network's gRPC services run: one event loop for what waits, threads for what works."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2

from zoneshare_network.channel import Channel, CommitStatus
from zoneshare_network.discovery import DiscoveryRefused
from zoneshare_network.endorser import ProposalRefused
from zoneshare_network.gateway import GatewayRefused
from zoneshare_protocols.errors import LedgerFailed

Answer = TypeVar("Answer")
_NO_PEERS: Mapping[str, str] = {}


class Calls:
    """Runs what the services ask for. Made, and used, in the event loop; closed when nothing of it runs any more."""

    def __init__(self, threads: Executor) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = threads
        self._news: dict[str, _News] = {}
        self._watching = ExitStack()

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """What ``work`` returns, or raises, done by a thread."""
        return await self._loop.run_in_executor(self._threads, work)

    async def blocks(self, channel: Channel, first: int) -> AsyncIterator[common_pb2.Block]:
        """Blocks from number ``first`` on, as they come, until the channel stops."""
        news, number = self._news_of(channel), first
        while True:
            changed = news.changed
            while number < channel.height:
                yield await self.run(partial(channel.block, number))
                number += 1
            if channel.stopped:
                return
            await changed.wait()

    async def committed(self, channel: Channel, tx_id: str) -> CommitStatus:
        """What became of a transaction, once it is on the ledger. Raises LedgerFailed where the channel stops."""
        done = asyncio.Event()
        with channel.waiting(tx_id, lambda: self._tell(done.set)) as waiter:
            found = await self.run(lambda: channel.status(tx_id))
            while found is None:
                channel.check_running()
                await done.wait()
                found = waiter.found
        return found

    def close(self) -> None:
        self._watching.close()

    def _news_of(self, channel: Channel) -> "_News":
        if channel.name not in self._news:
            news = self._news[channel.name] = _News()
            self._watching.enter_context(channel.watched(lambda: self._tell(news.turn)))
        return self._news[channel.name]

    def _tell(self, what: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(what)


class _News:
    """An event for each change of a channel, however many wait for it."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    def turn(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


async def refuse(
    context: "grpc.aio.ServicerContext[object, object]", refusal: LedgerFailed, peers: Mapping[str, str] = _NO_PEERS
) -> None:
    """End the call with a peer's gRPC status and details. Does not return. ``peers`` are addresses by MSP id."""
    if isinstance(refusal, GatewayRefused):
        code = grpc.StatusCode[refusal.code]
        await context.abort(code, refusal.message, _details(code, refusal, peers))
    if isinstance(refusal, ProposalRefused | DiscoveryRefused):
        await context.abort(grpc.StatusCode.UNKNOWN, refusal.message)
    await context.abort(grpc.StatusCode.UNAVAILABLE, str(refusal))


def _details(code: grpc.StatusCode, refused: GatewayRefused, peers: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    if not refused.details:
        return ()
    status = status_pb2.Status(code=code.value[0], message=refused.message)
    for detail in refused.details:
        packed = any_pb2.Any()
        packed.Pack(gateway_pb2.ErrorDetail(address=peers[detail.mspid], msp_id=detail.mspid, message=detail.message))
        status.details.append(packed)
    return (("grpc-status-details-bin", status.SerializeToString()),)
