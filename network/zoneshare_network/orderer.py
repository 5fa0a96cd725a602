"""The orderer: who may write, what goes into a block, and when a block is cut (by count, bytes and time)."""

import queue
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from google.protobuf.message import DecodeError

from zoneshare_network.channel import Channel, is_config
from zoneshare_network.members import Signer
from zoneshare_protocols.errors import LedgerFailed, ZoneshareError
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric.config import BatchLimits

_FORBIDDEN = (
    "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' "
    "sub-policies to be satisfied: permission denied"
)
_RESERVED = (common_pb2.CONFIG, common_pb2.CONFIG_UPDATE, common_pb2.ORDERER_TRANSACTION)


@dataclass
class BlockCutter:
    """Fabric's rule for which envelopes share a block."""

    limits: BatchLimits
    pending: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def add(self, envelope: bytes) -> list[list[bytes]]:
        """The batches (none, one or two) that are full now. What is bigger than preferred is a batch of its own."""
        batches: list[list[bytes]] = []
        if len(envelope) > self.limits.preferred_bytes:
            batches += [self.cut()] if self.pending else []
            return [*batches, [envelope]]
        if self._bytes + len(envelope) > self.limits.preferred_bytes and self.pending:
            batches.append(self.cut())
        self.pending.append(envelope)
        self._bytes += len(envelope)
        if len(self.pending) >= self.limits.max_messages:
            batches.append(self.cut())
        return batches

    def cut(self) -> list[bytes]:
        batch, self.pending, self._bytes = self.pending, [], 0
        return batch


class _Envelope(NamedTuple):
    data: bytes
    at: float
    """Seconds of the monotonic clock."""


class _Batch(NamedTuple):
    """Envelopes that have a block of their own."""

    envelopes: list[bytes]
    done: "Future[None]"


class Orderer:
    """Orders one channel: :meth:`broadcast` from any thread; one thread of its own cuts, signs and commits blocks."""

    def __init__(self, channel: Channel, signer: Signer, limits: BatchLimits, clock_ms: Callable[[], int]) -> None:
        self._channel = channel
        self._signer = signer
        self._limits = limits
        self._clock_ms = clock_ms
        self._cutter = BlockCutter(limits)
        self._queue: queue.SimpleQueue[_Envelope | _Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"orderer {channel.name}", daemon=True)
        self._since = 0.0
        self._stopped = False
        self._tip = b""
        if channel.height:
            with channel.store.snapshot() as snapshot:
                self._tip = snapshot.block_hash(snapshot.height - 1) or b""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what was taken so far, then end."""
        self._queue.put(None)
        self._thread.join()

    def broadcast(self, envelope: common_pb2.Envelope) -> ab_pb2.BroadcastResponse:
        """Take an envelope for ordering. SUCCESS says that it will be in a block, not that it will be valid there."""
        data = envelope.SerializeToString()
        refusal = self._refusal(envelope, len(data))
        if refusal is None:
            self._queue.put(_Envelope(data, time.monotonic()))
        return refusal or _answer(common_pb2.SUCCESS)

    def _refusal(self, envelope: common_pb2.Envelope, size: int) -> ab_pb2.BroadcastResponse | None:
        status, info = common_pb2.BAD_REQUEST, ""
        if self._stopped:
            status, info = common_pb2.SERVICE_UNAVAILABLE, str(self._channel.failure or "the network has been stopped")
        elif size > self._limits.absolute_bytes:
            info = f"message payload is {size} bytes and exceeds maximum allowed {self._limits.absolute_bytes} bytes"
        else:
            try:
                payload = common_pb2.Payload.FromString(envelope.payload)
                if common_pb2.ChannelHeader.FromString(payload.header.channel_header).type in _RESERVED:
                    info = "the embedded network changes its configuration by its own commands only"
                elif not self._may_write(envelope, payload.header):
                    status, info = common_pb2.FORBIDDEN, _FORBIDDEN
            except DecodeError:
                info = "error unmarshalling Payload"
        return _answer(status, info) if info else None

    def _may_write(self, envelope: common_pb2.Envelope, header: common_pb2.Header) -> bool:
        try:
            creator = common_pb2.SignatureHeader.FromString(header.signature_header).creator
            now = self._clock_ms()
            self._channel.authorise("/Channel/Writers", creator, envelope.signature, envelope.payload, now)
        except (ZoneshareError, DecodeError):
            return False
        return True

    def order(self, envelopes: list[bytes]) -> None:
        """Put these, which the network itself has made, into a block of their own, and wait until it is committed.

        Raises LedgerFailed.
        """
        done: Future[None] = Future()
        self._queue.put(_Batch(envelopes, done))
        if self._stopped:
            self._drain()
        done.result()

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except LedgerFailed as failure:
            self._channel.fail(failure)
        except Exception as cause:
            self._channel.fail(LedgerFailed(f"the orderer has stopped: {cause}", channel=self._channel.name))
            raise
        finally:
            self._stopped = True
            self._drain()

    def _step(self) -> bool:
        try:
            item = self._next()
        except queue.Empty:
            self._commit(self._cutter.cut())
            return True
        if isinstance(item, _Envelope):
            if not self._cutter.pending:
                self._since = item.at
            for batch in self._cutter.add(item.data):
                self._commit(batch)
                self._since = item.at
            return True
        if self._cutter.pending:
            self._commit(self._cutter.cut())
        if item is None:
            return False
        self._commit_own(item)
        return True

    def _next(self) -> "_Envelope | _Batch | None":
        """The next item; raises queue.Empty when the pending envelopes have waited long enough."""
        if not self._cutter.pending:
            return self._queue.get()
        left = self._since + self._limits.timeout_ms / 1000 - time.monotonic()
        # What arrived while a block was being written joins the next one, however late it is.
        return self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()

    def _commit_own(self, batch: _Batch) -> None:
        try:
            self._commit(batch.envelopes)
        except Exception as cause:
            batch.done.set_exception(cause)
            raise
        batch.done.set_result(None)

    def _commit(self, envelopes: list[bytes]) -> None:
        block = blocks.build(self._channel.height, self._tip, envelopes)
        last_config = block.header.number if is_config(block) else self._channel.last_config
        blocks.sign(block, self._signer.key, self._signer.serialized, secrets.token_bytes(24), last_config)
        self._channel.commit(block)
        self._tip = blocks.header_hash(block.header)

    def _drain(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, _Batch):
                item.done.set_exception(LedgerFailed("the orderer has stopped", channel=self._channel.name))


def _answer(status: int, info: str = "") -> ab_pb2.BroadcastResponse:
    return ab_pb2.BroadcastResponse(status=status, info=info)
