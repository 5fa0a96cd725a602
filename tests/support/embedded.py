"""An embedded network for tests: a chaincode to call, a client, and the SDK's transport without a wire."""

import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from zoneshare.transport import TransportFailure
from zoneshare_network.channel import CommitStatus
from zoneshare_network.durable import Fault, no_fault
from zoneshare_network.gateway import Gateway, GatewayRefused
from zoneshare_network.members import Signer
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Role, load_key
from zoneshare_network.topology import Batch, Topology
from zoneshare_protocols.errors import LedgerFailed
from zoneshare_protocols.fabric import proposal, transaction
from zoneshare_protocols.fabric.signatures import sign
from zoneshare_protocols.stub import ERROR, OK, Chaincode, Creator, Response, Stub, composite_key

CHANNEL = "zone-a"
TIMEOUT = 30.0
FAST = Topology(channels=("zone-a", "zone-b"), batch=Batch(timeout_ms=5))


class Asset:
    """A chaincode with one function for everything a stub can do."""

    def invoke(self, stub: Stub) -> Response:
        function, *rest = (argument.decode() for argument in stub.args)
        try:
            return Response(OK, payload=getattr(self, f"do_{function}")(stub, *rest))
        except AttributeError:
            return Response(ERROR, f"unknown function {function}")
        except Exception as error:  # noqa: BLE001 - a chaincode answers whatever happens
            return Response(ERROR, f"{type(error).__name__}: {error}")

    def do_put(self, stub: Stub, key: str, value: str) -> bytes:
        stub.put_state(key, value.encode())
        return value.encode()

    def do_blind(self, stub: Stub, key: str, value: str) -> bytes:
        stub.put_state(key, value.encode())
        return stub.get_state(key) or b"absent"

    def do_delete(self, stub: Stub, key: str) -> bytes:
        stub.del_state(key)
        return b""

    def do_get(self, stub: Stub, key: str) -> bytes:
        value = stub.get_state(key)
        if value is None:
            raise KeyError(key)
        return value

    def do_incr(self, stub: Stub, key: str) -> bytes:
        value = str(int(stub.get_state(key) or b"0") + 1).encode()
        stub.put_state(key, value)
        return value

    def do_range(self, stub: Stub, start: str, end: str) -> bytes:
        return json.dumps([item.key for item in stub.get_state_by_range(start, end).items]).encode()

    def do_count(self, stub: Stub, start: str, end: str, into: str) -> bytes:
        count = str(len(stub.get_state_by_range(start, end).items)).encode()
        stub.put_state(into, count)
        return count

    def do_page(self, stub: Stub, start: str, end: str, size: str, bookmark: str) -> bytes:
        page = stub.get_state_by_range(start, end, int(size), bookmark)
        return json.dumps([[item.key for item in page.items], page.bookmark]).encode()

    def do_page_and_put(self, stub: Stub, key: str) -> bytes:
        stub.get_state_by_range("", "", 1)
        stub.put_state(key, b"no")
        return b""

    def do_put_and_page(self, stub: Stub, key: str) -> bytes:
        stub.put_state(key, b"no")
        stub.get_state_by_range("", "", 1)
        return b""

    def do_cput(self, stub: Stub, *parts: str) -> bytes:
        stub.put_state(composite_key(*parts), b"c")
        return b""

    def do_clist(self, stub: Stub, *parts: str) -> bytes:
        page = stub.get_state_by_partial_composite_key(parts[0], parts[1:])
        return json.dumps([item.key for item in page.items]).encode()

    def do_putev(self, stub: Stub, key: str, value: str) -> bytes:
        stub.set_event("first", b"forgotten")
        stub.set_event("put", value.encode())
        return self.do_put(stub, key, value)

    def do_tput(self, stub: Stub, key: str) -> bytes:
        return self.do_put(stub, key, str(len(stub.transient["secret"])))

    def do_whoami(self, stub: Stub) -> bytes:
        return f"{stub.creator.mspid} {stub.channel_id} {stub.tx_id} {stub.timestamp_ms}".encode()

    def do_history(self, stub: Stub, key: str) -> bytes:
        changes = stub.get_history_for_key(key)
        return json.dumps([[c.tx_id, c.value.decode(), c.is_delete] for c in changes]).encode()

    def do_nondet(self, stub: Stub, key: str) -> bytes:
        return self.do_put(stub, key, secrets.token_hex(4))

    def do_fail(self, stub: Stub) -> bytes:
        raise ValueError("boom")

    def do_big(self, stub: Stub, key: str, size: str) -> bytes:
        stub.put_state(key, b"x" * int(size))
        return b""


class Raising:
    """A chaincode that breaks the rule that it never raises."""

    def invoke(self, stub: Stub) -> Response:
        raise RuntimeError("out of order")


def enrol(network: EmbeddedNetwork, mspid: str = "Org1MSP", name: str = "", role: Role = Role.CLIENT) -> Signer:
    """A new identity of an organisation."""
    made = network.organisation(mspid).enrol(name or f"user{secrets.token_hex(4)}", role, network.clock_ms())
    return Signer(Creator(mspid, made.certificate), load_key(made.key or b""))


class Client:
    """One identity on one channel, by the network's own API."""

    def __init__(
        self, network: EmbeddedNetwork, signer: Signer, channel: str = CHANNEL, chaincode: str = "asset"
    ) -> None:
        self.network = network
        self.signer = signer
        self.channel = channel
        self.chaincode = chaincode

    def propose(
        self, function: str, *args: str | bytes, transient: Mapping[str, bytes] | None = None
    ) -> tuple[proposal_pb2.Proposal, str]:
        raw = [function.encode(), *(a.encode() if isinstance(a, str) else a for a in args)]
        return proposal.build(
            self.channel,
            self.chaincode,
            raw,
            creator=self.signer.serialized,
            nonce=os.urandom(24),
            timestamp_ms=self.network.clock_ms(),
            transient=transient,
        )

    def signed(self, proposed: proposal_pb2.Proposal) -> proposal_pb2.SignedProposal:
        return proposal.sign(proposed, self.signer.key)

    def ask(self, mspid: str, function: str, *args: str | bytes) -> proposal_response_pb2.ProposalResponse:
        """One peer's answer."""
        return self.network.process_proposal(mspid, self.signed(self.propose(function, *args)[0]))

    def evaluate(self, function: str, *args: str | bytes) -> bytes:
        response = self.ask("Org1MSP", function, *args).response
        if response.status != OK:
            raise LedgerFailed(response.message)
        return bytes(response.payload)

    def endorsed(
        self, function: str, *args: str | bytes, by: Sequence[str] = ("Org1MSP", "Org2MSP"), **options: Any
    ) -> tuple[common_pb2.Envelope, str]:
        """A signed transaction, not ordered yet, and its id."""
        proposed, tx_id = self.propose(function, *args, **options)
        signed = self.signed(proposed)
        answers = [self.network.process_proposal(mspid, signed) for mspid in by]
        return transaction.sign(transaction.assemble(proposed, answers), self.signer.key), tx_id

    def order(self, envelope: common_pb2.Envelope) -> ab_pb2.BroadcastResponse:
        return self.network.broadcast(envelope)

    def committed(self, tx_id: str) -> CommitStatus:
        found = self.network.commit_status(self.channel, tx_id, TIMEOUT)
        assert found is not None
        return found

    def submit(self, function: str, *args: str | bytes, **options: Any) -> CommitStatus:
        envelope, tx_id = self.endorsed(function, *args, **options)
        answer = self.order(envelope)
        assert answer.status == common_pb2.SUCCESS, answer.info
        return self.committed(tx_id)

    def status_request(self, tx_id: str) -> gateway_pb2.SignedCommitStatusRequest:
        request = gateway_pb2.CommitStatusRequest(
            transaction_id=tx_id, channel_id=self.channel, identity=self.signer.serialized
        ).SerializeToString()
        return gateway_pb2.SignedCommitStatusRequest(request=request, signature=sign(self.signer.key, request))

    def events_request(self, start: int | None = None, after: str = "") -> gateway_pb2.SignedChaincodeEventsRequest:
        request = gateway_pb2.ChaincodeEventsRequest(
            channel_id=self.channel,
            chaincode_id=self.chaincode,
            identity=self.signer.serialized,
            after_transaction_id=after,
        )
        if start is not None:
            request.start_position.specified.number = start
        data = request.SerializeToString()
        return gateway_pb2.SignedChaincodeEventsRequest(request=data, signature=sign(self.signer.key, data))


@contextmanager
def running(
    folder: Path,
    chaincodes: Mapping[str, Chaincode] | None = None,
    shape: Topology = FAST,
    fault: Fault = no_fault,
) -> Iterator[EmbeddedNetwork]:
    """A network in ``folder``, with the chaincode ``asset`` unless told otherwise."""
    with EmbeddedNetwork(
        folder, shape, {"asset": Asset()} if chaincodes is None else chaincodes, fault=fault
    ) as network:
        yield network


class InProcess:
    """The SDK's ``Transport`` over a network in this process: the same messages and refusals, no gRPC."""

    def __init__(self, network: EmbeddedNetwork) -> None:
        self._network = network
        self._gateway = Gateway(network)

    def evaluate(self, request: gateway_pb2.EvaluateRequest, timeout: float) -> gateway_pb2.EvaluateResponse:
        return _refusing(lambda: self._gateway.evaluate(request))

    def endorse(self, request: gateway_pb2.EndorseRequest, timeout: float) -> gateway_pb2.EndorseResponse:
        return _refusing(lambda: self._gateway.endorse(request))

    def submit(self, request: gateway_pb2.SubmitRequest, timeout: float) -> gateway_pb2.SubmitResponse:
        return _refusing(lambda: self._gateway.submit(request))

    def commit_status(
        self, request: gateway_pb2.SignedCommitStatusRequest, timeout: float
    ) -> gateway_pb2.CommitStatusResponse:
        return _refusing(lambda: self._gateway.commit_status(request, lambda ch, tx: ch.wait(tx, timeout)))

    def chaincode_events(self, request: gateway_pb2.SignedChaincodeEventsRequest) -> "InProcessEvents":
        over = threading.Event()
        channel, events = _refusing(lambda: self._gateway.chaincode_events(request, lambda: not over.is_set()))
        return InProcessEvents(events, over, channel.wake)

    def close(self) -> None:
        pass


class InProcessEvents:
    def __init__(self, events: Iterator[gateway_pb2.ChaincodeEventsResponse], over: threading.Event, wake: Any) -> None:
        self._events, self._over, self._wake = events, over, wake

    def __iter__(self) -> Iterator[gateway_pb2.ChaincodeEventsResponse]:
        yield from self._events

    def cancel(self) -> None:
        self._over.set()
        self._wake()


def _refusing(call: Any) -> Any:
    try:
        return call()
    except GatewayRefused as refused:
        details = tuple(detail.message for detail in refused.details)
        raise TransportFailure(refused.code, refused.message, details) from refused
    except LedgerFailed as failed:
        raise TransportFailure("UNAVAILABLE", str(failed)) from failed
