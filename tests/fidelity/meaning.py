"""What an answer means, with ids, addresses and times aside: for a comparison of two networks' answers to one case."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.rpc import status_pb2

from tests.fidelity.recordings import Exchange
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import endorsement, identity, proposal, transaction
from zoneshare_protocols.fabric.endorsement import Action

_HEX = re.compile(r"[0-9a-f]{64}")
_SECONDS = re.compile(r"\b1\d{9}\b")
_NOT_ONE_RUN = re.compile(r"proto:[\s\u00a0]+")
"""Go's protobuf puts now a space, now a no-break space, so that nobody depends on its words."""


def text(value: str | bytes) -> str:
    raw = value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
    return _SECONDS.sub("<seconds>", _HEX.sub("<id>", _NOT_ONE_RUN.sub("proto: ", raw)))


def refusal(code: str, details: str, status_details: bytes, nodes: Mapping[str, str]) -> Any:
    """``nodes`` are the MSP ids of the peers by address."""
    status = status_pb2.Status.FromString(status_details)
    found = []
    for packed in status.details:
        one = gateway_pb2.ErrorDetail()
        assert packed.Unpack(one), packed.type_url
        found.append((nodes[one.address], one.msp_id, text(one.message)))
    assert not status_details or status.message == details
    return {"code": code, "message": text(details), "status": status.code, "details": found}


def answer(one: Exchange, data: bytes) -> Any:
    """Of one message of an answer to a recorded request."""
    if one.method in ("Evaluate", "ProcessProposal"):
        chaincode = _asked(one)
        if one.method == "Evaluate":
            return _response(chaincode, gateway_pb2.EvaluateResponse.FromString(data).result)
        return _proposal_response(chaincode, proposal_response_pb2.ProposalResponse.FromString(data))
    if one.method in ("Deliver", "DeliverFiltered"):
        kind = ab_pb2.DeliverResponse if one.service.startswith("orderer") else events_pb2.DeliverResponse
        return _delivered(kind.FromString(data))
    return _OTHERS[one.method](data)


def _asked(one: Exchange) -> str:
    """The chaincode that a proposal is for."""
    signed = proposal_pb2.SignedProposal.FromString(one.request)
    if one.method == "Evaluate":
        signed = gateway_pb2.EvaluateRequest.FromString(one.request).proposed_transaction
    return proposal.parse(signed.proposal_bytes).chaincode


def _prepared(data: bytes) -> Any:
    return _endorsed(gateway_pb2.EndorseResponse.FromString(data).prepared_transaction)


def _status(data: bytes) -> Any:
    status = gateway_pb2.CommitStatusResponse.FromString(data)
    return transaction_pb2.TxValidationCode.Name(status.result), status.block_number


def _broadcast(data: bytes) -> Any:
    reply = ab_pb2.BroadcastResponse.FromString(data)
    return common_pb2.Status.Name(reply.status), text(reply.info)


def _events(data: bytes) -> Any:
    events = gateway_pb2.ChaincodeEventsResponse.FromString(data)
    return events.block_number, [(one.chaincode_id, one.event_name, one.payload) for one in events.events]


_OTHERS: dict[str, Callable[[bytes], Any]] = {
    "Endorse": _prepared,
    "Submit": lambda data: data,
    "CommitStatus": _status,
    "Broadcast": _broadcast,
    "ChaincodeEvents": _events,
}


def _endorsed(envelope: common_pb2.Envelope) -> Any:
    found = transaction.parse(envelope.SerializeToString())
    endorsers = sorted(identity.parse(endorser).mspid for endorser, _ in found.endorsements)
    return found.channel, found.chaincode, _texts(found.args), _action(found.chaincode, found.action), endorsers


def _texts(values: tuple[bytes, ...]) -> list[str]:
    return [text(value) for value in values]


def _action(chaincode: str, action: Action) -> Any:
    spaces = {space.namespace: (space.reads, space.range_queries, space.writes) for space in action.results.namespaces}
    event = action.event and (action.event.chaincode, action.event.name, action.event.payload)
    return action.chaincode, action.version, spaces, event, _response(chaincode, action.response)


def _response(chaincode: str, response: Any) -> Any:
    payload: Any = text(response.payload)
    if chaincode == "qscc" and response.payload:
        payload = _ledger(response.payload)
    return response.status, text(response.message), payload


def _ledger(data: bytes) -> Any:
    """Answers of qscc: the first of the message types that reads it all and means something."""
    info = ledger_pb2.BlockchainInfo.FromString(data)
    if len(info.currentBlockHash) == len(info.previousBlockHash) == 32:
        return "info", info.height
    block = _maybe_block(data)
    if block is not None:
        return "block", _block(block)
    one = transaction_pb2.ProcessedTransaction.FromString(data)
    return "transaction", one.validationCode, _endorsed(one.transactionEnvelope)


def _maybe_block(data: bytes) -> common_pb2.Block | None:
    block = common_pb2.Block.FromString(data)
    return block if len(block.header.data_hash) == 32 else None


def _block(block: common_pb2.Block) -> Any:
    kinds = []
    for envelope in block.data.data:
        header = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload).header
        channel = common_pb2.ChannelHeader.FromString(header.channel_header)
        kinds.append((channel.type, channel.channel_id))
    assert block.header.data_hash == blocks.data_hash(block.data.data)
    return block.header.number, kinds, blocks.flags(block), len(block.metadata.metadata)


def _proposal_response(chaincode: str, found: Any) -> Any:
    action = _action(chaincode, endorsement.decode_action(found.payload)) if found.payload else None
    shape = (found.version, found.HasField("timestamp"), found.HasField("endorsement"))
    return shape, _response(chaincode, found.response), action


def _delivered(found: Any) -> Any:
    kind = found.WhichOneof("Type")
    if kind == "status":
        return common_pb2.Status.Name(found.status)
    if kind == "filtered_block":
        return _filtered(found.filtered_block)
    return kind, _block(found.block)


def _filtered(found: events_pb2.FilteredBlock) -> Any:
    listed = []
    for one in found.filtered_transactions:
        events = [action.chaincode_event.event_name for action in one.transaction_actions.chaincode_actions]
        listed.append((one.type, one.tx_validation_code, bool(one.txid), one.WhichOneof("Data"), events))
    return found.channel_id, found.number, listed
