"""The gateways of an organisation's peers as one: the next is asked when one is gone."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from fabric_protos.gateway import gateway_pb2

from zoneshare.transport import EventCall, Transport, TransportFailure
from zoneshare_protocols.errors import Misuse

_GONE = frozenset({"UNAVAILABLE", "CANCELLED"})
"""A peer that is being stopped cancels what it was asked."""
_NO_PLAN = _GONE | {"FAILED_PRECONDITION"}
"""A peer that has just come back does not see the others yet, and finds no endorsers."""
_SUSPECT = _GONE | {"DEADLINE_EXCEEDED"}
"""After these the next call begins at another peer; but that a commit is not there yet is no peer's fault."""

R = TypeVar("R")


class FailoverTransport:
    """A ``Transport`` over several: calls go to the one that answered last. Closes them all.

    What only reads is asked of the next one at once. A submit is not: whether it arrived is for the caller to ask, by
    the transaction's id, of whichever peer answers. Events end, and begin anew at the next peer.
    """

    def __init__(self, transports: Sequence[Transport]) -> None:
        if not transports:
            raise Misuse("no peer to reach the network by")
        self._transports = tuple(transports)
        self._first = 0
        self._lock = threading.Lock()

    def evaluate(self, request: gateway_pb2.EvaluateRequest, timeout: float) -> gateway_pb2.EvaluateResponse:
        return self._each(lambda peer, left: peer.evaluate(request, left), timeout, _GONE)

    def endorse(self, request: gateway_pb2.EndorseRequest, timeout: float) -> gateway_pb2.EndorseResponse:
        return self._each(lambda peer, left: peer.endorse(request, left), timeout, _NO_PLAN)

    def submit(self, request: gateway_pb2.SubmitRequest, timeout: float) -> gateway_pb2.SubmitResponse:
        return self._each(lambda peer, left: peer.submit(request, left), timeout, frozenset())

    def commit_status(
        self, request: gateway_pb2.SignedCommitStatusRequest, timeout: float
    ) -> gateway_pb2.CommitStatusResponse:
        return self._each(lambda peer, left: peer.commit_status(request, left), timeout, _GONE, _GONE)

    def chaincode_events(self, request: gateway_pb2.SignedChaincodeEventsRequest) -> "_Events":
        asked = self._choose()
        return _Events(self._transports[asked].chaincode_events(request), lambda: self._leave(asked))

    def close(self) -> None:
        for transport in self._transports:
            transport.close()

    def _each(
        self,
        call: Callable[[Transport, float], R],
        timeout: float,
        onward: frozenset[str],
        suspect: frozenset[str] = _SUSPECT,
    ) -> R:
        """``call`` at one peer after the other, while they fail with a code in ``onward``, all within ``timeout``."""
        until = time.monotonic() + timeout
        first = self._choose()
        for step in range(len(self._transports)):
            asked = (first + step) % len(self._transports)
            try:
                return call(self._transports[asked], max(0.0, until - time.monotonic()))
            except TransportFailure as failure:
                if failure.code in suspect:
                    self._leave(asked)
                if failure.code not in onward:
                    raise
                last = failure
        raise last

    def _choose(self) -> int:
        with self._lock:
            return self._first

    def _leave(self, asked: int) -> None:
        with self._lock:
            if self._first == asked:
                self._first = (asked + 1) % len(self._transports)


class _Events:
    def __init__(self, call: EventCall, lost: Callable[[], None]) -> None:
        self._call = call
        self._lost = lost

    def __iter__(self) -> Iterator[gateway_pb2.ChaincodeEventsResponse]:
        try:
            yield from self._call
        except TransportFailure as failure:
            if failure.code in _SUSPECT:
                self._lost()
            raise
        self._lost()

    def cancel(self) -> None:
        self._call.cancel()
