"""The Ledger port: all the client knows of a ledger. Adapters: gateway (a peer over gRPC), embedded, hfc."""

from dataclasses import dataclass
from typing import Protocol, Self

from zoneshare_protocols.errors import LedgerFailed
from zoneshare_protocols.sharing.records import EndorsedQuery


@dataclass(frozen=True)
class Committed:
    """A submitted transaction that its block found valid."""

    tx_id: str
    block: int
    payload: bytes


@dataclass(frozen=True)
class ChaincodeEvent:
    block: int
    tx_id: str
    name: str
    payload: bytes


class LedgerUnavailable(LedgerFailed):
    """No answer, or not this time."""

    retryable = True


class CommitUnknown(LedgerFailed):
    """The transaction may or may not be on the ledger: ask by its id before trying again."""

    def __init__(self, message: str, tx_id: str) -> None:
        super().__init__(message, tx_id=tx_id)
        self.tx_id = tx_id


class Conflict(LedgerFailed):
    """MVCC or phantom conflict: another transaction was first. Trying again reads the new state."""

    retryable = True


class Refused(LedgerFailed):
    """The network refuses the transaction (policy, signature, channel …); carries Fabric's own code."""


class BadAnswer(LedgerFailed):
    """The network's answer is not to what was asked, or not signed by whom it should be: nothing was signed or sent."""


class EventStream(Protocol):
    """Chaincode events in order, for ever; ``close``, from any thread, ends it."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> ChaincodeEvent: ...
    def close(self) -> None: ...


class Ledger(Protocol):
    """One channel of one network, seen by one identity. Methods block; all are safe to call from many threads."""

    @property
    def channel(self) -> str: ...

    def evaluate(self, function: str, *args: bytes) -> bytes:
        """What the function returns; nothing is written. Raises the contract's own error, or LedgerFailed."""

    def submit(self, function: str, *args: bytes, transient: dict[str, bytes] | None = None) -> Committed:
        """Endorse, order, and wait for the commit. Conflicts are retried with back-off (and counted).

        Raises the contract's own error, Conflict when retries run out, Refused, LedgerUnavailable, CommitUnknown.
        """

    def endorsed_query(self, function: str, *args: bytes) -> EndorsedQuery:
        """The query's answer with the endorsers' signatures: nothing is ordered. Raises as :meth:`evaluate`."""

    def events(self, from_block: int | None = None) -> EventStream:
        """Chaincode events from a block on (included); from now on when None. A lost connection is taken up again."""
