"""The peers' endorsers: each organisation's peer simulates a checked proposal by itself and signs what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from zoneshare_network.channel import Channel
from zoneshare_network.members import Signer
from zoneshare_network.simulator import simulate
from zoneshare_network.store import Snapshot
from zoneshare_network.view import WRITERS, ChannelView
from zoneshare_protocols.errors import LedgerFailed, ZoneshareError
from zoneshare_protocols.fabric import endorsement, identity, proposal
from zoneshare_protocols.fabric.msp import Identity
from zoneshare_protocols.fabric.proposal import ChaincodeCall
from zoneshare_protocols.stub import ERROR, Chaincode


class ProposalRefused(LedgerFailed):
    """A peer refuses a proposal before it simulates it; the message is the peer's."""


class UnknownChannel(LedgerFailed):
    """The peers have not joined such a channel."""


@dataclass(frozen=True)
class Admitted:
    """A proposal that passed the checks of every peer: they are the same for all, and the certificates too."""

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
    ) -> None:
        self._channels = channels
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
        if name not in self._channels:
            return _failure(f"channel '{name}' not found")
        with self._channels[name].view() as view:
            return self.endorse(mspid, self.admit(signed, view), view)

    def admit(self, signed: proposal_pb2.SignedProposal, view: ChannelView[Snapshot]) -> Admitted:
        """The checks before the simulation: form, creator, signature, replay, access. Raises ProposalRefused."""
        try:
            call, creator = proposal.check(signed, view.config.msps, self._clock_ms())
        except ZoneshareError as cause:
            raise ProposalRefused(f"error validating proposal: {cause.message}") from cause
        if view.has_transaction(call.tx_id):
            who = identity.serialize(call.creator).hex()
            raise ProposalRefused(f"duplicate transaction found [{call.tx_id}]. Creator [{who}]")
        if not self._channels[call.channel].allows(WRITERS, creator):
            raise ProposalRefused(
                f"failed evaluating policy on signed data during check policy on channel [{call.channel}]"
            )
        return Admitted(call, creator)

    def endorse(
        self, mspid: str, admitted: Admitted, view: ChannelView[Snapshot]
    ) -> proposal_response_pb2.ProposalResponse:
        """What the organisation's peer makes of the proposal over this view: endorsed, or refused by the chaincode."""
        call = admitted.call
        chaincode, definition = self._chaincodes.get(call.chaincode), view.definition(call.chaincode)
        if chaincode is None or definition is None:
            return _failure(
                f"make sure the chaincode {call.chaincode} has been successfully defined on channel {call.channel} "
                f"and try again: chaincode {call.chaincode} not found"
            )
        action = simulate(call, view.snapshot, chaincode, definition.version)
        peer = self._peers[mspid]
        return endorsement.endorse(action, peer.serialized, peer.key, self._clock_ms())


def _failure(message: str) -> proposal_response_pb2.ProposalResponse:
    return proposal_response_pb2.ProposalResponse(response={"status": ERROR, "message": message})
