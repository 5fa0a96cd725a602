"""Chaincode definitions as Fabric's ``_lifecycle`` keeps them on the channel: name, version, sequence and policy."""

from dataclasses import dataclass
from typing import Protocol

from fabric_protos.common import policies_pb2
from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2, lifecycle_pb2

from zoneshare_network.store import Versioned
from zoneshare_protocols.fabric.rwset import NamespaceSet, Read, ReadWriteSet, Write

NAMESPACE = "_lifecycle"
FUNCTION = b"CommitChaincodeDefinition"
_FIELDS = ("Sequence", "EndorsementInfo", "ValidationInfo", "Collections")


class Values(Protocol):
    """Where committed values are read."""

    def get(self, namespace: str, key: str) -> Versioned | None: ...


@dataclass(frozen=True)
class Definition:
    """A chaincode on a channel; ``policy`` is a common.SignaturePolicyEnvelope."""

    name: str
    version: str
    policy: bytes
    sequence: int = 1


def sequence_key(chaincode: str) -> str:
    """Every transaction reads it, so that none outlives a change of its chaincode's definition."""
    return _field_key(chaincode, "Sequence")


def read(snapshot: Values, chaincode: str) -> Definition | None:
    """The committed definition, or None."""
    found = {name: snapshot.get(NAMESPACE, _field_key(chaincode, name)) for name in _FIELDS[:3]}
    sequence, endorsement, validation = (value and db_pb2.StateData.FromString(value.value) for value in found.values())
    if not (sequence and endorsement and validation):
        return None
    info = chaincode_definition_pb2.ChaincodeEndorsementInfo.FromString(endorsement.Bytes)
    rules = chaincode_definition_pb2.ChaincodeValidationInfo.FromString(validation.Bytes)
    policy = policy_pb2.ApplicationPolicy.FromString(rules.validation_parameter).signature_policy
    return Definition(chaincode, info.version, policy.SerializeToString(deterministic=True), sequence.Int64)


def arguments(definition: Definition) -> tuple[bytes, bytes]:
    """Function and argument of the transaction that commits the definition."""
    message = lifecycle_pb2.CommitChaincodeDefinitionArgs(
        sequence=definition.sequence,
        name=definition.name,
        version=definition.version,
        endorsement_plugin="escc",
        validation_plugin="vscc",
        validation_parameter=parameter(definition),
    )
    return FUNCTION, message.SerializeToString(deterministic=True)


def results(definition: Definition, snapshot: Values) -> ReadWriteSet:
    """What the transaction that commits the definition reads and writes."""
    endorsement = chaincode_definition_pb2.ChaincodeEndorsementInfo(
        version=definition.version, endorsement_plugin="escc"
    )
    validation = chaincode_definition_pb2.ChaincodeValidationInfo(
        validation_plugin="vscc", validation_parameter=parameter(definition)
    )
    values = (
        db_pb2.StateData(Int64=definition.sequence),
        db_pb2.StateData(Bytes=endorsement.SerializeToString(deterministic=True)),
        db_pb2.StateData(Bytes=validation.SerializeToString(deterministic=True)),
        db_pb2.StateData(Bytes=b""),
    )
    metadata = db_pb2.StateMetadata(datatype="ChaincodeDefinition", fields=_FIELDS)
    keys = {_field_key(definition.name, name): value for name, value in zip(_FIELDS, values, strict=True)}
    keys[f"namespaces/metadata/{definition.name}"] = metadata
    writes = tuple(Write(key, value.SerializeToString(deterministic=True)) for key, value in keys.items())
    before = snapshot.get(NAMESPACE, sequence_key(definition.name))
    reads = (Read(sequence_key(definition.name), before.version if before else None),)
    return ReadWriteSet((NamespaceSet(NAMESPACE, reads, (), writes),))


def parameter(definition: Definition) -> bytes:
    """peer.ApplicationPolicy, as it stands as the validation parameter."""
    policy = policies_pb2.SignaturePolicyEnvelope.FromString(definition.policy)
    data: bytes = policy_pb2.ApplicationPolicy(signature_policy=policy).SerializeToString(deterministic=True)
    return data


def _field_key(chaincode: str, field: str) -> str:
    return f"namespaces/fields/{chaincode}/{field}"
