"""The peers' endorsers: each organisation's peer simulates a checked proposal by itself and signs what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from zoneshare_network import system
from zoneshare_network.channel import Channel
from zoneshare_network.members import Signer
from zoneshare_network.simulator import simulate
from zoneshare_network.store import Snapshot
from zoneshare_network.system import SystemChaincodes
from zoneshare_network.view import WRITERS, ChannelView
from zoneshare_protocols.errors import LedgerFailed, ZoneshareError
from zoneshare_protocols.fabric import endorsement, identity, proposal
from zoneshare_protocols.fabric.endorsement import Action
from zoneshare_protocols.fabric.msp import Identity, Msp
from zoneshare_protocols.fabric.proposal import ChaincodeCall
from zoneshare_protocols.fabric.rwset import ReadWriteSet
from zoneshare_protocols.stub import ERROR, Chaincode


class ProposalRefused(LedgerFailed):
    """A peer refuses a proposal before it simulates it; the message is the peer's."""


class UnknownChannel(LedgerFailed):
    """The peers have not joined such a channel."""


@dataclass(frozen=True)
class Admitted:
    """A proposal that passed the checks of every peer: they are the same for all, and the certificates too."""

    signed: proposal_pb2.SignedProposal
    call: ChaincodeCall
    creator: Identity


class Endorser:
    """All the peers of the network: one an organisation, over the one committed ledger."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        peers: Mapping[str, Signer],
        chaincodes: Mapping[str, Chaincode],
        clock_ms: Callable[[], int],
        organisation: Callable[[str], Msp],
    ) -> None:
        """``organisation`` gives a member's MSP as its own peer has it, for proposals that name no channel."""
        self._channels = channels
        self._system = SystemChaincodes(channels, chaincodes)
        self._organisation = organisation
        self._peers = peers
        self._chaincodes = chaincodes
        self._clock_ms = clock_ms

    def process(self, mspid: str, signed: proposal_pb2.SignedProposal) -> proposal_response_pb2.ProposalResponse:
        """``Endorser.ProcessProposal`` of one organisation's peer.

        Raises ProposalRefused where a peer answers with a gRPC error; all else is in the response's status.
        """
        try:
            name = proposal.parse(signed.proposal_bytes).channel
        except ZoneshareError as cause:
            raise ProposalRefused(f"error validating proposal: {cause.message}") from cause
        if not name:
            return self._without_channel(mspid, signed)
        if name not in self._channels:
            return _failure(f"channel '{name}' not found")
        with self._channels[name].view() as view:
            return self.endorse(mspid, self.admit(signed, view), view)

    def _without_channel(
        self, mspid: str, signed: proposal_pb2.SignedProposal
    ) -> proposal_response_pb2.ProposalResponse:
        """A question to one peer, by a member of its own organisation; the answer is not endorsed."""
        call, creator = self._checked(signed, {mspid: self._organisation(mspid)})
        if call.chaincode not in system.NAMES:
            return _failure(f"chaincode {call.chaincode} needs a channel")
        answer = self._system.invoke(mspid, call, creator)
        response = proposal_response_pb2.Response(status=answer.status, message=answer.message, payload=answer.payload)
        return proposal_response_pb2.ProposalResponse(response=response)

    def _checked(self, signed: proposal_pb2.SignedProposal, msps: Mapping[str, Msp]) -> tuple[ChaincodeCall, Identity]:
        try:
            return proposal.check(signed, msps, self._clock_ms())
        except ZoneshareError as cause:
            raise ProposalRefused(f"error validating proposal: {cause.message}") from cause

    def admit(self, signed: proposal_pb2.SignedProposal, view: ChannelView[Snapshot]) -> Admitted:
        """The checks before the simulation: form, creator, signature, replay, access. Raises ProposalRefused."""
        call, creator = self._checked(signed, view.config.msps)
        if view.has_transaction(call.tx_id):
            who = identity.serialize(call.creator).hex()
            raise ProposalRefused(f"duplicate transaction found [{call.tx_id}]. Creator [{who}]")
        if call.chaincode not in system.NAMES and not self._channels[call.channel].allows(WRITERS, creator):
            raise ProposalRefused(
                f"failed evaluating policy on signed data during check policy on channel [{call.channel}]"
            )
        return Admitted(signed, call, creator)

    def endorse(
        self, mspid: str, admitted: Admitted, view: ChannelView[Snapshot]
    ) -> proposal_response_pb2.ProposalResponse:
        """What the organisation's peer makes of the proposal over this view: endorsed, or refused by the chaincode."""
        call = admitted.call
        if call.chaincode in system.NAMES:
            answer = self._system.invoke(mspid, call, admitted.creator)
            asked = Action(call.hash, call.chaincode, system.VERSION, ReadWriteSet(()), None, answer)
            return self._sign(mspid, asked)
        chaincode, definition = self._chaincodes.get(call.chaincode), view.definition(call.chaincode)
        if chaincode is None or definition is None:
            return _failure(
                f"make sure the chaincode {call.chaincode} has been successfully defined on channel {call.channel} "
                f"and try again: chaincode {call.chaincode} not found"
            )
        return self._sign(mspid, simulate(call, admitted.signed, view.snapshot, chaincode, definition.version))

    def _sign(self, mspid: str, action: Action) -> proposal_response_pb2.ProposalResponse:
        peer = self._peers[mspid]
        return endorsement.endorse(action, peer.serialized, peer.key)


def _failure(message: str) -> proposal_response_pb2.ProposalResponse:
    return proposal_response_pb2.ProposalResponse(response={"status": ERROR, "message": message})
