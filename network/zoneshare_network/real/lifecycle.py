"""The chaincode's 2.x lifecycle on a channel: installed, approved by every organisation, committed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from zoneshare_network.real.remote import Peer
from zoneshare_protocols.errors import PeerRefused
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.policy_text import parse_policy

NAMESPACE = "_lifecycle"
_ABSENT = "is not defined"


@dataclass(frozen=True)
class Definition:
    """What the organisations agree on."""

    name: str
    version: str
    policy: str
    sequence: int = 1

    def fields(self) -> dict[str, Any]:
        """As the lifecycle's messages have them."""
        signed = policy_pb2.ApplicationPolicy(signature_policy=parse_policy(self.policy))
        return {
            "name": self.name,
            "version": self.version,
            "sequence": self.sequence,
            "endorsement_plugin": "escc",
            "validation_plugin": "vscc",
            "validation_parameter": wire.write(signed),
        }


def installed(peer: Peer) -> set[str]:
    """Package ids."""
    data = peer.query("", NAMESPACE, b"QueryInstalledChaincodes", b"")
    found = wire.read(lifecycle_pb2.QueryInstalledChaincodesResult, data)
    return {each.package_id for each in found.installed_chaincodes}


def install(peer: Peer, package: bytes) -> str:
    """Returns the package id."""
    args = lifecycle_pb2.InstallChaincodeArgs(chaincode_install_package=package)
    data = peer.query("", NAMESPACE, b"InstallChaincode", wire.write(args))
    made: str = wire.read(lifecycle_pb2.InstallChaincodeResult, data).package_id
    return made


def committed(peer: Peer, channel: str, name: str) -> Any | None:
    """The QueryChaincodeDefinitionResult; None where there is none."""
    args = wire.write(lifecycle_pb2.QueryChaincodeDefinitionArgs(name=name))
    try:
        data = peer.query(channel, NAMESPACE, b"QueryChaincodeDefinition", args)
    except PeerRefused as refusal:
        if _ABSENT in str(refusal):
            return None
        raise
    return wire.read(lifecycle_pb2.QueryChaincodeDefinitionResult, data)


def approved_package(peer: Peer, channel: str, definition: Definition) -> str | None:
    """The package id the peer's organisation has approved for this sequence; None where it has approved nothing."""
    args = lifecycle_pb2.QueryApprovedChaincodeDefinitionArgs(name=definition.name, sequence=definition.sequence)
    try:
        data = peer.query(channel, NAMESPACE, b"QueryApprovedChaincodeDefinition", wire.write(args))
    except PeerRefused as refusal:
        if "could not fetch approved chaincode definition" in str(refusal):
            return None
        raise
    found = wire.read(lifecycle_pb2.QueryApprovedChaincodeDefinitionResult, data)
    package: str = found.source.local_package.package_id
    return package if _agrees(found, definition) else ""


def approval(peer: Peer, channel: str, definition: Definition, package: str) -> Any:
    """The organisation's approval, a transaction for an orderer."""
    source = lifecycle_pb2.ChaincodeSource(local_package=lifecycle_pb2.ChaincodeSource.Local(package_id=package))
    args = lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs(**definition.fields(), source=source)
    return peer.change(channel, NAMESPACE, [b"ApproveChaincodeDefinitionForMyOrg", wire.write(args)], ())


def approvals(peer: Peer, channel: str, definition: Definition) -> dict[str, bool]:
    """By MSP id, whether the organisation has approved just this."""
    args = wire.write(lifecycle_pb2.CheckCommitReadinessArgs(**definition.fields()))
    data = peer.query(channel, NAMESPACE, b"CheckCommitReadiness", args)
    return dict(wire.read(lifecycle_pb2.CheckCommitReadinessResult, data).approvals)


def commitment(peer: Peer, channel: str, definition: Definition, others: Sequence[Peer]) -> Any:
    """The definition's commit, endorsed by this peer and ``others``: a transaction for an orderer."""
    args = wire.write(lifecycle_pb2.CommitChaincodeDefinitionArgs(**definition.fields()))
    return peer.change(channel, NAMESPACE, [b"CommitChaincodeDefinition", args], others)


def wanted(present: Any | None, definition: Definition) -> Definition:
    """The definition to agree on: the one that is there if it says the same, or else the next sequence."""
    if present is None:
        return definition
    same = Definition(definition.name, definition.version, definition.policy, present.sequence)
    if _agrees(present, same):
        return same
    return Definition(definition.name, definition.version, definition.policy, present.sequence + 1)


def _agrees(found: Any, definition: Definition) -> bool:
    fields = definition.fields()
    return all(getattr(found, name) == fields[name] for name in ("sequence", "version", "validation_parameter"))
