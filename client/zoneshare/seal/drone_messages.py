"""What a vehicle says to a drone, in frames of the trade's transport; a session for each call.

    Look(after)          ->                     is there an auction? the drone answers when there is, or in a while
                         <-  Announced | Nothing
    Fetch(task)          ->                     by a winner
                         <-  Input(job, data)
    Deliver(result)      ->                     by a winner, encrypted; proven on the ledger before
                         <-  Receipt(payword)   when all tasks before are decided

The drone may answer with Refuse, which ends the connection. Calls may be repeated: the same gets the same.
"""

from typing import Annotated, Any

import msgspec

from zoneshare.trade.messages import Refuse
from zoneshare.trade.wire import Language
from zoneshare_protocols.codec import Digest, Record
from zoneshare_protocols.seal.recompute import MAX_DATA, Job
from zoneshare_protocols.seal.records import Positive
from zoneshare_protocols.seal.results import EncryptedResult

MAX_FRAME = MAX_DATA + (1 << 20)


class Look(Record, frozen=True, tag="seal-look/1"):
    """``after``: the newest auction that the vehicle has heard of here, or nothing."""

    after: Annotated[bytes, msgspec.Meta(max_length=32)] = b""


class Announced(Record, frozen=True, tag="seal-announced/1"):
    """An auction that takes bids, and where its enclave listens."""

    auction: Digest
    host: Annotated[str, msgspec.Meta(max_length=255)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Nothing(Record, frozen=True, tag="seal-nothing/1"):
    """Look again."""


class Fetch(Record, frozen=True, tag="seal-fetch/1"):
    """``number``: the task's place in the winner's chain, from 1."""

    auction: Digest
    number: Positive


class Input(Record, frozen=True, tag="seal-input/1"):
    job: Job
    data: bytes


class Deliver(Record, frozen=True, tag="seal-deliver/1"):
    encrypted: EncryptedResult


class Receipt(Record, frozen=True, tag="seal-receipt/1"):
    """Payword ``index``: the drone has the encrypted results up to there."""

    index: Positive
    payword: Digest


Message: Any = Refuse | Look | Announced | Nothing | Fetch | Input | Deliver | Receipt
DRONE = Language(Message, MAX_FRAME)
