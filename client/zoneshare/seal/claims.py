"""The contract ``claim`` of a zone, typed: results for money."""

from collections.abc import Iterator

from zoneshare.calls import Contract, result, to_bytes
from zoneshare.ledger import Conflict
from zoneshare_protocols.codec import encode
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.seal.claims import KeyMessage, ProofMessage, ProofRecord, ShownPayword
from zoneshare_protocols.seal.groth16 import VerifyingKey
from zoneshare_protocols.seal.hashchain import Claim
from zoneshare_protocols.seal.ledger import Claimed
from zoneshare_protocols.seal.recompute import Dispute, Evidence
from zoneshare_protocols.seal.results import EncryptedResult, Locked
from zoneshare_protocols.seal.tasks import SoldTask


class Claims(Contract):
    """Raises the contract's own errors, and what the Ledger port raises. Methods block.

    A winner proves a batch (:func:`.claims.context_of`, :func:`.results.lock`, :meth:`.prover.Prover.prove`), waits for
    its payword, releases the key, and claims once all its tasks are decided. Without a payword it releases with
    ``publish`` before due_ij; what it does not release it expires, a margin after. The drone checks what it got
    against :meth:`proof`, gives paywords by :func:`.hashchain.may_give`, and expires what was not released.
    """

    prefix = "claim"

    def bring_key(self, key: VerifyingKey) -> None:
        """A verifying key that the zone's rules list. Anyone may; once is enough."""
        self.submit("bring_key", key)

    def prove_batch(self, locked: Locked, verifying_key: bytes, proof: bytes, *, publish: bool = False) -> ProofRecord:
        """By the winner: key hash, H(C) and proof; with ``publish`` the encrypted result as well.

        ``verifying_key``: the hash of the key that the proof is for.
        """
        encrypted = locked.encrypted
        message = ProofMessage(encrypted.context.auction, encrypted.context.seat, verifying_key, proof)
        if publish:
            return result(ProofRecord, self.submit("prove", message, encode(encrypted)).payload)
        done = self.ledger.submit("claim:prove", to_bytes(message), transient={"encrypted": encode(encrypted.bare)})
        return result(ProofRecord, done.payload)

    def release(self, locked: Locked, *, publish: bool = False) -> ProofRecord:
        """By the winner: the batch's key; with ``publish`` the encrypted result, which pays without a payword."""
        context = locked.encrypted.context
        message = KeyMessage(context.auction, context.seat, context.first, locked.key)
        published = encode(locked.encrypted) if publish else b""
        return result(ProofRecord, self.submit("release", message, published).payload)

    def show_payword(self, auction: bytes, seat: int, index: int, payword: bytes) -> ShownPayword:
        """By the drone, so that the winner has it; :meth:`call_key` then calls for keys."""
        return result(ShownPayword, self.submit("show_payword", auction, seat, index, payword).payload)

    def call_key(self, auction: bytes, seat: int, first: int, last: int) -> list[int]:
        """By the drone, until due_ij: the winner has the grace time from now on."""
        return result(list[int], self.submit("call_key", auction, seat, first, last).payload)

    def expire(self, auction: bytes, seat: int, first: int, last: int) -> list[int]:
        """What has run out a margin ago fails. Anyone may; gives the tasks that have failed now."""
        return result(list[int], self.submit("expire", auction, seat, first, last).payload)

    def claim(self, claim: Claim, *, later: bool = False) -> Claimed:
        """By a winner, once, until T_clm; ``later``: paid at the end, where something keeps it from being committed."""
        return result(Claimed, self.submit("claim", claim, later).payload)

    def dispute(self, auction: bytes, seat: int, number: int) -> Dispute:
        """By the drone: a released result is wrong; locks the bond, of its deposit where its balance never rests."""
        try:
            done = self.submit("dispute", auction, seat, number)
        except Conflict:
            done = self.submit("dispute", auction, seat, number, True)
        return result(Dispute, done.payload)

    def judge(self, auction: bytes, seat: int, number: int, encrypted: EncryptedResult, shown: Evidence) -> Dispute:
        """By the drone, within the grace time. What is shown reaches the endorsers, not the ledger.

        Where a balance never rests the bond is still ``owed``: :meth:`settle` pays it.
        """
        transient = {
            "encrypted": encode(encrypted),
            "private": shown.private,
            "job": encode(shown.job),
            "data": shown.data,
        }
        about = list(map(to_bytes, (auction, seat, number)))
        try:
            done = self.ledger.submit("claim:judge", *about, transient=transient)
        except Conflict:
            done = self.ledger.submit("claim:judge", *about, to_bytes(True), transient=transient)
        return result(Dispute, done.payload)

    def settle(self, auction: bytes, seat: int, number: int) -> Dispute:
        """Anyone: pay the bond that is owed."""
        return result(Dispute, self.submit("settle", auction, seat, number).payload)

    def forfeit(self, auction: bytes, seat: int, number: int) -> Dispute:
        """Anyone, when nothing was shown in time: the bond is the winner's."""
        return result(Dispute, self.submit("forfeit", auction, seat, number).payload)

    def key(self, hash: bytes) -> VerifyingKey:
        return self.query(VerifyingKey, "key", hash)

    def proof(self, auction: bytes, seat: int, first: int) -> ProofRecord:
        """Of the batch that begins with task ``first``; with the key once it is released."""
        return self.query(ProofRecord, "proof", auction, seat, first)

    def result(self, auction: bytes, seat: int, first: int) -> EncryptedResult:
        """An encrypted result that its winner has published."""
        return self.query(EncryptedResult, "result", auction, seat, first)

    def shown(self, auction: bytes, seat: int) -> ShownPayword | None:
        """The highest payword on the ledger."""
        try:
            return self.query(ShownPayword, "shown", auction, seat)
        except NotFound:
            return None

    def tasks(self, auction: bytes, seat: int, first: int = 1, last: int = 0) -> tuple[SoldTask, ...]:
        """A winner's tasks as they stand on the ledger, in the order of its chain; 0: to the last."""
        return self.query(tuple[SoldTask, ...], "tasks", auction, seat, first, last)

    def claimed(self, auction: bytes, seat: int) -> Claimed | None:
        data = self.ledger.evaluate("claim:claimed", *map(to_bytes, (auction, seat)))
        return result(Claimed, data) if data else None

    def disputes(self) -> Iterator[Dispute]:
        return self.pages(Dispute, "disputes")

    def holds(self) -> int:
        """The bonds that disputes hold in this zone."""
        return sum(one.held for one in self.disputes())
