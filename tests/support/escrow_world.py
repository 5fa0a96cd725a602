"""A channel from zone-a to zone-b on the in-memory ledger, and goods to sell in it, honest or not."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.support.memory_identity import Identity, identity
from tests.support.memory_stub import Zone
from tests.support.memory_world import CLIENT, HOUR, MARGIN, World, prove_outbound
from zoneshare_protocols.codec import decode, digest, encode
from zoneshare_protocols.sharing import chunkcipher
from zoneshare_protocols.sharing.channel import final_state, initial_state, next_state
from zoneshare_protocols.sharing.keys import envelope_key_of, sign
from zoneshare_protocols.sharing.records import (
    Channel,
    ChannelTerms,
    ChunkLeaf,
    Commitment,
    Complaint,
    Evidence,
    Payment,
    Request,
    RevealedKey,
    SignedState,
    State,
    TradeSecret,
)

CHALLENGE = 60_000
TICK = 1_000
PRICE = 10
DEPOSIT = 1_000
BOND = 50
NO_KEYS = Evidence(())


def terms_of(payer: Identity, payee: Identity, now: int, /, **changes: Any) -> ChannelTerms:
    """Fund within the hour, refund after ten."""
    fields: dict[str, Any] = {
        "payer_zone": "zone-a",
        "payer": payer.account,
        "payer_key": payer.signing_key,
        "payee_zone": "zone-b",
        "payee": payee.account,
        "payee_key": payee.signing_key,
        "deposit": DEPOSIT,
        "fund_before": now + HOUR,
        "refund_from": now + 10 * HOUR,
        "tick": TICK,
        "challenge": CHALLENGE,
        "nonce": bytes(16),
    }
    return ChannelTerms(**(fields | changes))


@dataclass(frozen=True)
class Goods:
    """A trade as its seller has it. ``garbage`` says what is wrong with which chunk."""

    commitment: Commitment
    secret: TradeSecret
    keys: tuple[bytes, ...]
    leaves: tuple[ChunkLeaf, ...]
    ciphertexts: tuple[bytes, ...]

    @property
    def trade(self) -> bytes:
        return digest(self.commitment)

    def reveal(self, index: int, **changes: Any) -> RevealedKey:
        tree = chunkcipher.leaves_tree(self.leaves)
        fields: dict[str, Any] = {"leaf": self.leaves[index], "path": tree.path(index), "key": self.keys[index]}
        return RevealedKey(**(fields | changes))

    def evidence(self, *indexes: int) -> Evidence:
        return Evidence(tuple(self.reveal(i) for i in indexes))

    def complaint(self, index: int, **changes: Any) -> Complaint:
        fields: dict[str, Any] = {
            "channel": self.commitment.request.channel,
            "trade": self.trade,
            "revealed": self.reveal(index),
            "secret": self.secret,
            "ciphertext": self.ciphertexts[index],
        }
        return Complaint(**(fields | changes))


@lru_cache(maxsize=512)
def _stuff(name: str, index: int) -> bytes:
    return hashlib.sha256(f"{name}/{index}".encode()).digest()


def make_goods(
    terms: ChannelTerms,
    payer: Identity,
    *,
    chunks: int = 5,
    price: int = PRICE,
    bond: int = BOND,
    name: str = "goods",
    garbage: dict[int, str] | None = None,
) -> Goods:
    """Kinds of garbage: "undecryptable", "other data", "other index", "other secret"."""
    secret = TradeSecret(_stuff(name, 1001), _stuff(name, 1002))
    keys, leaves, ciphertexts, hashes = [], [], [], []
    for i in range(chunks):
        key, plaintext = _stuff(name + "/key", i), _stuff(name + "/data", i) * 3
        salted = chunkcipher.plain_hash(secret.salt, plaintext)
        ciphertext = chunkcipher.encrypt(secret.secret, key, i, plaintext)
        match (garbage or {}).get(i):
            case "undecryptable":
                ciphertext = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
            case "other data":
                ciphertext = chunkcipher.encrypt(secret.secret, key, i, b"not what was sold")
            case "other index":
                ciphertext = chunkcipher.encrypt(secret.secret, key, i + 1, plaintext)
            case "other secret":
                ciphertext = chunkcipher.encrypt(bytes(32), key, i, plaintext)
        keys.append(key)
        hashes.append(salted)
        ciphertexts.append(ciphertext)
        leaves.append(chunkcipher.make_leaf(i, key, ciphertext, salted))
    data = chunkcipher.data_name(hashes)
    envelope = envelope_key_of(payer.signing_key)
    request = Request(terms.channel, data, envelope, price, chunks, name.encode().ljust(16)[:16])
    root = chunkcipher.leaves_tree(leaves).root
    commitment = Commitment(request, sign(payer.signing, request), root, digest(secret), bond)
    return Goods(commitment, secret, tuple(keys), tuple(leaves), tuple(ciphertexts))


@dataclass
class EscrowWorld:
    """One funded channel; ``b`` is the zone whose ledger has it."""

    world: World = field(default_factory=World)
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.anna, self.ben = identity("Org1MSP", "anna"), identity("Org1MSP", "ben")
        if not any(key.startswith("\0account") for key in self.b.state):
            self.world.person("anna", self.world.a, 5_000)
            self.world.person("ben", self.world.b, 500)
        self.terms = terms_of(self.anna, self.ben, self.world.net.now, **self.changes)
        self.id = self.terms.channel
        self.goods = make_goods(self.terms, self.anna)

    @property
    def b(self) -> Zone:
        return self.world.b

    @property
    def now(self) -> int:
        return self.world.net.now

    def refund(self) -> SignedState:
        state = initial_state(self.terms)
        return SignedState(state, None, sign(self.ben.signing, state))

    def fund(self) -> "EscrowWorld":
        self.world.a.submit(self.anna, "ledger:lock_outbound", self.terms)
        proof = prove_outbound(self.world.a, f"channel.{self.id}")
        self.b.submit(CLIENT, "escrow:fund", self.terms, self.refund(), proof)
        return self

    def commit(self, goods: Goods | None = None) -> Goods:
        self.goods = goods or self.goods
        self.b.submit(self.ben, "escrow:commit", self.goods.commitment)
        return self.goods

    def both(self, state: State) -> SignedState:
        return SignedState(state, sign(self.anna.signing, state), sign(self.ben.signing, state))

    def state(self, version: int, count: int = 0, acked: int = 0, earned: int = 0, goods: Goods | None = None) -> State:
        """T_i as the trade's payments go."""
        if version == 0:
            return initial_state(self.terms)
        trade = goods or self.goods
        payment = Payment(earned, trade.trade, trade.commitment.request.price, count, acked)
        return next_state(self.terms, self.id, version, payment)

    def signed(self, version: int, count: int = 0, acked: int = 0, earned: int = 0) -> SignedState:
        return self.both(self.state(version, count, acked, earned))

    def final(self, version: int, count: int, acked: int, earned: int = 0) -> SignedState:
        last = self.state(version - 1, count, acked, earned)
        return self.both(final_state(last, decode(Payment, last.app_state)))

    def turn_to(self, moment: int) -> None:
        self.world.net.now = max(self.world.net.now, moment)

    def close(self, signed: SignedState, evidence: Evidence = NO_KEYS) -> None:
        self.turn_to(signed.state.lock)
        self.b.submit(CLIENT, "escrow:close", signed, evidence)

    def begin(self) -> None:
        self.b.submit(CLIENT, "escrow:begin_challenge", self.id)

    def settle(self) -> Channel:
        channel = self.channel()
        self.turn_to(channel.challenge_from + CHALLENGE + MARGIN)
        self.b.submit(CLIENT, "escrow:settle", self.id)
        return self.channel()

    def channel(self) -> Channel:
        return decode(Channel, self.b.evaluate(CLIENT, "escrow:channel", self.id))

    def rest(self) -> int:
        """What went home to zone A."""
        return self.world.outbound(self.b, f"rest.{self.id}").amount


def with_payment(state: State, payment: Payment) -> State:
    return State(state.channel, state.version, state.lock, state.final, state.app, encode(payment))
