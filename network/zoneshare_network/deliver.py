"""The Deliver services of peers and orderers: what a signed seek asks for, and with which status it is refused."""

from collections.abc import Callable
from dataclasses import dataclass

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2
from google.protobuf.message import DecodeError

from zoneshare_network.channel import Channel
from zoneshare_protocols.errors import LedgerFailed, ZoneshareError
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import transaction, wire
from zoneshare_protocols.fabric.validation import TxFlag

TIME_WINDOW_MS = 15 * 60 * 1000
"""How far a seek's timestamp may be from the node's clock."""


class SeekRefused(LedgerFailed):
    """The common.Status with which a node ends the stream."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why, status=common_pb2.Status.Name(status))
        self.status = status


@dataclass(frozen=True)
class Seek:
    """Blocks ``first`` to ``last`` of a channel, for one who may read it."""

    channel: Channel
    first: int
    last: int
    waits: bool
    """Whether a block that is not there yet is waited for."""
    headers_only: bool
    recheck: Callable[[], None]
    """Raises SeekRefused where the reader has lost the right meanwhile."""

    def check_ready(self, number: int) -> None:
        """Raises SeekRefused for a block that is not there, and is not to be waited for."""
        if not self.waits and number >= self.channel.height:
            raise SeekRefused(common_pb2.NOT_FOUND, f"block {number} not found")


def read_seek(
    envelope: common_pb2.Envelope,
    find: Callable[[str], Channel | None],
    policy: str,
    clock_ms: Callable[[], int],
    tls_hash: bytes | None = None,
) -> Seek:
    """What the envelope asks for; its signer must satisfy ``policy``. Raises SeekRefused, in a node's order.

    ``tls_hash`` is that of the certificate the client has shown, where it must show one: the header must have it too.
    """
    bad = common_pb2.BAD_REQUEST
    try:
        payload = common_pb2.Payload.FromString(envelope.payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        creator = common_pb2.SignatureHeader.FromString(payload.header.signature_header).creator
    except DecodeError as cause:
        raise SeekRefused(bad, "the envelope cannot be read") from cause
    if abs(clock_ms() - wire.millis(header.timestamp)) > TIME_WINDOW_MS:
        raise SeekRefused(bad, "the envelope's timestamp is missing, or too far from the node's time")
    if tls_hash is not None and header.tls_cert_hash != tls_hash:
        raise SeekRefused(bad, "the header's TLS certificate hash is not that of the client's certificate")
    channel = find(header.channel_id)
    if channel is None:
        raise SeekRefused(common_pb2.NOT_FOUND, f"channel {header.channel_id} not found")
    try:
        info = ab_pb2.SeekInfo.FromString(payload.data)
    except DecodeError as cause:
        raise SeekRefused(bad, "malformed seekInfo payload") from cause

    def recheck() -> None:
        try:
            channel.authorise(policy, creator, envelope.signature, envelope.payload, clock_ms())
        except ZoneshareError as cause:
            raise SeekRefused(common_pb2.FORBIDDEN, cause.message) from cause

    recheck()
    if not info.HasField("start") or not info.HasField("stop"):
        raise SeekRefused(bad, "missing start or stop")
    first, last = _bounds(info, channel.height)
    if last < first:
        raise SeekRefused(bad, f"start number {first} greater than stop number {last}")
    return Seek(
        channel=channel,
        first=first,
        last=last,
        waits=info.behavior == ab_pb2.SeekInfo.BLOCK_UNTIL_READY,
        headers_only=info.content_type == ab_pb2.SeekInfo.HEADER_WITH_SIG,
        recheck=recheck,
    )


def _bounds(info: ab_pb2.SeekInfo, height: int) -> tuple[int, int]:
    start, stop = info.start.WhichOneof("Type"), info.stop.WhichOneof("Type")
    places = {"oldest": 0, "newest": height - 1, "next_commit": height, "specified": info.start.specified.number}
    if start not in places or places[start] > height:
        raise SeekRefused(common_pb2.NOT_FOUND, "no such block to start from")
    first = places[start]
    if stop == "specified":
        return first, int(info.stop.specified.number)
    # As in Fabric, a stop at the oldest is where the start is, whatever that is; so it is for newest to newest.
    alone = stop == "oldest" or start == stop == "newest"
    return first, first if alone else max(first, height - 1)


def ordered(block: common_pb2.Block) -> common_pb2.Block:
    """The block as an orderer has it, without what a committer adds."""
    found = common_pb2.Block.FromString(block.SerializeToString())
    for slot in (common_pb2.TRANSACTIONS_FILTER, common_pb2.COMMIT_HASH):
        found.metadata.metadata[slot] = b""
    return found


def header_of(block: common_pb2.Block) -> common_pb2.Block:
    """The block without its transactions."""
    return common_pb2.Block(header=block.header, metadata=block.metadata)


def filtered(channel: str, block: common_pb2.Block) -> events_pb2.FilteredBlock:
    """Ids, validation codes and events of the block's transactions; the events without their payload."""
    found = events_pb2.FilteredBlock(channel_id=channel, number=block.header.number)
    for flag, envelope in zip(blocks.flags(block), block.data.data, strict=True):
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        entry = found.filtered_transactions.add(txid=header.tx_id, type=header.type, tx_validation_code=flag)
        if header.type == common_pb2.ENDORSER_TRANSACTION:
            entry.transaction_actions.SetInParent()
            _add_event(entry, envelope, flag)
    return found


def _add_event(entry: events_pb2.FilteredTransaction, envelope: bytes, flag: int) -> None:
    try:
        event = transaction.parse(envelope).action.event
    except ZoneshareError:
        if flag == TxFlag.VALID:
            raise
        return
    if event is not None:
        action = entry.transaction_actions.chaincode_actions.add()
        action.chaincode_event.chaincode_id = event.chaincode
        action.chaincode_event.tx_id = event.tx_id
        action.chaincode_event.event_name = event.name
