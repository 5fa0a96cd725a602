"""What stands in a device's journal: one record a kind, under the key its comment names."""

from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Count, Key32, Record, Signature
from zoneshare_protocols.sharing.records import ChannelTerms, Commitment, Request, RevealedKey, SignedState, TradeSecret

BUYER_CHANNEL = "buyer-channel"
BUYER_TRADE = "buyer-trade"
SELLER_CHANNEL = "seller-channel"
SELLER_TRADE = "seller-trade"
STATE = "state"
"""Under the channel: the newest SignedState that both have signed."""
SENT = "sent"
"""Under channel/place: what A signed and B may not have answered; places are used again (:func:`sent_key`)."""
LEAVES = "leaves"
"""Under the trade: all its ChunkLeaf."""
KEY = "key"
"""Under trade/index: a key A has found right."""
GARBAGE = "garbage"
"""Under trade/index: a key that B signed and that opens garbage."""
WATCH = "watch"

SENT_PLACES = 128
"""More than the states that can be under way: a window of chunks, and an acknowledgement."""


class BuyerChannel(Record, frozen=True, tag="buyer-channel/1"):
    """Under the channel: on A's side, from before A locks any money."""

    terms: ChannelTerms
    seller: str
    """Where B listens: host:port."""
    refund: Signature
    """B's half of tx4."""
    closed: bool
    """Settled, and the rest is home."""


class BuyerTrade(Record, frozen=True, tag="buyer-trade/1"):
    """Under the request's digest: on A's side, from before the request is sent."""

    request: Request
    signature: Signature
    path: str
    """Where the file goes."""
    chunk_size: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    size: Count
    trade: bytes
    """Digest of the commitment; empty before it came."""
    secret: TradeSecret | None
    enc: bytes
    """What starts the HPKE context."""
    done: bool


class SellerChannel(Record, frozen=True, tag="seller-channel/1"):
    """Under the channel: on B's side, since it found the channel on the ledger."""

    terms: ChannelTerms
    refund: Signature
    """A's half of tx4."""
    closed: bool


class SellerTrade(Record, frozen=True, tag="seller-trade/1"):
    """Under channel/trade: on B's side, from before tx5."""

    number: Count
    """Of the trade in its channel, from 1."""
    commitment: Commitment
    secret: TradeSecret
    seed: Key32
    """The keys k_i follow from it."""
    ephemeral: Key32
    """The HPKE context's X25519 private key, of this trade only."""


class Watched(Record, frozen=True, tag="watched/1"):
    """Under the channel: what a watchtower holds for B."""

    terms: ChannelTerms
    state: SignedState
    keys: tuple[RevealedKey, ...]


def chunk_key(trade: bytes, index: int) -> str:
    return f"{trade.hex()}/{index:010d}"


def sent_key(channel: str, version: int) -> str:
    return f"{channel}/{version % SENT_PLACES:03d}"
