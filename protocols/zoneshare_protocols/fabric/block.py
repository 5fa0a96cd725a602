"""Blocks: hashes, the orderer's signature, and the metadata the committer adds."""

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2

from zoneshare_protocols.fabric.msp import Identity, Msp


def header_hash(header: common_pb2.BlockHeader) -> bytes:
    """SHA-256 of the header in ASN.1 DER: the next block's ``previous_hash``."""
    raise NotImplementedError


def data_hash(envelopes: Sequence[bytes]) -> bytes:
    """SHA-256 of all envelopes, one after another."""
    raise NotImplementedError


def build(number: int, previous_hash: bytes, envelopes: Sequence[bytes]) -> common_pb2.Block:
    """A block with empty metadata slots; ``previous_hash`` is empty for block 0."""
    raise NotImplementedError


def sign(
    block: common_pb2.Block, key: ec.EllipticCurvePrivateKey, creator: bytes, nonce: bytes, last_config: int
) -> None:
    """Put the orderer's signature, and the number of the last config block, into the block's metadata."""
    raise NotImplementedError


def signers(block: common_pb2.Block, msps: Mapping[str, Msp]) -> list[Identity]:
    """The orderers whose signatures on the block are good, for its BlockValidation policy.

    Raises BadSignature, NotAllowed or Malformed at the first that is not.
    """
    raise NotImplementedError


def check_link(block: common_pb2.Block, previous: common_pb2.BlockHeader | None) -> None:
    """That the block follows ``previous`` (None: it is block 0) and its data are those of its header.

    Raises BadProof.
    """
    raise NotImplementedError


def set_flags(block: common_pb2.Block, flags: Sequence[int]) -> None:
    """Write the transactions' validation codes into the block's metadata."""
    raise NotImplementedError


def flags(block: common_pb2.Block) -> tuple[int, ...]:
    raise NotImplementedError
