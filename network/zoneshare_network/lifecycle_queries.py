"""The queries of ``_lifecycle``. Chaincodes are installed and defined by the network's own start, not by clients."""

import hashlib
from collections.abc import Mapping
from typing import Any

from fabric_protos.peer.lifecycle import lifecycle_pb2

from zoneshare_network import lifecycle
from zoneshare_network.channel import Channel
from zoneshare_network.lifecycle import Definition
from zoneshare_network.view import WRITERS
from zoneshare_protocols.errors import Malformed, NotAllowed, NotFound, ZoneshareError
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.msp import Identity, Role
from zoneshare_protocols.fabric.proposal import ChaincodeCall
from zoneshare_protocols.stub import ERROR, OK, Response

_NOT_DEFINED = 404
_ARGUMENTS = 2


def invoke(
    mspid: str, call: ChaincodeCall, who: Identity, channels: Mapping[str, Channel], installed: Mapping[str, Any]
) -> Response:
    """The answer of the peer of ``mspid`` to ``who``."""
    if len(call.args) != _ARGUMENTS:
        why = f"lifecycle scc operations require exactly two arguments but received {len(call.args)}"
        return Response(ERROR, why)
    function = call.args[0].decode(errors="replace")
    try:
        return Response(OK, payload=_answer(function, call, who, mspid=mspid, channels=channels, installed=installed))
    except NotFound as missing:
        return Response(_NOT_DEFINED, missing.message)
    except NotAllowed as refusal:
        return Response(ERROR, f"Failed to authorize invocation due to failed ACL check: {refusal.message}")
    except ZoneshareError as failure:
        return Response(ERROR, f"failed to invoke backing implementation of '{function}': {failure.message}")


def _answer(
    function: str,
    call: ChaincodeCall,
    who: Identity,
    *,
    mspid: str,
    channels: Mapping[str, Channel],
    installed: Mapping[str, Any],
) -> bytes:
    if function == "QueryInstalledChaincodes":
        if who.mspid != mspid or Role.ADMIN not in who.roles:
            raise NotAllowed("only the peer's administrators may")
        return _installed(channels, installed)
    channel = channels.get(call.channel)
    if channel is None or function not in ("QueryChaincodeDefinition", "QueryChaincodeDefinitions"):
        raise Malformed(f"receiver *lifecycle.Invocation.{function} does not exist")
    if not channel.allows(WRITERS, who):
        raise NotAllowed(f"the policy {WRITERS} is not satisfied")
    if function == "QueryChaincodeDefinitions":
        return _definitions(channel, installed)
    return _definition(channel, wire.read(lifecycle_pb2.QueryChaincodeDefinitionArgs, call.args[1]).name)


def _definition(channel: Channel, name: str) -> bytes:
    with channel.view() as view:
        found = view.definition(name)
    if found is None:
        raise NotFound(f"namespace {name} is not defined")
    approvals = dict.fromkeys(channel.config.application, True)
    return wire.write(lifecycle_pb2.QueryChaincodeDefinitionResult(**_fields(found), approvals=approvals))


def _definitions(channel: Channel, names: Mapping[str, Any]) -> bytes:
    answer = lifecycle_pb2.QueryChaincodeDefinitionsResult()
    with channel.view() as view:
        for name in sorted(names):
            found = view.definition(name)
            if found is not None:
                answer.chaincode_definitions.add(name=name, **_fields(found))
    return wire.write(answer)


def _fields(found: Definition) -> dict[str, Any]:
    return {
        "sequence": found.sequence,
        "version": found.version,
        "endorsement_plugin": "escc",
        "validation_plugin": "vscc",
        "validation_parameter": lifecycle.parameter(found),
    }


def _installed(channels: Mapping[str, Channel], names: Mapping[str, Any]) -> bytes:
    answer = lifecycle_pb2.QueryInstalledChaincodesResult()
    for name in sorted(names):
        entry = answer.installed_chaincodes.add(label=name, package_id=package_id(name))
        for channel in channels.values():
            with channel.view() as view:
                found = view.definition(name)
            if found is not None:
                entry.references[channel.name].chaincodes.add(name=name, version=found.version)
    return wire.write(answer)


def package_id(name: str) -> str:
    """Under which the peers have the chaincode: they were given no package, so the digest is of the name."""
    return f"{name}:{hashlib.sha256(name.encode()).hexdigest()}"
