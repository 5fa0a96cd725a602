"""A channel of two organisations, in memory: signed transactions for its blocks, and a View of its state."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from tests.support.memory_identity import Identity, authority, identity
from zoneshare_protocols.fabric import block, endorsement, proposal, signatures, transaction
from zoneshare_protocols.fabric.endorsement import Action, Event
from zoneshare_protocols.fabric.identity import serialize
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.mvcc import Update
from zoneshare_protocols.fabric.policy import Policy, SignaturePolicy, parse_policy
from zoneshare_protocols.fabric.rwset import NamespaceSet, ReadWriteSet, Version
from zoneshare_protocols.stub import Response

CHANNEL, CHAINCODE = "zone-a", "zoneshare"
ORGANISATIONS = ("Org1MSP", "Org2MSP")
NOW = 1_800_000_000_000
ANSWER = Response(200, "", b"ok")
_nonces = itertools.count(1)


def msp(mspid: str, crls: tuple[bytes, ...] = ()) -> Msp:
    return Msp(mspid, (authority(mspid).pem,), crls=crls)


def policy(text: str) -> SignaturePolicy:
    return SignaturePolicy(parse_policy(text).SerializeToString(deterministic=True))


def client() -> Identity:
    return identity("Org1MSP", "client")


def peers() -> list[Identity]:
    return [identity(mspid, "peer", "peer") for mspid in ORGANISATIONS]


def results(**parts: object) -> ReadWriteSet:
    return ReadWriteSet((NamespaceSet(CHAINCODE, **parts),))  # type: ignore[arg-type]  # a test's shorthand


def propose(
    *args: bytes, who: Identity | None = None, channel: str = CHANNEL, chaincode: str = CHAINCODE, at: int = NOW
) -> proposal_pb2.Proposal:
    made, _ = proposal.build(
        channel,
        chaincode,
        args or (b"f",),
        creator=serialize((who or client()).creator),
        nonce=next(_nonces).to_bytes(24, "big"),
        timestamp_ms=at,
    )
    return made


def answers(
    proposed: proposal_pb2.Proposal,
    found: ReadWriteSet,
    endorsers: Sequence[Identity],
    *,
    response: Response = ANSWER,
    chaincode: str = CHAINCODE,
    version: str = "1.0",
    event: Event | None = None,
) -> list[proposal_response_pb2.ProposalResponse]:
    call = proposal.parse(proposed.SerializeToString())
    action = Action(call.hash, chaincode, version, found, event, response)
    return [endorsement.endorse(action, serialize(one.creator), one.key) for one in endorsers]


def with_private_data(
    answered: Sequence[proposal_response_pb2.ProposalResponse], endorsers: Sequence[Identity]
) -> list[proposal_response_pb2.ProposalResponse]:
    """The same answers, their results with a private collection's hashes beside, endorsed anew."""
    outer = proposal_response_pb2.ProposalResponsePayload.FromString(answered[0].payload)
    inner = proposal_pb2.ChaincodeAction.FromString(outer.extension)
    found = rwset_pb2.TxReadWriteSet.FromString(inner.results)
    found.ns_rwset[0].collection_hashed_rwset.add(collection_name="private", hashed_rwset=b"h")
    inner.results = found.SerializeToString()
    outer.extension = inner.SerializeToString()
    for answer, one in zip(answered, endorsers, strict=True):
        answer.payload = outer.SerializeToString()
        answer.endorsement.signature = signatures.sign(one.key, answer.payload + answer.endorsement.endorser)
    return list(answered)


def envelope(
    found: ReadWriteSet,
    *,
    endorsers: Sequence[Identity] | None = None,
    who: Identity | None = None,
    proposed: proposal_pb2.Proposal | None = None,
    version: str = "1.0",
    event: Event | None = None,
) -> bytes:
    made = proposed or propose(who=who)
    chosen = peers() if endorsers is None else endorsers
    payload = transaction.assemble(made, answers(made, found, chosen, version=version, event=event))
    data: bytes = transaction.sign(payload, (who or client()).key).SerializeToString()
    return data


def block_of(*envelopes: bytes, number: int = 5) -> common_pb2.Block:
    return block.build(number, bytes(32), envelopes)


@dataclass
class ChannelView:
    """State is only versions: validation never looks at a value."""

    state: dict[str, Version] = field(default_factory=dict)
    on_chain: set[str] = field(default_factory=set)
    rule: Policy = field(default_factory=lambda: policy("AND('Org1MSP.peer', 'Org2MSP.peer')"))
    channel: str = CHANNEL

    def msp(self, mspid: str) -> Msp | None:
        return msp(mspid) if mspid in ORGANISATIONS else None

    def endorsement_policy(self, chaincode: str) -> Policy | None:
        return self.rule if chaincode == CHAINCODE else None

    def version(self, namespace: str, key: str) -> Version | None:
        return self.state.get(key) if namespace == CHAINCODE else None

    def versions(self, namespace: str, start: str, end: str) -> Iterable[tuple[str, Version]]:
        return [(key, self.state[key]) for key in sorted(self.state) if start <= key and (not end or key < end)]

    def has_transaction(self, tx_id: str) -> bool:
        return tx_id in self.on_chain

    def apply(self, updates: Iterable[Update]) -> None:
        for one in updates:
            if one.value is None:
                self.state.pop(one.key, None)
            else:
                self.state[one.key] = one.version
