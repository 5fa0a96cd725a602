"""Inside the worker: the network's peers and orderers as hfc's objects, with what hfc leaves to its caller.

hfc notices neither a refused nor a divergent endorsement, and sends to one orderer, picked at random.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
from hfc.fabric.orderer import Orderer
from hfc.fabric.peer import Peer
from hfc.protos.common import common_pb2
from hfc.protos.peer import proposal_pb2

from zoneshare.grpc_options import channel_options
from zoneshare.hfc.failure import AGAIN, Failure, of_rpc
from zoneshare.hfc.messages import Network, Node

FIRST_ERROR = 400
"""Status from which on a chaincode's response is an error, and not endorsed."""
BUSY = "SERVICE_UNAVAILABLE"

T = TypeVar("T", Peer, Orderer)
R = TypeVar("R")


class Nodes:
    """Make it inside the running event loop: hfc's connections belong to it."""

    def __init__(self, network: Network) -> None:
        shown = (network.client_key or None, network.client_certificate or None)

        def made(kind: type[T], node: Node) -> T:
            return kind(node.name, node.endpoint, node.tls_roots, *shown, opts=_options(node))

        organisations = [[made(Peer, node) for node in peers] for peers in network.peers]
        self.peers = tuple(organisations[0])
        """The own organisation's: who answers alone, and who delivers blocks, is believed."""
        self._evaluating = list(self.peers)
        self._endorsing = organisations
        self._ordering = [made(Orderer, node) for node in network.orderers]

    async def evaluate(self, proposal: bytes, limit_s: float) -> bytes:
        """The first answer of a peer of the own organisation, whatever its status."""
        answer = await _first(self._evaluating, _proposing(proposal), limit_s)
        return bytes(answer.SerializeToString())

    async def endorse(self, proposal: bytes, limit_s: float) -> tuple[bytes, ...]:
        """One successful answer of each organisation, all with the same payload."""
        ask = _proposing(proposal)
        answers = await asyncio.gather(*(_first(peers, ask, limit_s) for peers in self._endorsing))
        _check(answers)
        return tuple(answer.SerializeToString() for answer in answers)

    async def broadcast(self, envelope: bytes, limit_s: float) -> None:
        """To the first orderer that takes it. An id is valid on a ledger once, so a second copy does no harm."""
        message = common_pb2.Envelope.FromString(envelope)
        await _first(self._ordering, lambda orderer: _send(orderer, message), limit_s)


def deliver(peer: Peer, seek: bytes) -> Any:
    """The peer's stream of DeliverResponse with whole blocks: an async iterator with ``cancel``."""
    return peer.delivery(common_pb2.Envelope.FromString(seek), filtered=False)


async def blocks(stream: Any, peer: Peer) -> AsyncIterator[bytes]:
    """common.Block after common.Block of a stream. Raises Failure when it ends."""
    try:
        async for response in stream:
            if response.WhichOneof("Type") == "block":
                yield response.block.SerializeToString()
            else:
                status = common_pb2.Status.Name(response.status)
                refused = {
                    "FORBIDDEN": "PERMISSION_DENIED",
                    "NOT_FOUND": "NOT_FOUND",
                    "BAD_REQUEST": "INVALID_ARGUMENT",
                }
                code = refused.get(status, "UNAVAILABLE")
                raise Failure(code, f"{peer.name} ended the blocks: status={status}")
    except grpc.RpcError as error:
        raise of_rpc(error, peer.name) from error
    raise Failure("UNAVAILABLE", f"{peer.name} ended the blocks")


async def _first(nodes: list[T], ask: Callable[[T], Awaitable[R]], limit_s: float) -> R:
    """What the first node says that can be asked; who cannot goes to the end of the list.

    Each may take half of the time that is left, the last all of it. Raises Failure.
    """
    now = asyncio.get_running_loop().time
    failure, until = Failure("UNAVAILABLE", "the connection profile names no such node"), now() + limit_s
    for place, node in enumerate(tuple(nodes), 1):
        left = until - now()
        try:
            return await asyncio.wait_for(ask(node), left if place == len(nodes) else left / 2)
        except TimeoutError:
            failure = Failure("DEADLINE_EXCEEDED", f"{node.name} does not answer")
        except Failure as cause:
            failure = cause
            if failure.code not in AGAIN:
                raise
        if nodes[0] is node:
            nodes.append(nodes.pop(0))
    raise failure


def _proposing(proposal: bytes) -> Callable[[Peer], Awaitable[Any]]:
    signed = proposal_pb2.SignedProposal.FromString(proposal)

    async def ask(peer: Peer) -> Any:
        try:
            return await peer.send_proposal(signed)
        except grpc.RpcError as error:
            raise of_rpc(error, peer.name) from error

    return ask


def _check(answers: Sequence[Any]) -> None:
    for answer in answers:
        response = answer.response
        if response.status >= FIRST_ERROR:
            said = f"chaincode response {response.status}, {response.message}"
            raise Failure("ABORTED", "failed to endorse transaction", (said,))
        if answer.payload != answers[0].payload:
            raise Failure("ABORTED", "failed to endorse transaction", ("ProposalResponsePayloads do not match",))


async def _send(orderer: Orderer, envelope: Any) -> None:
    stream = orderer.broadcast(envelope)
    try:
        async for answer in stream:
            status = common_pb2.Status.Name(answer.status)
            if status == "SUCCESS":
                return
            said = f"received unsuccessful response from orderer: status={status}, info={answer.info}"
            raise Failure("UNAVAILABLE" if status == BUSY else "ABORTED", said)
    except grpc.RpcError as error:
        raise of_rpc(error, orderer.name) from error
    finally:
        stream.cancel()
    raise Failure("UNAVAILABLE", f"{orderer.name} ended the conversation")


def _options(node: Node) -> tuple[tuple[str, Any], ...]:
    return tuple(channel_options(node.server_name))
