"""A peer's knowledge of the recorded channel, rebuilt block by block."""

from bisect import bisect_left
from collections.abc import Iterable

from fabric_protos.common import common_pb2
from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2

from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import rwset
from zoneshare_protocols.fabric.config import ChannelConfig
from zoneshare_protocols.fabric.flags import TxFlag
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.mvcc import Update, writes
from zoneshare_protocols.fabric.policy import Policy, SignaturePolicy
from zoneshare_protocols.fabric.rwset import Version
from zoneshare_protocols.fabric.transaction import parse


class RebuiltPeer:
    def __init__(self, config: ChannelConfig) -> None:
        self.config = config
        self.state: dict[tuple[str, str], tuple[bytes, Version]] = {}
        self.tx_ids: set[str] = set()

    @property
    def channel(self) -> str:
        return self.config.channel

    def msp(self, mspid: str) -> Msp | None:
        return self.config.msps.get(mspid)

    def endorsement_policy(self, chaincode: str) -> Policy | None:
        """As the lifecycle's committed definition says."""
        found = self.state.get(("_lifecycle", f"namespaces/fields/{chaincode}/ValidationInfo"))
        if found is None:
            return None
        data = db_pb2.StateData.FromString(found[0]).Bytes
        info = chaincode_definition_pb2.ChaincodeValidationInfo.FromString(data)
        policy = policy_pb2.ApplicationPolicy.FromString(info.validation_parameter)
        if policy.WhichOneof("Type") == "signature_policy":
            return SignaturePolicy(policy.signature_policy.SerializeToString())
        return self.config.policies[policy.channel_config_policy_reference]

    def version(self, namespace: str, key: str) -> Version | None:
        found = self.state.get((namespace, key))
        return None if found is None else found[1]

    def versions(self, namespace: str, start: str, end: str) -> Iterable[tuple[str, Version]]:
        keys = sorted(key for space, key in self.state if space == namespace)
        for key in keys[bisect_left(keys, start) :]:
            if end and key >= end:
                return
            yield key, self.state[namespace, key][1]

    def has_transaction(self, tx_id: str) -> bool:
        return tx_id in self.tx_ids

    def apply(self, updates: Iterable[Update]) -> None:
        for one in updates:
            if one.value is None:
                self.state.pop((one.namespace, one.key), None)
            else:
                self.state[one.namespace, one.key] = (one.value, one.version)

    def take_as_given(self, block: common_pb2.Block) -> None:
        """A block whose flags are believed: lifecycle's transactions use private data, which we do not carry."""
        for place, (envelope, flag) in enumerate(zip(block.data.data, blocks.flags(block), strict=True)):
            found = parse(envelope)
            self.tx_ids.add(found.tx_id)
            if flag == TxFlag.VALID:
                plain = rwset.ReadWriteSet(found.action.results.namespaces)
                self.apply(writes(plain, Version(block.header.number, place), found.tx_id))
