"""An auction in its exchange, on the in-memory ledger: ann has won tasks 1 and 2; what she and dora do next."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from tests.contracts.ledger.test_conservation import books
from tests.contracts.seal.seal_world import STALLING, STEP, Round, SealWorld
from tests.rules.seal.market import task
from tests.support.memory_identity import Identity
from tests.support.memory_stub import VALID, Argument, Simulation
from tests.support.memory_world import CLIENT, MARGIN, ORGS, pages
from zoneshare.seal.proving_keys import ProvingKey, development
from zoneshare_chaincode.deploy import zoneshare
from zoneshare_protocols.codec import decode, digest, encode
from zoneshare_protocols.seal.bids import Notice
from zoneshare_protocols.seal.claims import KeyMessage, ProofMessage, ProofRecord, context_of
from zoneshare_protocols.seal.groth16 import Verify, VerifyingKey
from zoneshare_protocols.seal.hashchain import Claim
from zoneshare_protocols.seal.ledger import Auction, SealZone
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.recompute import Classify, Dispute, Job
from zoneshare_protocols.seal.records import Task, Terms
from zoneshare_protocols.seal.results import Locked, lock, witness
from zoneshare_protocols.seal.tasks import SoldTask

DEVELOPMENT = {key.circuit.name: key for key in development()}
PRIVATE = X25519PrivateKey.from_private_bytes(b"drone's private key of results!!")
RECIPIENT = PRIVATE.public_key().public_bytes_raw()
DATA = encode(
    Classify(2, 2, b"".join(n.to_bytes(4, "little", signed=True) for n in (1, 0, 0, 0, 1, 5)), bytes(range(8)))
)
JOB = Job("classify", b"salt" * 4, hashlib.sha256(DATA).digest())


def fake_verify(key: VerifyingKey, proof: bytes, inputs: Sequence[int]) -> bool:
    """Stands for Groth16 where proofs are not what is tested: it takes what :func:`fake_proof` makes."""
    return proof == _stamp(inputs)


def fake_proof(locked: Locked) -> bytes:
    """Only for who has a key that belongs to hash and ciphertext, as a real one."""
    witness(locked)
    return _stamp(locked.encrypted.public)


def _stamp(inputs: Sequence[int]) -> bytes:
    return hashlib.sha256(repr(list(inputs)).encode()).digest() * 8


class ClaimWorld(SealWorld):
    """``rounds`` begin with :meth:`exchange`."""

    def __init__(self, verify: Verify = fake_verify) -> None:
        super().__init__()
        self.zone.chaincode = zoneshare(ORGS, self.world.net.clock, verify)
        self.keys: dict[str, ProvingKey] = DEVELOPMENT
        listed = tuple(key.record for key in self.keys.values())
        self.approve(replace(self.ask(SealZone, "zone"), version=2, proof_keys=listed))
        for key in self.keys.values():
            self.call(self.ann, "bring_key", key.verifying)

    def call(
        self, who: Identity, function: str, *args: Argument, transient: Mapping[str, bytes] | None = None
    ) -> bytes:
        simulation = self.endorse(who, function, *args, transient=transient)
        payload = simulation.result()
        code = self.zone.commit(simulation)
        assert code == VALID, code
        return payload

    def endorse(
        self, who: Identity, function: str, *args: Argument, transient: Mapping[str, bytes] | None = None
    ) -> Simulation:
        return self.zone.endorse(who, f"claim:{function}", *args, transient=transient)

    def see(self, kind: Any, function: str, *args: Argument) -> Any:
        return decode(kind, self.zone.evaluate(CLIENT, f"claim:{function}", *args))

    def timers(self) -> Timers:
        now = self.now
        return Timers(now + STEP, now + 2 * STEP, now + 3 * STEP, now + 4 * STEP, now + 12 * STEP, STEP // 2)

    def notice(
        self,
        tasks: tuple[Task, ...] = (task(1), task(2)),
        terms: Terms = STALLING,
        nonce: int = 0,
        *,
        jobs: bool = False,
    ) -> Notice:
        found = super().notice(tasks, terms, nonce)
        return replace(found, results_key=RECIPIENT, jobs=(digest(JOB),) * len(tasks) if jobs else ())

    def exchange(self, notice: Notice | None = None) -> "Exchange":
        """From the notice to the commit; ann has won all tasks."""
        found = self.open(notice)
        found.until_exchange()
        return Exchange(self, found)

    def pass_time(self, milliseconds: int) -> None:
        self.world.net.advance(milliseconds)

    def books_balance(self) -> None:
        found = books(self.zone)
        held = sum(self.ask(int, "held", one.id) for one in pages(self.zone, "auction:auctions", Auction))
        bonds = sum(one.held for one in pages(self.zone, "claim:disputes", Dispute))
        assert found.balances + found.escrows + held + bonds == found.issued


class Exchange:
    """Ann (the winner) and dora (the drone) in one auction."""

    def __init__(self, world: ClaimWorld, found: Round) -> None:
        self.world, self.round, self.id = world, found, found.id
        self.winner = found.winner(1) if 1 in found.chains else found.winner(next(iter(found.chains)))
        self.seat = self.winner.seat
        self.chain = found.chains[self.seat]
        self.ann = next(who for who in (world.ann, world.bob, world.cid) if who.account == self.winner.bidder)

    @property
    def due(self) -> int:
        return min(task.due for task in self.tasks)

    @property
    def tasks(self) -> tuple[SoldTask, ...]:
        found: tuple[SoldTask, ...] = self.world.see(tuple[SoldTask, ...], "tasks", self.id, self.seat)
        return found

    @property
    def states(self) -> list[str]:
        return [task.state.value for task in self.tasks]

    def locked(
        self,
        first: int = 1,
        last: int = 2,
        results: Sequence[bytes] | None = None,
        *,
        seed: int = 7,
        computed: bool = True,
    ) -> Locked:
        context = context_of(self.winner, self.round.notice, first, last, computed=computed)
        given = [b"a cat, surely: %d" % number for number in range(first, last + 1)] if results is None else results
        return lock(context, given, bytes([seed]) * 32)

    def message(self, locked: Locked, proof: bytes | None = None) -> ProofMessage:
        key = self.world.keys[locked.encrypted.circuit].hash
        return ProofMessage(self.id, self.seat, key, fake_proof(locked) if proof is None else proof)

    def prove(self, locked: Locked, proof: bytes | None = None, *, publish: bool = False) -> ProofRecord:
        message = self.message(locked, proof)
        if publish:
            return decode(ProofRecord, self.world.call(self.ann, "prove", message, encode(locked.encrypted)))
        return decode(ProofRecord, self.world.call(self.ann, "prove", message, transient=self.shown(locked)))

    def shown(self, locked: Locked) -> dict[str, bytes]:
        return {"encrypted": encode(locked.encrypted.bare)}

    def release(self, locked: Locked, *, publish: bool = False) -> None:
        published = encode(locked.encrypted) if publish else b""
        self.world.call(self.ann, "release", self.key(locked), published)

    def key(self, locked: Locked) -> KeyMessage:
        return KeyMessage(self.id, self.seat, locked.encrypted.context.first, locked.key)

    def show(self, index: int) -> None:
        self.world.call(self.world.dora, "show_payword", self.id, self.seat, index, self.chain[index])

    def call_key(self, first: int, last: int) -> None:
        self.world.call(self.world.dora, "call_key", self.id, self.seat, first, last)

    def expire(self, who: Identity, first: int = 1, last: int = 2) -> None:
        self.world.call(who, "expire", self.id, self.seat, first, last)

    def claim(self, index: int, *, later: bool = False) -> None:
        self.world.call(self.ann, "claim", self.a_claim(index), later)

    def a_claim(self, index: int) -> Claim:
        return Claim(self.id, self.seat, index, self.chain[index])

    def refund(self) -> None:
        """When claims are over."""
        self.world.wait_until(max(self.world.now, self.round.notice.timers.claim + MARGIN + 1))
        self.world.submit(self.world.dora, "refund", self.id)
