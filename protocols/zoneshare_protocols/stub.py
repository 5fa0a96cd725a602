"""What a contract sees of the ledger: the stub, and what a host sees of a contract.

The embedded Fabric gives the stub in the process; on a real peer the chaincode-as-a-service host gives the same one.
Names and meaning are those of Fabric's ChaincodeStub, so that a Fabric developer knows them.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from zoneshare_protocols.errors import Malformed

COMPOSITE = "\x00"
"""First character, and separator, of a composite key, as in Fabric."""
_MAX_RUNE = "\U0010ffff"

OK = 200
ERROR = 500


class Response(NamedTuple):
    """What a chaincode answers: status 200 with a payload, or 400 and above with a message."""

    status: int
    message: str = ""
    payload: bytes = b""


class KeyValue(NamedTuple):
    key: str
    value: bytes


class Page(NamedTuple):
    """Some of a range's keys in order; ``bookmark`` is where the next page starts, "" at the end."""

    items: tuple[KeyValue, ...]
    bookmark: str


class KeyModification(NamedTuple):
    """One committed change of a key, newest first in a history."""

    tx_id: str
    timestamp_ms: int
    value: bytes
    is_delete: bool


class Creator(NamedTuple):
    """Who signed the proposal: the MSP and the certificate (PEM)."""

    mspid: str
    certificate: bytes


class Stub(Protocol):
    """One transaction's view of one channel. Reads see committed state only, never the transaction's own writes."""

    @property
    def tx_id(self) -> str: ...
    @property
    def channel_id(self) -> str: ...
    @property
    def args(self) -> tuple[bytes, ...]:
        """The function's name, then its arguments."""

    @property
    def creator(self) -> Creator: ...
    @property
    def timestamp_ms(self) -> int:
        """The timestamp of the transaction, which its client chose."""

    @property
    def transient(self) -> Mapping[str, bytes]: ...

    def get_state(self, key: str) -> bytes | None: ...
    def put_state(self, key: str, value: bytes) -> None: ...
    def del_state(self, key: str) -> None: ...
    def get_state_by_range(self, start: str, end: str, page_size: int = 0, bookmark: str = "") -> Page:
        """Plain keys from ``start`` (included) to ``end`` (excluded); composite keys are never among them.

        With a page size of 0 the whole range is read and guarded against phantoms; a paged read is for queries
        only: Fabric refuses writes in the same transaction.
        """

    def get_state_by_partial_composite_key(
        self, object_type: str, attributes: tuple[str, ...], page_size: int = 0, bookmark: str = ""
    ) -> Page: ...
    def get_history_for_key(self, key: str) -> Iterator[KeyModification]: ...
    def set_event(self, name: str, payload: bytes) -> None:
        """One event a transaction; the last one set counts, as in Fabric."""


class Chaincode(Protocol):
    """What a host runs. It never raises: every failure is a Response with status 500."""

    def invoke(self, stub: Stub) -> Response: ...


def composite_key(object_type: str, *attributes: str) -> str:
    """Fabric's composite key: NUL, type, NUL, then every attribute followed by NUL.

    Raises Malformed where a part holds NUL or U+10FFFF, which Fabric reserves.
    """
    for part in (object_type, *attributes):
        if COMPOSITE in part or _MAX_RUNE in part:
            raise Malformed("a part of a composite key holds a reserved character")
    return COMPOSITE + object_type + COMPOSITE + "".join(a + COMPOSITE for a in attributes)


def split_composite_key(key: str) -> tuple[str, tuple[str, ...]]:
    """The type and the attributes of a composite key."""
    if not key.startswith(COMPOSITE) or not key.endswith(COMPOSITE) or len(key) < 3:
        raise Malformed("not a composite key")
    object_type, *attributes = key[1:-1].split(COMPOSITE)
    return object_type, tuple(attributes)


def composite_range(object_type: str, *attributes: str) -> tuple[str, str]:
    """Start (included) and end (excluded) of all composite keys that begin so."""
    start = composite_key(object_type, *attributes)
    return start, start + _MAX_RUNE
