"""The records of two-layer sharing: what is signed between two devices, and what stands on a zone's ledger.

Names follow the paper (Cai et al., "Scalable on-chain and off-chain blockchain for sharing economy"): A is the payer
in zone A, B the payee in zone B; tx3 funds, tx4 refunds, tx5 commits to the data, T_i pays for chunk i, T_n settles.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Amount, Count, Digest, Key32, Millis, Name, Record, Signature, digest

MAX_CHUNK = 1 << 20
"""Bytes of ciphertext in a chunk: one IPFS block."""
MAX_WINDOW = 64
"""Chunks signed for and not yet acknowledged, at most: the keys a unilateral close may have to reveal."""


class ChannelTerms(Record, frozen=True, tag="zoneshare/channel-terms/1"):
    """What A and B agree on before any money moves. The channel's id is the digest of its terms."""

    payer_zone: Name
    payer: Name
    payer_key: Key32
    payee_zone: Name
    payee: Name
    payee_key: Key32
    deposit: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    """x, locked by A (tx3)."""
    fund_before: Millis
    """Zone B takes the funding before this moment of its own transactions' time, and a tombstone after it."""
    refund_from: Millis
    """M, the nLockTime of the refund tx4."""
    tick: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    """How far the lock falls with each update, in ms: N_i = M - i * tick."""
    challenge: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    """How long, in ms, a posted state can be answered by a newer one."""
    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]

    @property
    def channel(self) -> str:
        """The channel's id: 64 hex digits."""
        return digest(self).hex()


class State(Record, frozen=True, tag="zoneshare/channel-state/1"):
    """A version of a channel: T_i off the ledger, tx4 at version 0, T_n when final. Both parties sign its digest."""

    channel: Name
    version: Count
    lock: Millis
    """nLockTime: the ledger takes this state, posted by one party alone, from this moment on."""
    final: bool
    """T_n: both agree to settle at once; its lock is 0."""
    app: Name
    """The application whose state this is; ``payment`` is the first."""
    app_state: bytes


class SignedState(Record, frozen=True, tag="zoneshare/signed-state/1"):
    state: State
    payer_signature: Signature | None
    payee_signature: Signature | None


class Payment(Record, frozen=True, tag="zoneshare/payment/1"):
    """The payment application's state: trades are sold one after another in one channel."""

    earned: Amount
    """B's, from trades that are over and whose keys A has all acknowledged."""
    trade: bytes
    """Digest of the Commitment (tx5) being paid for; empty before the first."""
    price: Amount
    """t, for one chunk of this trade."""
    count: Count
    """Chunks of this trade that A has signed for: i."""
    acked: Count
    """Chunks whose key A has and found right; count - acked is at most the window."""


class Request(Record, frozen=True, tag="zoneshare/request/1"):
    """A's signed request for data: (D, PK_A, x) of the paper."""

    channel: Name
    data: Digest
    """D: what is wanted, by the Merkle root of its chunks' salted plaintext hashes, as the catalogue names it."""
    envelope_key: Key32
    """PK_A: A's X25519 key, to which B seals the keys of the chunks."""
    price: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    """t, for one chunk."""
    chunks: Annotated[int, msgspec.Meta(ge=1, le=2**32)]
    """n; the offer is x = n * t."""
    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class ChunkLeaf(Record, frozen=True, tag="zoneshare/chunk/1"):
    """What B commits to for one chunk; the leaves' Merkle root stands on the ledger."""

    index: Count
    cid: Digest
    """SHA-256 of the ciphertext, which is the digest inside its IPFS CID (CIDv1, raw)."""
    key_hash: Digest
    """H(k_i), the hash lock of T_i."""
    plain_hash: Digest
    """Salted, of the plaintext: made once, when the file enters B's catalogue; the root over these is D."""
    size: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHUNK)]
    """Bytes of ciphertext."""


class Commitment(Record, frozen=True, tag="zoneshare/commitment/1"):
    """tx5: B's commitment to the data, recorded in zone B before a byte is uploaded."""

    request: Request
    request_signature: Signature
    root: Digest
    """Merkle root of the chunks' leaves."""
    secret_hash: Digest
    """Digest of the TradeSecret, which A gets sealed: without it a key that is made public opens nothing."""
    bond: Amount
    """What B loses to A for a chunk that is not what it committed to."""


class TradeSecret(Record, frozen=True, tag="zoneshare/trade-secret/1"):
    """What A alone gets, before it pays."""

    secret: Key32
    """Mixed into every chunk's cipher key."""
    salt: Key32
    """Of the plaintexts' hashes."""


class RevealedKey(Record, frozen=True, tag="zoneshare/revealed-key/1"):
    """A key shown on the ledger, with the proof that it is the one committed to."""

    leaf: ChunkLeaf
    path: tuple[Digest, ...]
    key: Key32


class Evidence(Record, frozen=True, tag="zoneshare/evidence/1"):
    """What B shows beside a state: the keys A has not acknowledged in it, in order from ``acked`` on."""

    keys: Annotated[tuple[RevealedKey, ...], msgspec.Meta(max_length=MAX_WINDOW)]


class Complaint(Record, frozen=True, tag="zoneshare/complaint/1"):
    """A's charge that the released key does not open the committed ciphertext to the committed plaintext."""

    channel: Name
    trade: Digest
    revealed: RevealedKey
    secret: TradeSecret
    ciphertext: Annotated[bytes, msgspec.Meta(max_length=MAX_CHUNK)]


class Phase(StrEnum):
    """Of a channel on zone B's ledger."""

    OPEN = "open"
    CLOSING = "closing"
    """A state was posted by one party; the challenge window has not begun."""
    CHALLENGE = "challenge"
    """The window runs; a newer state still wins."""
    SETTLED = "settled"


class Channel(Record, frozen=True, tag="zoneshare/channel/1"):
    """A channel as zone B's ledger has it."""

    terms: ChannelTerms
    phase: Phase
    bond: Amount
    """B's bonds for this channel's trades, locked beside A's deposit."""
    posted: SignedState | None
    revealed: tuple[RevealedKey, ...]
    challenge_from: Millis
    """When the window began; 0 before."""
    complaints: tuple[tuple[bytes, int], ...]
    """(trade, chunk) of every complaint upheld."""
    paid: Amount
    """To B, once settled."""
    returned: Amount
    """To A's zone, once settled: the rest of the deposit and what B's bond lost."""


class ChannelEvent(Record, frozen=True, tag="zoneshare/channel-event/1"):
    """What every function of the ``escrow`` contract tells who listens; the event's name is the function's."""

    channel: Name
    phase: Phase
    """After it."""
    version: Count
    """Of the posted state; 0 while there is none."""
    trade: bytes
    """Digest of the Commitment that was committed to or complained about; else empty."""


class Destination(StrEnum):
    CHANNEL = "channel"
    ACCOUNT = "account"
    MACRO = "macro"


class OutboundStatus(StrEnum):
    LOCKED = "locked"
    RECEIVED = "received"
    RECLAIMED = "reclaimed"


class Outbound(Record, frozen=True, tag="zoneshare/outbound/1"):
    """Money that left an account of one zone for another zone: tx3^A when it funds a channel."""

    id: Name
    source_zone: Name
    source: Name
    """The account, or the channel's id where a settled channel sends A's rest home."""
    dest_zone: Name
    kind: Destination
    dest: Name
    """The channel's id, the account, or the macro-transaction's id, that zone alone may credit."""
    amount: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    before: Millis
    """The other zone takes it before this moment, and makes a tombstone after it; 0: no deadline."""
    status: OutboundStatus


class InboundStatus(StrEnum):
    RECEIVED = "received"
    TOMBSTONE = "tombstone"


class Inbound(Record, frozen=True, tag="zoneshare/inbound/1"):
    """The other zone's answer to an outbound: taken, or never to be taken. Written exactly once."""

    id: Name
    source_zone: Name
    zone: Name
    dest: Name
    amount: Amount
    status: InboundStatus


class EndorsedQuery(Record, frozen=True, tag="zoneshare/endorsed-query/1"):
    """An evaluated query with the endorsers' signatures: what zone A shows zone B (design: Across zones).

    The SHA-256 of the first three fields is the proposal hash inside the payload that the endorsers signed.
    """

    channel_header: bytes
    signature_header: bytes
    proposal_payload: bytes
    """ChaincodeProposalPayload, transient data removed."""
    response_payload: bytes
    """ProposalResponsePayload."""
    endorsements: tuple[tuple[bytes, bytes], ...]
    """(endorser: SerializedIdentity, signature)."""


class Trust(Record, frozen=True, tag="zoneshare/trust/1"):
    """What a zone believes of another (or of itself): whose signatures prove what stands on its ledger."""

    zone: Name
    fabric_channel: Name
    chaincode: Name
    policy: bytes
    """The endorsement policy: a common.SignaturePolicyEnvelope."""
    roots: tuple[tuple[str, tuple[bytes, ...]], ...]
    """(MSP id, CA certificates as PEM)."""
    revoked: tuple[bytes, ...]
    """Certificate revocation lists (PEM)."""
    version: Count
    chaincode_version: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """The one its endorsers must run; "" takes any that its organisations have agreed on."""


class ZoneParameters(Record, frozen=True, tag="zoneshare/zone-parameters/1"):
    """Of one zone; changed only by all its organisations together."""

    zone: Name
    issuer: Name
    """The account that may issue money."""
    clock_tolerance: Millis
    """How far a transaction's timestamp may be from an endorser's clock."""
    version: Count


class Account(Record, frozen=True, tag="zoneshare/account/1"):
    id: Name
    signing_key: Key32
    """Ed25519: signs off the ledger."""
    envelope_key: Key32
    """X25519: keys are sealed to it."""


class Issue(Record, frozen=True, tag="zoneshare/issue/1"):
    """New money in a zone."""

    to: Name
    amount: Amount


class Transfer(Record, frozen=True, tag="zoneshare/transfer/1"):
    """Money from one account of a zone to another."""

    source: Name
    to: Name
    amount: Amount


class MacroStatus(StrEnum):
    OFFERED = "offered"
    PAID = "paid"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    DISPUTED = "disputed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class MacroTerms(Record, frozen=True, tag="zoneshare/macro-terms/1"):
    """What a large trade is about. Its id is the digest of its terms. All times are of the seller's zone."""

    seller_zone: Name
    seller: Name
    buyer_zone: Name
    buyer: Name
    arbiter: Name
    """The account that decides a dispute."""
    goods: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    goods_hash: Annotated[bytes, msgspec.Meta(max_length=32)]
    """SHA-256 of the goods or of the contract about them; empty when there is none."""
    amount: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    pay_before: Millis
    deliver_before: Millis
    """After it, and the margin, the buyer takes back what it paid."""
    dispute_before: Millis
    """After it, and the margin, the seller takes its money for what it delivered."""
    decide_before: Millis
    """After it, and the margin, a dispute nobody decided is the buyer's."""
    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]

    @property
    def id(self) -> str:
        """64 hex digits."""
        return digest(self).hex()


class Macro(Record, frozen=True, tag="zoneshare/macro/1"):
    """A large trade, recorded in full on the seller's zone's ledger (layer one of the paper)."""

    terms: MacroTerms
    status: MacroStatus


class ZoneInfo(Record, frozen=True, tag="zoneshare/zone/1"):
    """A zone in the registry."""

    id: Name
    latitude_e6: Annotated[int, msgspec.Meta(ge=-90_000_000, le=90_000_000)]
    longitude_e6: Annotated[int, msgspec.Meta(ge=-180_000_000, le=180_000_000)]
    capacity: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    """Devices it is meant to serve."""
    trust: Trust


class ZoneLoad(Record, frozen=True, tag="zoneshare/zone-load/1"):
    """A zone and the number of its devices, as of the last fold."""

    zone: ZoneInfo
    load: int


class Device(Record, frozen=True, tag="zoneshare/device/1"):
    """A device in the registry: where it is, and the zone the contract put it in."""

    id: Name
    latitude_e6: Annotated[int, msgspec.Meta(ge=-90_000_000, le=90_000_000)]
    longitude_e6: Annotated[int, msgspec.Meta(ge=-180_000_000, le=180_000_000)]
    zone: Name
    moves: Count
    """From one zone to another."""
