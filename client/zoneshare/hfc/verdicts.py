"""Inside the worker: what the blocks of a channel say of the transactions somebody waits for.

One event hub a channel, kept open; a transaction is expected before it is sent. hfc's own waiting registers after the
broadcast, and mixes up what runs at the same time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import grpc
from hfc.fabric.channel.channel_eventhub import ChannelEventHub
from hfc.fabric.peer import Peer
from hfc.protos.common import common_pb2

from zoneshare.hfc.failure import Failure, of_rpc
from zoneshare.hfc.messages import Verdict

REMEMBERED = 10_000
"""Transactions; the oldest are forgotten first, and asked for by their ids then."""
DUPLICATE = "DUPLICATE_TXID"
READY_S = 2.0
"""For a peer to deliver the newest block, in seconds."""


class Verdicts:
    """Of one channel."""

    def __init__(self, channel: str, peers: Sequence[Peer]) -> None:
        self._channel = channel
        self._peers = list(peers)
        self._expected: OrderedDict[str, asyncio.Future[Verdict]] = OrderedDict()
        self._opening = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None

    async def expect(self, tx_id: str, seek: bytes) -> None:
        """Listen for the transaction; ``seek`` opens the event hub where none is open. Raises Failure."""
        async with self._opening:
            if self._listening is None:
                await self._open(seek)
            if tx_id not in self._expected:
                self._expected[tx_id] = asyncio.get_running_loop().create_future()
                if len(self._expected) > REMEMBERED:
                    self._expected.popitem(last=False)[1].cancel()

    async def verdict(self, tx_id: str) -> Verdict:
        """Once its block is there. Raises Failure: NOT_FOUND where it is not expected, UNAVAILABLE on a lost hub."""
        future = self._expected.get(tx_id)
        if future is None:
            raise Failure("NOT_FOUND", f"transaction {tx_id} is not expected")
        return await asyncio.shield(future)

    def settle(self, tx_id: str, verdict: Verdict) -> None:
        """Somebody has found it elsewhere."""
        future = self._expected.get(tx_id)
        if future is not None and not future.done():
            future.set_result(verdict)

    async def _open(self, seek: bytes) -> None:
        failure = Failure("UNAVAILABLE", "the connection profile names no peer")
        for peer in tuple(self._peers):
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            hub = ChannelEventHub(peer, self._channel, None)
            hub.registerBlockEvent(unregister=False, onEvent=lambda block, ready=ready: self._seen(block, ready))
            task = asyncio.ensure_future(self._listen(hub, peer.name, seek))
            await asyncio.wait((ready, task), timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
            if ready.done() and not task.done():
                self._listening = task
                task.add_done_callback(self._lost)
                return
            failure = Failure("UNAVAILABLE", f"{peer.name} delivers no blocks")
            if task.done() and (cause := task.exception()) is not None:
                failure = cause if isinstance(cause, Failure) else failure
            elif not task.done():
                hub.stream.cancel()
                task.cancel()
            self._peers.append(self._peers.pop(0))
        raise failure

    async def _listen(self, hub: ChannelEventHub, peer: str, seek: bytes) -> None:
        try:
            await hub.connect(filtered=True, signed_event=common_pb2.Envelope.FromString(seek))
        except grpc.RpcError as error:
            raise of_rpc(error, peer) from error
        raise Failure("UNAVAILABLE", f"{peer} ended the blocks")

    def _seen(self, block: dict[str, Any], ready: asyncio.Future[None]) -> None:
        if not ready.done():
            ready.set_result(None)
        for transaction in block["filtered_transactions"]:
            tx_id, flag = transaction["txid"], transaction["tx_validation_code"]
            if flag != DUPLICATE:
                self.settle(tx_id, Verdict(flag, block["number"]))
            elif tx_id in self._expected and not self._expected[tx_id].done():
                # What counts is in an earlier block: look there.
                self._forget(tx_id, Failure("NOT_FOUND", "the ledger had the transaction before"))

    def _forget(self, tx_id: str, why: Failure) -> None:
        future = self._expected.pop(tx_id)
        future.set_exception(why)
        future.exception()  # nobody may be waiting

    def _lost(self, listening: asyncio.Task[None]) -> None:
        self._listening = None
        cause = None if listening.cancelled() else listening.exception()
        reason = str(cause) if cause is not None else "the event hub was closed"
        for tx_id, future in tuple(self._expected.items()):
            if not future.done():
                self._forget(tx_id, Failure("UNAVAILABLE", f"no verdict: {reason}"))
