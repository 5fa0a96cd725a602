"""Arguments and results of contract functions: text as UTF-8, bytes as they are, everything else by the codec."""

from collections.abc import Iterator
from typing import Any, TypeVar

from zoneshare.ledger import Committed, Ledger
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import BadAmount, Malformed
from zoneshare_protocols.sharing.records import EndorsedQuery

PAGE = 200

R = TypeVar("R")


def to_bytes(value: Any) -> bytes:
    """One argument. Raises BadAmount for a number no ledger could hold."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    try:
        return encode(value)
    except OverflowError as cause:
        raise BadAmount("a number is too large: at most 2^63 - 1") from cause


class Contract:
    """A group of contract functions on one ledger."""

    prefix = ""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def submit(self, function: str, *args: Any) -> Committed:
        return self.ledger.submit(f"{self.prefix}:{function}", *map(to_bytes, args))

    def query(self, kind: type[R], function: str, *args: Any) -> R:
        """The function's answer as a ``kind``; text is UTF-8."""
        data = self.ledger.evaluate(f"{self.prefix}:{function}", *map(to_bytes, args))
        return result(kind, data)

    def prove(self, function: str, *args: Any) -> EndorsedQuery:
        return self.ledger.endorsed_query(f"{self.prefix}:{function}", *map(to_bytes, args))

    def pages(self, kind: type[R], function: str, *args: Any, size: int = PAGE) -> Iterator[R]:
        """Every row of a paged query, asked for page by page; ``args`` come before its size and bookmark."""
        bookmark = ""
        while True:
            rows, bookmark = self.query(tuple[tuple[kind, ...], str], function, *args, size, bookmark)  # type: ignore[valid-type]  # built at run time
            yield from rows
            if not bookmark:
                return


def result(kind: type[R], data: bytes) -> R:
    """What a function returned, as a ``kind``. Raises Malformed."""
    if kind is str:
        return data.decode()  # type: ignore[return-value]  # R is str here
    try:
        return decode(kind, data)
    except Malformed as cause:
        raise Malformed("the ledger's answer is in the form of another version of zoneshare than this one") from cause
