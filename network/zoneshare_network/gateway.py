"""The peer's Gateway service: what it answers, and with which codes and words it refuses, without the transport."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError

from zoneshare_network import system
from zoneshare_network.channel import Channel, CommitStatus
from zoneshare_network.endorser import Admitted, ProposalRefused
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.plans import plans
from zoneshare_network.store import Snapshot
from zoneshare_network.view import READERS, ChannelView
from zoneshare_protocols.errors import LedgerFailed, Malformed, NotFound, ZoneshareError
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import proposal, transaction
from zoneshare_protocols.fabric.proposal import ChaincodeCall
from zoneshare_protocols.fabric.validation import TxFlag

_ERROR_THRESHOLD = 400
"""A chaincode's status from which on there is no endorsement."""
_NOT_ENDORSED = "failed to endorse transaction, see attached details for more info"
_TOO_FEW = "failed to collect enough transaction endorsements, see attached details for more info"


class Detail(NamedTuple):
    """What one peer said: a gateway.ErrorDetail."""

    mspid: str
    message: str


class GatewayRefused(LedgerFailed):
    """A gRPC status by its name, and what the peers said."""

    def __init__(self, code: str, message: str, details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message, code=code)
        self.code = code
        self.details = details


class Gateway:
    """A network's gateway, at the peer of the organisation ``home`` (the first, unless told otherwise)."""

    def __init__(self, network: EmbeddedNetwork, home: str = "") -> None:
        self._network = network
        self._home = home or network.topology.organisations[0]

    def evaluate(self, request: gateway_pb2.EvaluateRequest) -> gateway_pb2.EvaluateResponse:
        """One peer's answer to a query. Raises GatewayRefused."""
        call = _unpack(request.proposed_transaction)
        with self._channel(call.channel).view() as view:
            known = [name for name in request.target_organizations or (self._home,) if name in self._network.peers]
            missing = call.chaincode not in system.NAMES and view.definition(call.chaincode) is None
            if missing or not known:
                raise GatewayRefused(
                    "FAILED_PRECONDITION",
                    f"no peers available to evaluate chaincode {call.chaincode} in channel {call.channel}",
                )
            mspid = self._home if self._home in known else known[0]
            prefix = "evaluate call to endorser returned error: "
            try:
                admitted = self._network.endorser.admit(request.proposed_transaction, view)
            except ProposalRefused as cause:
                detail = Detail(mspid, cause.message)
                raise GatewayRefused("FAILED_PRECONDITION", prefix + cause.message, (detail,)) from cause
            answer = self._network.endorser.endorse(mspid, admitted, view)
        failure = _failure(answer)
        if failure is not None:
            raise GatewayRefused("UNKNOWN", prefix + failure, (Detail(mspid, failure),))
        return gateway_pb2.EvaluateResponse(result=answer.response)

    def endorse(self, request: gateway_pb2.EndorseRequest) -> gateway_pb2.EndorseResponse:
        """The transaction for the client to sign, endorsed as the policy wants it. Raises GatewayRefused."""
        signed = request.proposed_transaction
        call = _unpack(signed)
        with self._channel(call.channel).view() as view:
            mspids = self._endorsers(call, view, tuple(request.endorsing_organizations))
            try:
                admitted = self._network.endorser.admit(signed, view)
            except ProposalRefused as cause:
                raise GatewayRefused("ABORTED", _NOT_ENDORSED, (Detail(mspids[0], cause.message),)) from cause
            answers = self._collect(mspids, admitted, view)
        payload = transaction.assemble(proposal_pb2.Proposal.FromString(signed.proposal_bytes), answers)
        return gateway_pb2.EndorseResponse(prepared_transaction=common_pb2.Envelope(payload=payload))

    def _collect(
        self, mspids: tuple[str, ...], admitted: Admitted, view: ChannelView[Snapshot]
    ) -> list[proposal_response_pb2.ProposalResponse]:
        first = self._network.endorser.endorse(mspids[0], admitted, view)
        failure = _failure(first)
        if failure is not None:
            raise GatewayRefused("ABORTED", _NOT_ENDORSED, (Detail(mspids[0], failure),))
        answers, details = [first], []
        for mspid in mspids[1:]:
            answer = self._network.endorser.endorse(mspid, admitted, view)
            failure = _failure(answer)
            if failure is None and answer.payload != first.payload:
                failure = "ProposalResponsePayloads do not match"
            if failure is not None:
                details.append(Detail(mspid, failure))
            answers.append(answer)
        if details:
            raise GatewayRefused("ABORTED", _TOO_FEW, tuple(details))
        return answers

    def _endorsers(self, call: ChaincodeCall, view: ChannelView[Snapshot], wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The organisations asked for, or the fewest whose peers satisfy the chaincode's policy, ours preferred."""
        peers = self._network.peers
        if missing := [name for name in wanted if name not in peers]:
            raise GatewayRefused("UNAVAILABLE", f"failed to find any endorsing peers for org(s): {', '.join(missing)}")
        definition = view.definition(call.chaincode)
        no_plan = "no combination of peers can be derived which satisfy the endorsement policy"
        if definition is None:
            reason = f"No metadata was found for chaincode {call.chaincode} in channel {call.channel}"
            raise GatewayRefused("FAILED_PRECONDITION", f"{no_plan}: {reason}")
        if wanted:
            return self._home_first(wanted)
        identities = tuple(view.config.msps[name].validate(peer.creator) for name, peer in peers.items())
        if not (found := plans((definition.policy,), identities)):
            raise GatewayRefused("FAILED_PRECONDITION", no_plan)
        return self._home_first(min(found, key=lambda plan: (len(plan), self._home not in plan)))

    def _home_first(self, plan: tuple[str, ...]) -> tuple[str, ...]:
        """Our own peer is asked first, and answers for what all would refuse."""
        return tuple(sorted(plan, key=lambda mspid: mspid != self._home))

    def submit(self, request: gateway_pb2.SubmitRequest) -> gateway_pb2.SubmitResponse:
        """Hand a signed transaction to the orderer. Raises GatewayRefused."""
        if not request.HasField("prepared_transaction"):
            raise GatewayRefused("INVALID_ARGUMENT", "a prepared transaction is required")
        if not request.prepared_transaction.signature:
            raise GatewayRefused("INVALID_ARGUMENT", "prepared transaction must be signed")
        self._channel(request.channel_id)
        answer = self._network.broadcast(request.prepared_transaction)
        if answer.status != common_pb2.SUCCESS:
            status = common_pb2.Status.Name(answer.status)
            raise GatewayRefused(
                "ABORTED", f"received unsuccessful response from orderer: status={status}, info={answer.info}"
            )
        return gateway_pb2.SubmitResponse()

    def commit_status(
        self,
        signed: gateway_pb2.SignedCommitStatusRequest,
        wait: Callable[[Channel, str], CommitStatus | None],
    ) -> gateway_pb2.CommitStatusResponse:
        """What became of a transaction, as soon as it is on the ledger; ``wait`` waits for that, as the transport can.

        Raises GatewayRefused.
        """
        channel, tx_id = self.status_asked(signed)
        found = wait(channel, tx_id)
        if found is None:
            raise GatewayRefused("DEADLINE_EXCEEDED", f"transaction {tx_id} is not on the ledger yet")
        return gateway_pb2.CommitStatusResponse(result=int(found.flag), block_number=found.block)

    def status_asked(self, signed: gateway_pb2.SignedCommitStatusRequest) -> tuple[Channel, str]:
        """Channel and transaction that a reader of the channel asks about. Raises GatewayRefused."""
        try:
            request = gateway_pb2.CommitStatusRequest.FromString(signed.request)
        except DecodeError as cause:
            raise GatewayRefused("INVALID_ARGUMENT", "invalid status request") from cause
        if not signed.request:
            raise GatewayRefused("INVALID_ARGUMENT", "a commit status request is required")
        if not request.transaction_id:
            raise GatewayRefused("INVALID_ARGUMENT", "transaction ID should not be empty")
        channel = self._reader(request.channel_id, request.identity, signed.signature, signed.request)
        return channel, request.transaction_id

    def chaincode_events(
        self, signed: gateway_pb2.SignedChaincodeEventsRequest, going_on: Callable[[], bool]
    ) -> tuple[Channel, Iterator[gateway_pb2.ChaincodeEventsResponse]]:
        """The channel, and the events of a chaincode's valid transactions, a block at a time. Raises GatewayRefused."""
        channel, events = self.events_asked(signed)
        answers = (events.of(block) for block in channel.deliver(events.start, going_on))
        return channel, (answer for answer in answers if answer is not None)

    def events_asked(self, signed: gateway_pb2.SignedChaincodeEventsRequest) -> "tuple[Channel, ChaincodeEvents]":
        """What a reader of the channel asks for. Raises GatewayRefused."""
        try:
            request = gateway_pb2.ChaincodeEventsRequest.FromString(signed.request)
        except DecodeError as cause:
            raise GatewayRefused("INVALID_ARGUMENT", "invalid chaincode events request") from cause
        if not signed.request:
            raise GatewayRefused("INVALID_ARGUMENT", "a chaincode events request is required")
        channel = self._reader(request.channel_id, request.identity, signed.signature, signed.request)
        after = request.after_transaction_id
        seen = channel.status(after) if after else None
        start = seen.block if seen else _start(request, channel.height)
        return channel, ChaincodeEvents(start, request.chaincode_id, after)

    def _channel(self, name: str) -> Channel:
        try:
            return self._network.channel(name)
        except NotFound as cause:
            raise GatewayRefused(
                "UNAVAILABLE",
                f"failed to get config for channel [{name}]: could not get last config for channel {name}",
            ) from cause

    def _reader(self, name: str, creator: bytes, signature: bytes, message: bytes) -> Channel:
        channel = self._network.find(name)
        if channel is None:
            raise GatewayRefused("PERMISSION_DENIED", f"failed to get policy manager for channel [{name}]")
        try:
            channel.authorise(READERS, creator, signature, message, self._network.clock_ms())
        except ZoneshareError as cause:
            failed = f"failed evaluating policy on signed data during check policy on channel [{name}]"
            raise GatewayRefused("PERMISSION_DENIED", f"{failed} with policy [{READERS}]: {cause.message}") from cause
        return channel


class ChaincodeEvents:
    """A chaincode's events from block ``start`` on; where ``after`` is said, those behind that transaction's event."""

    def __init__(self, start: int, chaincode: str, after: str) -> None:
        self.start = start
        self._chaincode = chaincode
        self._after = after

    def of(self, block: common_pb2.Block) -> gateway_pb2.ChaincodeEventsResponse | None:
        """Those of the next block's valid transactions; None where there are none."""
        response = gateway_pb2.ChaincodeEventsResponse(block_number=block.header.number)
        for flag, envelope in zip(blocks.flags(block), block.data.data, strict=True):
            if flag != TxFlag.VALID:
                continue
            try:
                found = transaction.parse(envelope)
            except ZoneshareError:
                continue  # a configuration
            event = found.action.event
            if event is None:
                continue
            if self._after:
                self._after = "" if event.tx_id == self._after else self._after
            elif event.chaincode == self._chaincode:
                message = chaincode_event_pb2.ChaincodeEvent(
                    chaincode_id=event.chaincode, tx_id=event.tx_id, event_name=event.name, payload=event.payload
                )
                response.events.append(message)
        return response if response.events else None


def _unpack(signed: proposal_pb2.SignedProposal) -> ChaincodeCall:
    try:
        if not signed.proposal_bytes:
            raise Malformed("a signed proposal is required")
        return proposal.parse(signed.proposal_bytes)
    except Malformed as cause:
        raise GatewayRefused("INVALID_ARGUMENT", f"failed to unpack transaction proposal: {cause.message}") from cause


def _failure(answer: proposal_response_pb2.ProposalResponse) -> str | None:
    if answer.response.status < _ERROR_THRESHOLD:
        return None
    return f"chaincode response {answer.response.status}, {answer.response.message}"


def _start(request: gateway_pb2.ChaincodeEventsRequest, height: int) -> int:
    kind = request.start_position.WhichOneof("Type")
    if kind in ("oldest", "newest"):
        name = f"*orderer.SeekPosition_{kind.capitalize()}"
        raise GatewayRefused("INVALID_ARGUMENT", f"invalid start position type: {name}")
    return int(request.start_position.specified.number) if kind == "specified" else height
