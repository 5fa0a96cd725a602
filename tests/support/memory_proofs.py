"""Endorsed queries made from the in-memory ledger: what a client gathers from peers to show another zone."""

import itertools
from collections.abc import Sequence

from tests.support.memory_identity import Identity, authority, identity
from tests.support.memory_stub import Argument, Zone
from zoneshare_chaincode.base import to_bytes
from zoneshare_protocols.fabric import endorsed_query, endorsement, policy, proposal
from zoneshare_protocols.fabric.identity import serialize
from zoneshare_protocols.fabric.rwset import NamespaceSet, Read, ReadWriteSet, Version, Write
from zoneshare_protocols.sharing.records import EndorsedQuery, Trust

CHAINCODE = "zoneshare"
VERSION = "1.0"
_nonces = itertools.count(1)


def trust_in(zone: str, organisations: Sequence[str], version: int = 1, revoked: tuple[bytes, ...] = ()) -> Trust:
    """Every organisation's peer must have signed."""
    peers = ", ".join(f"'{mspid}.peer'" for mspid in organisations)
    return Trust(
        zone=zone,
        fabric_channel=zone,
        chaincode=CHAINCODE,
        policy=policy.parse_policy(f"AND({peers})").SerializeToString(deterministic=True),
        roots=tuple((mspid, (authority(mspid).pem,)) for mspid in organisations),
        revoked=revoked,
        version=version,
    )


def prove(
    zone: Zone,
    who: Identity,
    function: str,
    *args: Argument,
    peers: Sequence[Identity] = (),
    channel: str = "",
    chaincode: str = CHAINCODE,
) -> EndorsedQuery:
    """The proof of a query's answer, by these peers (default: peer ``peer`` of Org1MSP and Org2MSP).

    A transaction can be endorsed here as well, without being ordered: that is an attack.
    """
    creator = serialize(who.creator)
    arguments = tuple(to_bytes(argument) for argument in args)
    made, tx_id = proposal.build(
        channel or zone.name,
        chaincode,
        (function.encode(), *arguments),
        creator=creator,
        nonce=next(_nonces).to_bytes(24, "big"),
        timestamp_ms=zone.clock(),
    )
    simulation = zone.endorse(who, function, *args)
    simulation.result()
    call = proposal.parse(made.SerializeToString())
    reads = tuple(Read(key, None if at is None else Version(at, 0)) for key, at in simulation.reads.items())
    writes = tuple(Write(key, value or b"", value is None) for key, value in simulation.writes.items())
    event = simulation.event
    action = endorsement.Action(
        proposal_hash=call.hash,
        chaincode=chaincode,
        version=VERSION,
        results=ReadWriteSet((NamespaceSet(chaincode, reads, (), writes),)),
        event=None if event is None else endorsement.Event(chaincode, tx_id, *event),
        response=simulation.response,
    )
    signers = peers or tuple(identity(mspid, "peer", "peer") for mspid in ("Org1MSP", "Org2MSP"))
    answers = [endorsement.endorse(action, serialize(p.creator), p.key) for p in signers]
    return endorsed_query.make(made, answers)
