"""Blocks: hashes, the orderer's signature, and the metadata the committer adds."""

import hashlib
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2

from zoneshare_protocols.errors import BadProof, NotAllowed
from zoneshare_protocols.fabric import identity, signatures, wire
from zoneshare_protocols.fabric.msp import Identity, Msp

_SLOTS = len(common_pb2.BlockMetadataIndex.keys())
_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30


def header_hash(header: common_pb2.BlockHeader) -> bytes:
    """SHA-256 of the header in ASN.1 DER: the next block's ``previous_hash``."""
    return hashlib.sha256(header_bytes(header)).digest()


def header_bytes(header: common_pb2.BlockHeader) -> bytes:
    """SEQUENCE { number INTEGER, previous_hash OCTET STRING, data_hash OCTET STRING } in DER."""
    number: int = header.number
    parts = _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))
    return _der(_SEQUENCE, parts + _der(_OCTETS, header.previous_hash) + _der(_OCTETS, header.data_hash))


def data_hash(envelopes: Sequence[bytes]) -> bytes:
    """SHA-256 of all envelopes, one after another."""
    return hashlib.sha256(b"".join(envelopes)).digest()


def build(number: int, previous_hash: bytes, envelopes: Sequence[bytes]) -> common_pb2.Block:
    """A block with empty metadata slots; ``previous_hash`` is empty for block 0."""
    return common_pb2.Block(
        header=common_pb2.BlockHeader(number=number, previous_hash=previous_hash, data_hash=data_hash(envelopes)),
        data=common_pb2.BlockData(data=envelopes),
        metadata=common_pb2.BlockMetadata(metadata=[b""] * _SLOTS),
    )


def sign(
    block: common_pb2.Block, key: ec.EllipticCurvePrivateKey, creator: bytes, nonce: bytes, last_config: int
) -> None:
    """Put the orderer's signature, and the number of the last config block, into the block's metadata."""
    last = common_pb2.LastConfig(index=last_config)
    value = wire.write(common_pb2.OrdererBlockMetadata(last_config=last))
    header = wire.write(common_pb2.SignatureHeader(creator=creator, nonce=nonce))
    signature = signatures.sign(key, value + header + header_bytes(block.header))
    signed = common_pb2.MetadataSignature(signature_header=header, signature=signature)
    slots = block.metadata.metadata
    slots[common_pb2.SIGNATURES] = wire.write(common_pb2.Metadata(value=value, signatures=[signed]))
    slots[common_pb2.LAST_CONFIG] = wire.write(common_pb2.Metadata(value=wire.write(last)))


def signers(block: common_pb2.Block, msps: Mapping[str, Msp]) -> list[Identity]:
    """The orderers whose signatures on the block are good, for its BlockValidation policy.

    Raises BadSignature, NotAllowed or Malformed at the first that is not.
    """
    metadata = wire.read(common_pb2.Metadata, block.metadata.metadata[common_pb2.SIGNATURES])
    found = []
    for signed in metadata.signatures:
        header = wire.read(common_pb2.SignatureHeader, signed.signature_header)
        creator = identity.parse(header.creator)
        msp = msps.get(creator.mspid)
        if msp is None:
            raise NotAllowed(f"MSP {creator.mspid} is unknown")
        signer = msp.validate(creator)
        signer.verify(signed.signature, metadata.value + signed.signature_header + header_bytes(block.header))
        found.append(signer)
    return found


def check_link(block: common_pb2.Block, previous: common_pb2.BlockHeader | None) -> None:
    """That the block follows ``previous`` (None: it is block 0) and its data are those of its header.

    Raises BadProof.
    """
    number = 0 if previous is None else previous.number + 1
    if block.header.number != number:
        raise BadProof("a block is missing or out of order", number=block.header.number, expected=number)
    if block.header.previous_hash != (b"" if previous is None else header_hash(previous)):
        raise BadProof("the block does not follow the one before", number=number)
    if block.header.data_hash != data_hash(block.data.data):
        raise BadProof("the block's data are not those of its header", number=number)


def set_flags(block: common_pb2.Block, flags: Sequence[int]) -> None:
    """Write the transactions' validation codes into the block's metadata."""
    block.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = bytes(flags)


def flags(block: common_pb2.Block) -> tuple[int, ...]:
    """The validation codes a committer wrote; empty before."""
    return tuple(block.metadata.metadata[common_pb2.TRANSACTIONS_FILTER])


def _der(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body
