"""What buyer, seller and watchtower say to each other: one canonical, tagged record a frame.

The legal order on one connection::

    buyer                      seller
    Ask(data)              ->
                           <-  Offer
    Open(terms)            ->                      a new channel only
                           <-  Accept              B's half of tx4
    Opened(channel)        ->
    Resume(channel)        ->                      a channel of before
                           <-  Resumed
    Buy(request)           ->
                           <-  Preparing...        while B encrypts, commits (tx5) and uploads
                           <-  Committed, Leaves...
    Pay(T_i)               ->                      a window of them under way
                           <-  Key(k_i, B's half of T_i)
    Finish(T_n)            ->
                           <-  Finished            T_n with both signatures

Either side may answer with Refuse, which ends the connection. A watchtower takes Watch and answers Watching.
"""

from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Amount, Count, Digest, Key32, Millis, Name, Record, Signature
from zoneshare_protocols.sharing.records import (
    MAX_WINDOW,
    ChannelTerms,
    ChunkLeaf,
    Request,
    RevealedKey,
    SignedState,
)

LEAVES_PER_PAGE = 8192
"""About 1 MiB of leaves in one frame."""


class Ask(Record, frozen=True, tag="ask/1"):
    """Is this for sale, and on which terms?"""

    data: Digest


class Offer(Record, frozen=True, tag="offer/1"):
    """What one file costs, and whom to open a channel with."""

    data: Digest
    name: str
    size: Count
    """Bytes of the file."""
    chunk_size: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    chunks: Annotated[int, msgspec.Meta(ge=1, le=2**32)]
    price: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    zone: Name
    account: Name
    key: Key32
    """B's Ed25519 key."""
    bond: Amount
    """What the seller locks for the trade (tx5), and loses for garbage."""
    window: Annotated[int, msgspec.Meta(ge=1, le=MAX_WINDOW)]
    min_challenge: Annotated[int, msgspec.Meta(ge=1)]
    """ms"""
    max_lock: Millis
    """How far from now the end of M's challenge window may be, in ms."""


class Open(Record, frozen=True, tag="open/1"):
    terms: ChannelTerms


class Accept(Record, frozen=True, tag="accept/1"):
    """B's half of tx4."""

    channel: Name
    payee_signature: Signature


class Opened(Record, frozen=True, tag="opened/1"):
    """The channel is on zone B's ledger."""

    channel: Name
    payer_signature: Signature
    """A's half of tx4, so that B too can end a channel in which nothing was paid."""


class Resume(Record, frozen=True, tag="resume/1"):
    """Go on with a channel after a break; as Opened for a seller that does not know it to be open."""

    channel: Name
    payer_signature: Signature


class Resumed(Record, frozen=True, tag="resumed/1"):
    """The newest state B has taken, with both signatures; None when nothing was paid yet."""

    channel: Name
    newest: SignedState | None
    sealed_keys: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_WINDOW)]
    """Again, the keys that the state has paid for and does not acknowledge, in order."""


class Buy(Record, frozen=True, tag="buy/1"):
    request: Request
    signature: Signature


class Preparing(Record, frozen=True, tag="preparing/1"):
    """B is at work on a request, and says so every few seconds: ``done`` of ``steps``, two a chunk."""

    done: Count
    steps: Count


class Committed(Record, frozen=True, tag="committed/1"):
    """tx5 is on the ledger and the ciphertexts are in the store; the leaves follow in pages."""

    trade: Digest
    leaves: Count
    enc: Digest
    """Starts the HPKE context to PK_A, in which the secret has sequence number 0 and k_i the count of T_i."""
    sealed_secret: bytes
    """The TradeSecret."""


class Leaves(Record, frozen=True, tag="leaves/1"):
    trade: Digest
    leaves: Annotated[tuple[ChunkLeaf, ...], msgspec.Meta(max_length=LEAVES_PER_PAGE)]


class Pay(Record, frozen=True, tag="pay/1"):
    """T_i with A's half."""

    state: SignedState


class Key(Record, frozen=True, tag="key/1"):
    """B's half of T_i, and k_i sealed to A; empty where T_i only acknowledges."""

    version: Count
    payee_signature: Signature
    sealed_key: bytes


class Finish(Record, frozen=True, tag="finish/1"):
    """T_n with A's half: settle at once."""

    state: SignedState


class Finished(Record, frozen=True, tag="finished/1"):
    """T_n with both halves; B posts it."""

    state: SignedState


class Refuse(Record, frozen=True, tag="refuse/1"):
    """An error in its one wire form (errors.to_wire)."""

    error: Annotated[str, msgspec.Meta(max_length=4096)]


class Watch(Record, frozen=True, tag="watch/1"):
    """The newest state of a channel, and the keys it has not acknowledged."""

    terms: ChannelTerms
    state: SignedState
    keys: tuple[RevealedKey, ...]


class Watching(Record, frozen=True, tag="watching/1"):
    channel: Name
    version: Count


Message = (
    Ask | Offer | Open | Accept | Opened | Resume | Resumed | Buy | Preparing | Committed | Leaves
    | Pay | Key | Finish | Finished | Refuse | Watch | Watching
)  # fmt: skip
