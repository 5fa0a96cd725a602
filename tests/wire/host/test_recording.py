"""The conversation that a real Fabric 2.5 peer had with a chaincode, spoken again: its side replayed, ours compared.

Differences, and why they are none of meaning:

- The recorded chaincode closes a query it has read to its end (QUERY_STATE_CLOSE, answered by RESPONSE). A peer has
  closed it by then (its ``has_more`` was false), so our host spares the round trip.
- The recorded event carries the transaction's id. The peer overwrites it, so our host leaves it out, as the Go shim
  does.
"""

import base64
import json
from collections import defaultdict
from typing import Any

from fabric_protos.peer import chaincode_pb2, proposal_response_pb2
from fabric_protos.peer import chaincode_shim_pb2 as shim

from tests.fidelity import recordings
from tests.wire.host.process import ID, HostProcess
from tests.wire.host.raw_peer import Message, RawPeer
from zoneshare_protocols.fabric import wire

TO_CHAINCODE = "peer->chaincode"
PAYLOADS: dict[int, Any] = {
    Message.REGISTER: chaincode_pb2.ChaincodeID,
    Message.GET_STATE: shim.GetState,
    Message.PUT_STATE: shim.PutState,
    Message.GET_STATE_BY_RANGE: shim.GetStateByRange,
    Message.GET_HISTORY_FOR_KEY: shim.GetHistoryForKey,
    Message.COMPLETED: proposal_response_pb2.Response,
}

Step = tuple[str, Any]


def recorded() -> list[Step]:
    lines = (recordings.folder() / "chaincode-stream.jsonl").read_text().splitlines()
    return [(r["way"], Message.FromString(base64.b64decode(r["message"]))) for r in map(json.loads, lines)]


def conversations() -> list[list[Step]]:
    """One list a transaction and peer: two peers endorsed the same ones, one after the other."""
    found: dict[tuple[str, int], list[Step]] = defaultdict(list)
    runs: dict[str, int] = defaultdict(int)
    for way, message in recorded():
        if message.txid:
            runs[message.txid] += message.type == Message.TRANSACTION
            found[message.txid, runs[message.txid]].append((way, message))
    return list(found.values())


def without_closings(steps: list[Step]) -> list[Step]:
    """Leaves out what the first difference above says."""
    kept: list[Step] = []
    closing = False
    for way, message in steps:
        if message.type == Message.QUERY_STATE_CLOSE:
            closing = True
        elif closing and way == TO_CHAINCODE:
            closing = False
        else:
            kept.append((way, message))
    return kept


def meaning(message: Any) -> tuple[str, str, str, str, str]:
    """Type, transaction, channel, what the payload says, and the event without its transaction id."""
    event = message.chaincode_event
    return (
        Message.Type.Name(message.type),
        message.txid,
        message.channel_id,
        str(wire.read(PAYLOADS[message.type], message.payload)),
        f"{event.event_name} {event.payload.decode()}",
    )


def test_registration_is_the_recorded_one(host: HostProcess) -> None:
    register = next(message for way, message in recorded() if way != TO_CHAINCODE)
    with RawPeer(host.connection) as peer:
        assert meaning(peer.receive()) == meaning(register)


def test_every_recorded_transaction_is_spoken_the_same(host: HostProcess) -> None:
    spoken = 0
    with RawPeer(host.connection) as peer:
        assert peer.handshake() == ID
        for steps in conversations():
            for way, message in without_closings(steps):
                if way == TO_CHAINCODE:
                    peer.send_bytes(message.SerializeToString())
                else:
                    assert meaning(peer.receive()) == meaning(message)
                    spoken += 1
    assert spoken > 30


def test_the_recorded_peers_interleaved_stream_is_no_harder(host: HostProcess) -> None:
    """All recorded transactions at once: each is answered in its own order, whatever the order between them."""
    expected = {steps[0][1].txid: without_closings(steps) for steps in conversations()}
    with RawPeer(host.connection) as peer:
        peer.handshake()
        for steps in expected.values():
            peer.send_bytes(steps.pop(0)[1].SerializeToString())
        while any(expected.values()):
            message = peer.receive()
            steps = expected[message.txid]
            assert meaning(message) == meaning(steps.pop(0)[1])
            if steps:
                peer.send_bytes(steps.pop(0)[1].SerializeToString())
