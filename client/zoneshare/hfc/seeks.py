"""Signed requests for blocks, and the chaincode events in them."""

from collections.abc import Iterator

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2

from zoneshare.identity import Identity
from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import transaction as transactions
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.flags import TxFlag

FOR_EVER = 2**63 - 1


def seek(
    identity: Identity, channel: str, *, nonce: bytes, timestamp_ms: int, tls_hash: bytes, from_block: int | None
) -> bytes:
    """A common.Envelope that asks a peer for blocks from a number on, or from the newest on, for ever.

    ``tls_hash`` is that of the certificate shown to peers that ask for one; others do not look at it.
    """
    start = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
    if from_block is not None:
        start = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=from_block))
    info = ab_pb2.SeekInfo(
        start=start,
        stop=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=FOR_EVER)),
        behavior=ab_pb2.SeekInfo.BLOCK_UNTIL_READY,
    )
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.DELIVER_SEEK_INFO,
        channel_id=channel,
        timestamp=wire.timestamp(timestamp_ms),
        tls_cert_hash=tls_hash,
    )
    signature_header = common_pb2.SignatureHeader(creator=identity.serialized, nonce=nonce)
    header = common_pb2.Header(channel_header=wire.write(channel_header), signature_header=wire.write(signature_header))
    payload = wire.write(common_pb2.Payload(header=header, data=wire.write(info)))
    return wire.write(common_pb2.Envelope(payload=payload, signature=identity.sign(payload)))


def chaincode_events(block: common_pb2.Block, chaincode: str) -> Iterator[chaincode_event_pb2.ChaincodeEvent]:
    """The events that the chaincode's valid transactions set, in order."""
    for envelope, flag in zip(block.data.data, blocks.flags(block), strict=False):
        if flag != TxFlag.VALID:
            continue
        try:
            event = transactions.parse(envelope).action.event
        except Malformed:  # a change of the channel's configuration
            continue
        if event is not None and event.chaincode == chaincode:
            yield chaincode_event_pb2.ChaincodeEvent(
                chaincode_id=event.chaincode, tx_id=event.tx_id, event_name=event.name, payload=event.payload
            )


def flag_of(block: common_pb2.Block, tx_id: str) -> int | None:
    """The validation code of a transaction in its block."""
    for envelope, flag in zip(block.data.data, blocks.flags(block), strict=False):
        header = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload).header
        if common_pb2.ChannelHeader.FromString(header.channel_header).tx_id == tx_id:
            return flag
    return None
