"""Validation codes of transactions."""

from enum import IntEnum

from fabric_protos.peer import transaction_pb2 as _codes

from zoneshare_protocols.errors import Malformed


class TxFlag(IntEnum):
    """peer.TxValidationCode, as far as our validation gives them."""

    VALID = _codes.VALID
    BAD_PAYLOAD = _codes.BAD_PAYLOAD
    BAD_COMMON_HEADER = _codes.BAD_COMMON_HEADER
    BAD_CREATOR_SIGNATURE = _codes.BAD_CREATOR_SIGNATURE
    INVALID_ENDORSER_TRANSACTION = _codes.INVALID_ENDORSER_TRANSACTION
    UNSUPPORTED_TX_PAYLOAD = _codes.UNSUPPORTED_TX_PAYLOAD
    BAD_PROPOSAL_TXID = _codes.BAD_PROPOSAL_TXID
    DUPLICATE_TXID = _codes.DUPLICATE_TXID
    ENDORSEMENT_POLICY_FAILURE = _codes.ENDORSEMENT_POLICY_FAILURE
    MVCC_READ_CONFLICT = _codes.MVCC_READ_CONFLICT
    PHANTOM_READ_CONFLICT = _codes.PHANTOM_READ_CONFLICT
    TARGET_CHAIN_NOT_FOUND = _codes.TARGET_CHAIN_NOT_FOUND
    ILLEGAL_WRITESET = _codes.ILLEGAL_WRITESET
    INVALID_CHAINCODE = _codes.INVALID_CHAINCODE
    BAD_RESPONSE_PAYLOAD = _codes.BAD_RESPONSE_PAYLOAD
    INVALID_OTHER_REASON = _codes.INVALID_OTHER_REASON


class InvalidTransaction(Malformed):
    """A transaction that is refused whatever the ledger's state: ``flag`` says as what."""

    def __init__(self, message: str, flag: TxFlag) -> None:
        super().__init__(message, flag=flag.name)
        self.flag = flag
