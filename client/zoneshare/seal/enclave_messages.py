"""What is said to an enclave, in frames of the trade's transport: all that ever enters or leaves it.

    Prepare(notice)        ->                      by the drone
                           <-  Prepared(opening)   keys and quote of this auction
    Deliver(sealed bid)    ->                      by its maker
                           <-  Received(receipt)
    Decide(order, bids)    ->                      by anybody who has the ledger's order
                           <-  Decided(result)

The enclave may answer with Refuse, which ends the connection.
"""

from typing import Annotated, Any

import msgspec

from zoneshare.trade.messages import Refuse
from zoneshare.trade.wire import Language
from zoneshare_protocols.codec import Record, Signature
from zoneshare_protocols.seal.bids import MAX_BIDDERS, Notice, SealedBid
from zoneshare_protocols.seal.ledger import Opening, Recorded
from zoneshare_protocols.sharing.records import EndorsedQuery

MAX_FRAME = 32 << 20
"""An order for MAX_BIDDERS bids, and many of them that are on the ledger instead of here."""


class Prepare(Record, frozen=True, tag="enclave-prepare/1"):
    notice: Notice


class Prepared(Record, frozen=True, tag="enclave-prepared/1"):
    opening: Opening


class Deliver(Record, frozen=True, tag="enclave-deliver/1"):
    bid: SealedBid


class Received(Record, frozen=True, tag="enclave-received/1"):
    """The enclave's signature over the BidReceipt."""

    receipt: Signature


class Decide(Record, frozen=True, tag="enclave-decide/1"):
    """The endorsed answer of ``auction:ready``, and the sealed bids that are on the ledger."""

    order: EndorsedQuery
    published: Annotated[tuple[SealedBid, ...], msgspec.Meta(max_length=MAX_BIDDERS)]


class Decided(Record, frozen=True, tag="enclave-decided/1"):
    recorded: Recorded


Message: Any = Refuse | Prepare | Prepared | Deliver | Received | Decide | Decided
ENCLAVE = Language(Message, MAX_FRAME)
