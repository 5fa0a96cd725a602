"""Checks a ledger from its first block to its last: links, hashes, orderers' signatures, and the state they lead to."""

from typing import NamedTuple

from fabric_protos.common import common_pb2

from zoneshare_network.channel import is_config, records_of
from zoneshare_network.store import Placed, Snapshot, Versioned
from zoneshare_network.view import ChannelView
from zoneshare_protocols.errors import BadProof
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import config as configs
from zoneshare_protocols.fabric.rwset import Version
from zoneshare_protocols.fabric.validation import TxFlag, state_updates, validate_block

_BLOCK_VALIDATION = "/Channel/Orderer/BlockValidation"
State = dict[tuple[str, str], Versioned]


class Verified(NamedTuple):
    blocks: int
    transactions: int
    valid: int


class _Replayed:
    """What :class:`Snapshot` gives to a validation, from the blocks replayed so far."""

    def __init__(self) -> None:
        self.state: State = {}
        self.seen: dict[str, Placed] = {}

    def get(self, namespace: str, key: str) -> Versioned | None:
        return self.state.get((namespace, key))

    def range(self, namespace: str, start: str, end: str) -> list[tuple[str, Versioned]]:
        found = [(key, value) for (space, key), value in self.state.items() if space == namespace and key >= start]
        return sorted((key, value) for key, value in found if not end or key < end)

    def transaction(self, tx_id: str) -> Placed | None:
        return self.seen.get(tx_id)


def verify_ledger(snapshot: Snapshot) -> Verified:
    """Replay every block, validating it anew, and compare flags and the resulting state with what is stored.

    Raises BadProof at the first thing that is not as it must be.
    """
    replayed = _Replayed()
    config = None
    previous: common_pb2.BlockHeader | None = None
    transactions = valid = 0
    for number in range(snapshot.height):
        data = snapshot.block(number)
        if data is None:
            raise BadProof("a block is missing", block=number)
        block = common_pb2.Block.FromString(data)
        blocks.check_link(block, previous)
        if blocks.header_hash(block.header) != snapshot.block_hash(number):
            raise BadProof("the stored hash is not the block's", block=number)
        previous = block.header
        if config is not None and not config.policies[_BLOCK_VALIDATION].satisfied_by(
            blocks.signers(block, config.msps)
        ):
            raise BadProof("the orderers' signatures do not satisfy the channel's policy", block=number)
        if is_config(block):
            config = configs.read(block)
            continue
        if config is None:
            raise BadProof("the ledger does not begin with a configuration")
        found = validate_block(block, ChannelView(config, replayed))
        if found.flags != blocks.flags(block):
            raise BadProof("the stored validation codes are not those of the transactions", block=number)
        for space, key, value, version, _ in state_updates(found):
            _apply(replayed.state, space, key, value, version)
        for record in records_of(block, found):
            replayed.seen.setdefault(record.id, Placed(number, record.position, record.flag))
        transactions += len(found.flags)
        valid += found.flags.count(TxFlag.VALID)
    if replayed.state != dict(snapshot.everything()):
        raise BadProof("the state is not what the blocks lead to")
    return Verified(snapshot.height, transactions, valid)


def _apply(state: State, namespace: str, key: str, value: bytes | None, version: Version) -> None:
    if value is None:
        state.pop((namespace, key), None)
    else:
        state[namespace, key] = Versioned(value, version)
