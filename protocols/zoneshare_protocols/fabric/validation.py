"""What a committing peer does with a block: a validation code for every transaction, and the state that follows."""

from dataclasses import dataclass
from typing import Protocol

from fabric_protos.common import common_pb2

from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.fabric import endorsement, identity, proposal, transaction
from zoneshare_protocols.fabric.flags import InvalidTransaction, TxFlag
from zoneshare_protocols.fabric.msp import Identity, Msp
from zoneshare_protocols.fabric.mvcc import BlockState, Update, Versions, writes
from zoneshare_protocols.fabric.policy import Policy
from zoneshare_protocols.fabric.rwset import Version
from zoneshare_protocols.fabric.transaction import Signed, Transaction

__all__ = ["BlockValidation", "TxFlag", "Update", "View", "state_updates", "validate_block"]


class View(Versions, Protocol):
    """The channel as of the block before: what validation needs to know of it."""

    @property
    def channel(self) -> str: ...
    def msp(self, mspid: str) -> Msp | None: ...
    def endorsement_policy(self, chaincode: str) -> Policy | None:
        """None where no such chaincode is committed on the channel."""

    def has_transaction(self, tx_id: str) -> bool:
        """Whether a transaction of this id is on the chain, valid or not."""


@dataclass(frozen=True)
class BlockValidation:
    """One flag, and one transaction (None: not an endorser transaction of good form), for each envelope."""

    number: int
    flags: tuple[TxFlag, ...]
    transactions: tuple[Transaction | None, ...]


def validate_block(block: common_pb2.Block, view: View) -> BlockValidation:
    """Every transaction's flag, as a peer finds them; changes nothing.

    A config transaction is taken as valid when its creator's signature is; block 0 is where trust begins.
    """
    number: int = block.header.number
    flags: list[TxFlag] = []
    transactions: list[Transaction | None] = []
    seen: set[str] = set()
    for envelope in block.data.data:
        found, flag = _check_alone(envelope, number, view)
        if found is not None and flag is TxFlag.VALID:
            flag = TxFlag.DUPLICATE_TXID if found.tx_id in seen else flag
            seen.add(found.tx_id)
        transactions.append(found)
        flags.append(flag)
    state = BlockState(view)
    for place, found in enumerate(transactions):
        if found is None or flags[place] is not TxFlag.VALID:
            continue
        conflict = state.conflict(found.action.results)
        if conflict is not None:
            flags[place] = conflict
        else:
            state.apply(writes(found.action.results, Version(number, place), found.tx_id))
    return BlockValidation(number, tuple(flags), tuple(transactions))


def state_updates(validation: BlockValidation) -> list[Update]:
    """All writes of the valid transactions, in order; a later one of the same key supersedes an earlier."""
    return [
        update
        for place, (flag, found) in enumerate(zip(validation.flags, validation.transactions, strict=True))
        if found is not None and flag is TxFlag.VALID
        for update in writes(found.action.results, Version(validation.number, place), found.tx_id)
    ]


def _check_alone(envelope: bytes, number: int, view: View) -> tuple[Transaction | None, TxFlag]:
    """All that can be said of a transaction without the others of its block and without the state."""
    found = None
    try:
        signed = transaction.open_envelope(envelope)
        if signed.type == common_pb2.CONFIG and number == 0:
            return None, TxFlag.VALID
        _check_creator(signed, view)
        if signed.type == common_pb2.CONFIG:
            return None, TxFlag.VALID
        found = transaction.read_action(signed)
        _check_endorsements(found, view)
    except InvalidTransaction as refusal:
        return found, refusal.flag
    return found, TxFlag.VALID


def _check_creator(signed: Signed, view: View) -> None:
    if signed.channel != view.channel:
        raise InvalidTransaction(f"transaction for another channel {signed.channel}", TxFlag.TARGET_CHAIN_NOT_FOUND)
    msp = view.msp(signed.creator.mspid)
    if msp is None:
        raise InvalidTransaction(f"MSP {signed.creator.mspid} is unknown", TxFlag.BAD_CREATOR_SIGNATURE)
    try:
        msp.validate(signed.creator).verify(signed.signature, signed.payload)
    except RuleBroken as cause:
        raise InvalidTransaction(str(cause), TxFlag.BAD_CREATOR_SIGNATURE) from cause
    if signed.type != common_pb2.ENDORSER_TRANSACTION:
        return
    if signed.tx_id != proposal.transaction_id(signed.nonce, signed.creator_bytes):
        raise InvalidTransaction("incorrectly computed transaction id", TxFlag.BAD_PROPOSAL_TXID)


def _check_endorsements(found: Transaction, view: View) -> None:
    if view.has_transaction(found.tx_id):
        raise InvalidTransaction("duplicate transaction found", TxFlag.DUPLICATE_TXID)
    action = found.action
    if action.chaincode != found.chaincode or not action.version:
        raise InvalidTransaction("inconsistent chaincode name or no version", TxFlag.INVALID_CHAINCODE)
    if action.event is not None and action.event.chaincode != found.chaincode:
        raise InvalidTransaction("the event is another chaincode's", TxFlag.INVALID_OTHER_REASON)
    spaces = action.results.namespaces
    if len({space.namespace for space in spaces}) != len(spaces):
        raise InvalidTransaction("duplicate namespace in the read-write set", TxFlag.ILLEGAL_WRITESET)
    if any(space.other for space in spaces):
        raise InvalidTransaction("private data and key-level policies are not supported", TxFlag.INVALID_OTHER_REASON)
    endorsers = _endorsers(found, view)
    for namespace in sorted({found.chaincode, *(space.namespace for space in spaces if space.writes)}):
        policy = view.endorsement_policy(namespace)
        if policy is None:
            raise InvalidTransaction(f"chaincode {namespace} is not committed", TxFlag.INVALID_CHAINCODE)
        if not policy.satisfied_by(endorsers):
            raise InvalidTransaction(
                f"endorsement policy of {namespace} is not satisfied", TxFlag.ENDORSEMENT_POLICY_FAILURE
            )


def _endorsers(found: Transaction, view: View) -> list[Identity]:
    """Those whose signatures are good: as in Fabric, a bad one does not count, and does no other harm."""
    good = []
    for endorser, signature in found.endorsements:
        try:
            mspid = identity.parse(endorser).mspid
            msp = view.msp(mspid)
            msps = {} if msp is None else {mspid: msp}
            good.append(endorsement.verify_endorsement(found.response_payload, endorser, signature, msps))
        except RuleBroken:
            continue
    return good
