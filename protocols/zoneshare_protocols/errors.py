"""Every refusal of zoneshare, by what the caller can do about it.

:class:`RuleBroken`: a rule of the protocol refused; it says which rule, and carries the values that clashed.
:class:`LedgerFailed`: the ledger or the network failed; ``retryable`` says whether trying again can help.
:class:`Misuse`: the program or the person called something with what it cannot take.

A contract's error crosses Fabric as the message of a chaincode response; :func:`to_wire` and :func:`from_wire` are its
one wire form, so that the client raises the very error the contract raised.
"""

import json
import re
from typing import Any, ClassVar

import msgspec

Value = int | str | bool | None


class ZoneshareError(Exception):
    """Base of all errors. ``values`` are the facts the refusal rests on (integers, text)."""

    kinds: ClassVar[dict[str, type["ZoneshareError"]]] = {}

    def __init__(self, message: str, **values: Value) -> None:
        super().__init__(message)
        self.message = message
        self.values = values

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        ZoneshareError.kinds[cls.__name__] = cls

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.message} ({facts})" if facts else self.message


class RuleBroken(ZoneshareError):
    """A rule of the protocol refused; nothing has changed."""


class LedgerFailed(ZoneshareError):
    """The ledger or the network failed."""

    retryable = False


class PeerRefused(LedgerFailed):
    """A peer refused what a contract asked of it (a read, a write, a query), in the peer's own words."""


class Misuse(ZoneshareError):
    """Called with something that can never be right."""


class Malformed(RuleBroken):
    """Bytes that are not the record they should be."""


class BadAmount(RuleBroken):
    """Zero, negative or over 2^63 - 1."""


class InsufficientFunds(RuleBroken):
    """Carries ``balance`` and ``needed``."""


class NotFound(RuleBroken):
    """No such account, channel, zone, outbound or other record on this ledger."""


class AlreadyExists(RuleBroken):
    """The record is there already; nothing is done twice."""


class NotAllowed(RuleBroken):
    """The caller's identity or role does not permit it."""


class BadSignature(RuleBroken):
    """A signature does not verify under the key it should."""


class BadProof(RuleBroken):
    """A cross-zone or Merkle proof does not show what it should."""


class WrongPhase(RuleBroken):
    """A transition that the state machine's table does not have: carries ``phase``, ``event`` and ``allowed``."""


class TooEarly(RuleBroken):
    """Carries ``now`` and ``from_`` in milliseconds."""


class TooLate(RuleBroken):
    """Carries ``now`` and ``until`` in milliseconds."""


class NotNewer(RuleBroken):
    """A state that does not supersede the one already there: carries ``version`` and ``present``."""


class LimitExceeded(RuleBroken):
    """Carries ``value`` and ``limit``."""


class ClockSkew(RuleBroken):
    """The transaction's timestamp is too far from the endorser's clock."""


class NotConserved(RuleBroken):
    """Money would be made or lost: carries ``expected`` and ``actual``."""


class DataCorrupt(RuleBroken):
    """A chunk, a key or a file is not what was committed to."""


class StaleTip(RuleBroken):
    """Work for a tip that is no longer the newest block: carries ``height`` and ``tip_height``."""


class FakeResult(RuleBroken):
    """A result of a product that is not the product, or not what was committed to."""


class NotWon(RuleBroken):
    """A draw that does not meet its target."""


_WIRE = re.compile(r"zoneshare-error:(\{.*\})", re.DOTALL)


def to_wire(error: ZoneshareError) -> str:
    """The message of a chaincode response that carries ``error``."""
    body = {"kind": type(error).__name__, "message": error.message, "values": error.values}
    return "zoneshare-error:" + msgspec.json.encode(body).decode()


def from_wire(text: str) -> ZoneshareError | None:
    """The error inside ``text`` (a gateway puts its own words around it), or None if there is none."""
    found = _WIRE.search(text)
    if found is None:
        return None
    try:
        body, _ = json.JSONDecoder().raw_decode(found.group(1))
        kind = ZoneshareError.kinds.get(str(body["kind"]), RuleBroken)
        return kind(str(body["message"]), **body["values"])
    except (ValueError, KeyError, TypeError):
        return None
