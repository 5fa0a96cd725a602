"""The stub of one transaction, whose every read and write is a question to the peer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_shim_pb2 as shim

from zoneshare_chaincode.host.invocation import Invocation
from zoneshare_protocols.errors import LedgerFailed, Malformed
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.stub import COMPOSITE, Creator, KeyModification, KeyValue, Page, composite_range

Ask = Callable[[int, Any], bytes]
"""(message type, its payload as a message) to the payload of the peer's answer; raises PeerRefused, PeerGone."""

FIRST_PLAIN = "\x01"
"""Where the plain keys begin: Fabric's shims too ask from here when a contract asks from the very first key."""


class PeerStub:
    """``zoneshare_protocols.stub.Stub`` on a peer. Any method may raise PeerRefused or PeerGone."""

    def __init__(self, invocation: Invocation, ask: Ask) -> None:
        self._invocation, self._ask = invocation, ask
        self.event: tuple[str, bytes] | None = None
        self._seen: dict[str, bytes] = {}

    @property
    def tx_id(self) -> str:
        return self._invocation.tx_id

    @property
    def channel_id(self) -> str:
        return self._invocation.channel_id

    @property
    def args(self) -> tuple[bytes, ...]:
        return self._invocation.args

    @property
    def creator(self) -> Creator:
        return self._invocation.creator

    @property
    def timestamp_ms(self) -> int:
        return self._invocation.timestamp_ms

    @property
    def transient(self) -> Mapping[str, bytes]:
        return self._invocation.transient

    def get_state(self, key: str) -> bytes | None:
        """None for a key that is not there, and for an empty value: Fabric does not tell them apart."""
        # A peer simulates on one snapshot, so a key read again is as it was.
        if key not in self._seen:
            self._seen[key] = self._ask(shim.ChaincodeMessage.GET_STATE, shim.GetState(key=key))
        return self._seen[key] or None

    def put_state(self, key: str, value: bytes) -> None:
        """Raises Malformed for an empty key."""
        self._ask(shim.ChaincodeMessage.PUT_STATE, shim.PutState(key=_named(key), value=value))

    def del_state(self, key: str) -> None:
        """Raises Malformed for an empty key."""
        self._ask(shim.ChaincodeMessage.DEL_STATE, shim.DelState(key=_named(key)))

    def get_state_by_range(self, start: str, end: str, page_size: int = 0, bookmark: str = "") -> Page:
        """Raises Malformed where start or end is a composite key, or the bookmark is out of the range."""
        if start.startswith(COMPOSITE) or end.startswith(COMPOSITE):
            raise Malformed("a plain range starts or ends with a composite key")
        return self._range(start or FIRST_PLAIN, end, page_size, bookmark)

    def get_state_by_partial_composite_key(
        self, object_type: str, attributes: tuple[str, ...], page_size: int = 0, bookmark: str = ""
    ) -> Page:
        """Raises Malformed where a part holds a reserved character, or the bookmark is out of the range."""
        return self._range(*composite_range(object_type, *attributes), page_size, bookmark)

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Newest first; fetched as it is read."""
        answer = self._ask(shim.ChaincodeMessage.GET_HISTORY_FOR_KEY, shim.GetHistoryForKey(key=key))
        for data in self._results(wire.read(shim.QueryResponse, answer)):
            change = wire.read(kv_query_result_pb2.KeyModification, data)
            yield KeyModification(change.tx_id, wire.millis(change.timestamp), change.value, change.is_delete)

    def set_event(self, name: str, payload: bytes) -> None:
        """Raises Malformed for an event without a name."""
        if not name:
            raise Malformed("an event needs a name")
        self.event = (name, payload)

    def _range(self, start: str, end: str, page_size: int, bookmark: str) -> Page:
        # A peer takes any bookmark for a start: one from outside would open keys the contract did not ask for.
        if bookmark and (bookmark < start or (end and bookmark >= end)):
            raise Malformed("the bookmark is not in the range")
        request = shim.GetStateByRange(startKey=start, endKey=end)
        if page_size > 0:
            request.metadata = shim.QueryMetadata(pageSize=page_size, bookmark=bookmark).SerializeToString()
        else:
            request.startKey = bookmark or start
        response = wire.read(shim.QueryResponse, self._ask(shim.ChaincodeMessage.GET_STATE_BY_RANGE, request))
        following = wire.read(shim.QueryResponseMetadata, response.metadata).bookmark
        rows = (wire.read(kv_query_result_pb2.KV, data) for data in self._results(response))
        return Page(tuple(KeyValue(row.key, row.value) for row in rows), following)

    def _results(self, response: Any) -> Iterator[bytes]:
        try:
            while True:
                for result in response.results:
                    yield result.resultBytes
                if not response.has_more:
                    return
                query = shim.QueryStateNext(id=response.id)
                response = wire.read(shim.QueryResponse, self._ask(shim.ChaincodeMessage.QUERY_STATE_NEXT, query))
        except GeneratorExit:
            # Left before its end. At the end the peer has closed the query of itself.
            if response.has_more:
                with suppress(LedgerFailed):
                    self._ask(shim.ChaincodeMessage.QUERY_STATE_CLOSE, shim.QueryStateClose(id=response.id))
            raise


def _named(key: str) -> str:
    if not key:
        raise Malformed("a key must not be empty")
    return key
