"""What a committing peer does with a block: a validation code for every transaction, and the state that follows."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2

from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.policy import Policy
from zoneshare_protocols.fabric.rwset import Version
from zoneshare_protocols.fabric.transaction import Transaction


class TxFlag(IntEnum):
    """peer.TxValidationCode, as far as this validator gives them."""

    VALID = transaction_pb2.VALID
    NIL_ENVELOPE = transaction_pb2.NIL_ENVELOPE
    BAD_PAYLOAD = transaction_pb2.BAD_PAYLOAD
    BAD_COMMON_HEADER = transaction_pb2.BAD_COMMON_HEADER
    BAD_CREATOR_SIGNATURE = transaction_pb2.BAD_CREATOR_SIGNATURE
    BAD_PROPOSAL_TXID = transaction_pb2.BAD_PROPOSAL_TXID
    DUPLICATE_TXID = transaction_pb2.DUPLICATE_TXID
    ENDORSEMENT_POLICY_FAILURE = transaction_pb2.ENDORSEMENT_POLICY_FAILURE
    MVCC_READ_CONFLICT = transaction_pb2.MVCC_READ_CONFLICT
    PHANTOM_READ_CONFLICT = transaction_pb2.PHANTOM_READ_CONFLICT
    UNKNOWN_TX_TYPE = transaction_pb2.UNKNOWN_TX_TYPE
    TARGET_CHAIN_NOT_FOUND = transaction_pb2.TARGET_CHAIN_NOT_FOUND
    EXPIRED_CHAINCODE = transaction_pb2.EXPIRED_CHAINCODE
    ILLEGAL_WRITESET = transaction_pb2.ILLEGAL_WRITESET
    BAD_RWSET = transaction_pb2.BAD_RWSET
    INVALID_CHAINCODE = transaction_pb2.INVALID_CHAINCODE
    INVALID_OTHER_REASON = transaction_pb2.INVALID_OTHER_REASON


class View(Protocol):
    """The channel as of the block before: what validation needs to know of it."""

    @property
    def channel(self) -> str: ...
    def msp(self, mspid: str) -> Msp | None: ...
    def endorsement_policy(self, chaincode: str) -> Policy | None:
        """None where no such chaincode is committed on the channel."""

    def version(self, namespace: str, key: str) -> Version | None:
        """Where the key was last written; None where it is not there (or was deleted)."""

    def versions(self, namespace: str, start: str, end: str) -> Iterable[tuple[str, Version]]:
        """Keys from ``start`` (included) to ``end`` (excluded; "": no end), in order of their UTF-8 bytes."""

    def has_transaction(self, tx_id: str) -> bool:
        """Whether a transaction of this id is on the chain, valid or not."""


@dataclass(frozen=True)
class BlockValidation:
    """One flag, and one transaction (None: not an endorser transaction of good form), for each envelope."""

    number: int
    flags: tuple[TxFlag, ...]
    transactions: tuple[Transaction | None, ...]


class Update(NamedTuple):
    """One write of a valid transaction, in the order of commit; the value is None for a delete."""

    namespace: str
    key: str
    value: bytes | None
    version: Version
    tx_id: str


def validate_block(block: common_pb2.Block, view: View) -> BlockValidation:
    """Every transaction's flag, as a peer finds them; changes nothing. A config transaction is taken as valid."""
    raise NotImplementedError


def state_updates(validation: BlockValidation) -> list[Update]:
    """All writes of the valid transactions, in order; a later one of the same key supersedes an earlier."""
    raise NotImplementedError
