"""The contracts' frame: from a stub's arguments to a typed method, and from its result or refusal to a Response."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter, signature
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import ClockSkew, Malformed, Misuse, NotFound, ZoneshareError, to_wire
from zoneshare_protocols.sharing.accounts import account_of
from zoneshare_protocols.sharing.records import ZoneParameters
from zoneshare_protocols.stub import (
    ERROR,
    OK,
    Page,
    Response,
    Stub,
    composite_key,
    composite_range,
    split_composite_key,
)

log = logging.getLogger(__name__)

PARAMETERS = composite_key("parameters")
DEFAULT_TOLERANCE_MS = 60_000
"""Until a zone has its first ZoneParameters."""
MAX_PAGE = 1000

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Context:
    """One transaction as a contract sees it.

    Reads go to the stub, and then see the transaction's own writes; writes reach the stub only when the whole
    function has succeeded.
    """

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self._writes: dict[str, bytes | None] = {}
        self._event: tuple[str, bytes] | None = None

    @cached_property
    def account(self) -> str:
        """The account of who signed the proposal (registered or not)."""
        creator = self.stub.creator
        return account_of(creator.mspid, creator.certificate)

    @property
    def now(self) -> int:
        """The transaction's timestamp, in milliseconds."""
        return self.stub.timestamp_ms

    @property
    def tx_id(self) -> str:
        return self.stub.tx_id

    @cached_property
    def parameters(self) -> ZoneParameters:
        """Raises NotFound before the organisations have approved the first parameters."""
        return self.need(ZoneParameters, PARAMETERS, "zone parameters: none were approved yet (zoneshare zones init)")

    @property
    def zone(self) -> str:
        return self.parameters.zone

    @property
    def margin(self) -> int:
        """Twice the clock tolerance, in milliseconds."""
        return 2 * self.parameters.clock_tolerance

    def get(self, kind: type[R], key: str) -> R | None:
        """The record under ``key``, or None; raises Malformed when it is no ``kind``."""
        data = self.stub.get_state(key)
        if key in self._writes:
            data = self._writes[key]
        return None if data is None else decode(kind, data)

    def need(self, kind: type[R], key: str, what: str) -> R:
        """As :meth:`get`; raises NotFound, naming ``what``, where nothing is."""
        found = self.get(kind, key)
        if found is None:
            raise NotFound(f"no {what}")
        return found

    def put(self, key: str, record: Any) -> None:
        """Raises Malformed for a record that breaks a limit of its type, and so could never be read again."""
        data = encode(record)
        decode(type(record), data)
        self._writes[key] = data

    def delete(self, key: str) -> None:
        self._writes[key] = None

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is written inside counts whole or, when it raises, not at all."""
        before = dict(self._writes)
        try:
            yield
        except BaseException:
            self._writes = before
            raise

    def scan(self, kind: type[R], object_type: str, *attributes: str) -> Iterator[tuple[tuple[str, ...], R]]:
        """(attributes, record) of every committed key that begins so, guarded against phantoms: for short ranges."""
        for key, value in self.stub.get_state_by_partial_composite_key(object_type, attributes).items:
            yield split_composite_key(key)[1], decode(kind, value)

    def page(
        self, kind: type[R], object_type: str, size: int, bookmark: str, *attributes: str
    ) -> tuple[tuple[tuple[tuple[str, ...], R], ...], str]:
        """As :meth:`scan`, at most ``size`` rows from ``bookmark`` on, and the next bookmark; for queries only.

        Raises Malformed for a size of 0 or over MAX_PAGE, and for another query's bookmark.
        """
        if not 1 <= size <= MAX_PAGE:
            raise Malformed(f"a page has 1 to {MAX_PAGE} rows", size=size)
        start, end = composite_range(object_type, *attributes)
        if bookmark and not start <= bookmark < end:
            raise Malformed("the bookmark is not of this query")
        found: Page = self.stub.get_state_by_partial_composite_key(object_type, attributes, size, bookmark)
        rows = tuple((split_composite_key(key)[1], decode(kind, value)) for key, value in found.items)
        return rows, found.bookmark

    def event(self, name: str, record: Any) -> None:
        """The transaction's one event: a later call replaces an earlier one, as in Fabric."""
        self._event = (name, encode(record))

    @property
    def wrote(self) -> bool:
        return bool(self._writes) or self._event is not None

    def flush(self) -> None:
        """Hand all writes to the stub, in key order."""
        for key in sorted(self._writes):
            value = self._writes[key]
            if value is None:
                self.stub.del_state(key)
            else:
                self.stub.put_state(key, value)
        if self._event is not None:
            self.stub.set_event(*self._event)


def transaction(method: F) -> F:
    """Mark a contract's method as a function that may write."""
    method.writes = True  # type: ignore[attr-defined]  # a mark on a function, which no type describes
    return method


def query(method: F) -> F:
    """Mark a contract's method as a function that must not write."""
    method.writes = False  # type: ignore[attr-defined]  # as above
    return method


class Contract:
    """A group of functions, called ``name:method``. Several classes may share a name.

    A method takes the Context and annotated arguments. Text (``str``) and raw ``bytes`` come as they are, everything
    else as the codec's canonical bytes; results go back the same way, None as no bytes.
    """

    name: ClassVar[str]


@dataclass(frozen=True)
class _Function:
    call: Callable[..., Any]
    kinds: tuple[Any, ...]
    required: int
    writes: bool


class ContractChaincode:
    """Contracts put together as one chaincode (``stub.Chaincode``); ``clock_ms`` is the endorser's own clock."""

    def __init__(self, contracts: tuple[Contract, ...], clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._functions: dict[str, _Function] = {}
        for contract in contracts:
            for name, function in _functions(contract):
                if name in self._functions:
                    raise Misuse(f"two contracts have the function {name}")
                self._functions[name] = function

    def invoke(self, stub: Stub) -> Response:
        try:
            return self._answer(stub)
        except Exception as failure:
            log.exception("a contract failed")
            return Response(ERROR, f"internal error in the chaincode: {type(failure).__name__}")

    def _answer(self, stub: Stub) -> Response:
        try:
            return Response(OK, payload=self._run(stub))
        except ZoneshareError as refusal:
            return Response(ERROR, to_wire(refusal))

    def _run(self, stub: Stub) -> bytes:
        name, *arguments = (stub.args or (b"",))[0], *stub.args[1:]
        function = self._functions.get(_text(name))
        if function is None:
            raise NotFound(f"no function {_text(name)[:80]!r} in this chaincode")
        context = Context(stub)
        self._check_clock(context)
        values = _decode(function, arguments)
        result = function.call(context, *values)
        if context.wrote and not function.writes:
            raise Misuse(f"{_text(name)} is a query and must not write")
        context.flush()
        return to_bytes(result)

    def _check_clock(self, context: Context) -> None:
        parameters = context.get(ZoneParameters, PARAMETERS)
        tolerance = DEFAULT_TOLERANCE_MS if parameters is None else parameters.clock_tolerance
        if abs(context.now - self._clock_ms()) > tolerance:
            # The endorser's own time stays out of the answer too: peers would otherwise differ.
            raise ClockSkew(
                "the transaction's timestamp is too far from the endorser's clock",
                timestamp=context.now,
                tolerance=tolerance,
            )


def to_bytes(value: Any) -> bytes:
    """An argument's or a result's bytes: text as UTF-8, bytes as they are, None as nothing, the rest by the codec."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return encode(value)


def _functions(contract: Contract) -> Iterator[tuple[str, _Function]]:
    for name in dir(contract):
        method = getattr(contract, name)
        writes = getattr(method, "writes", None)
        if writes is None or name.startswith("_"):
            continue
        hints = get_type_hints(method, include_extras=True)
        parameters = list(signature(method).parameters.values())[1:]
        kinds = tuple(hints[p.name] for p in parameters)
        required = sum(p.default is Parameter.empty for p in parameters)
        yield f"{contract.name}:{name}", _Function(method, kinds, required, writes)


def _decode(function: _Function, arguments: list[bytes]) -> list[Any]:
    if not function.required <= len(arguments) <= len(function.kinds):
        raise Malformed("wrong number of arguments", expected=function.required, given=len(arguments))
    return [_argument(kind, data) for kind, data in zip(function.kinds, arguments, strict=False)]


def _argument(kind: Any, data: bytes) -> Any:
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if plain not in (str, bytes):
        return decode(kind, data)
    value = _text(data) if plain is str else data
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as cause:
        raise Malformed(f"a bad argument: {re.sub(r'`', '', str(cause))}") from cause


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        raise Malformed("an argument is not UTF-8 text") from cause
