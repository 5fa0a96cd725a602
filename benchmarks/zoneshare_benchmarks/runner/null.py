"""A ledger that does nothing, after a given time: what is left is the runner itself."""

import time

from zoneshare.ledger import ChaincodeEvent, Committed
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.sharing.records import EndorsedQuery


class _NoEvents:
    def __iter__(self) -> "_NoEvents":
        return self

    def __next__(self) -> ChaincodeEvent:
        raise StopIteration

    def close(self) -> None:
        """Nothing is open."""


class NullLedger:
    """Every call takes ``delay`` seconds, and is answered with nothing."""

    channel = "null"

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay

    def evaluate(self, function: str, *args: bytes) -> bytes:  # noqa: ARG002  # the port's
        self._pass()
        return b""

    def submit(self, function: str, *args: bytes, transient: dict[str, bytes] | None = None) -> Committed:  # noqa: ARG002  # the port's
        self._pass()
        return Committed("", 0, b"")

    def endorsed_query(self, function: str, *args: bytes) -> EndorsedQuery:  # noqa: ARG002  # the port's
        raise Misuse("a null ledger endorses nothing")

    def events(self, from_block: int | None = None) -> _NoEvents:  # noqa: ARG002  # the port's
        return _NoEvents()

    def _pass(self) -> None:
        if self._delay:
            time.sleep(self._delay)
