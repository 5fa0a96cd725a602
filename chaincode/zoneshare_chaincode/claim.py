"""claim: results for money (docs/seal.md): proofs, paywords, keys, the failed map and one claim for many tasks.

Every call is about one winner; none reads another's records, or grows with the auction.
"""

from msgspec.structs import replace

from zoneshare_chaincode import auction_state, claim_dispute, claim_state, vault
from zoneshare_chaincode.auction_phases import enter, serve
from zoneshare_chaincode.base import Context, Contract, query, transaction
from zoneshare_protocols.codec import Count, Digest, decode, digest
from zoneshare_protocols.errors import AlreadyExists, Malformed, NotAllowed
from zoneshare_protocols.seal import claims as rules
from zoneshare_protocols.seal import groth16_fast, tasks
from zoneshare_protocols.seal.attestation import check_proof_key
from zoneshare_protocols.seal.claims import KeyMessage, ProofMessage, ProofRecord, ShownPayword
from zoneshare_protocols.seal.groth16 import Verify, VerifyingKey, check_fits, check_proof
from zoneshare_protocols.seal.hashchain import Claim, check_payword, claimed
from zoneshare_protocols.seal.ledger import Auction, Claimed, Winner
from zoneshare_protocols.seal.phases import Event
from zoneshare_protocols.seal.recompute import Dispute
from zoneshare_protocols.seal.records import Positive, Seat
from zoneshare_protocols.seal.results import EncryptedResult, check_publishable
from zoneshare_protocols.seal.tasks import SoldTask


class Claims(Contract):
    name = "claim"

    def __init__(self, verify: Verify = groth16_fast.verify) -> None:
        """``verify``: of proofs; tests of everything else bring one that is quicker to satisfy."""
        self._verify = verify

    @transaction
    def bring_key(self, context: Context, key: VerifyingKey) -> None:
        """A verifying key that the organisations have approved by its hash. Anyone may bring it; it stays."""
        hash = digest(key)
        listed = check_proof_key(auction_state.zone(context), hash)
        if listed.circuit != key.circuit:
            raise Malformed("the key is listed for another circuit", circuit=key.circuit, listed=listed.circuit)
        check_fits(key)
        claim_state.put_verifying_key(context, hash, key)

    @transaction
    def prove(self, context: Context, message: ProofMessage, published: bytes = b"") -> ProofRecord:
        """Msg_ij (25), by the winner, until due_ij of each task of the batch: h, H(C) and a proof, which is verified.

        The EncryptedResult comes as transient data (``encrypted``, its body left out), for the endorsers only; or as
        ``published``, which puts it on the ledger. Event ``auction``.
        """
        present, winner = _winner(context, message.auction, message.seat)
        encrypted = decode(EncryptedResult, published or context.stub.transient.get("encrypted", b""))
        notice = auction_state.opening(context, message.auction).notice
        rules.check_context(encrypted, winner, notice)
        listed = check_proof_key(auction_state.zone(context), message.verifying_key)
        if listed.circuit != encrypted.circuit:
            raise Malformed("the key is for another circuit", circuit=encrypted.circuit, listed=listed.circuit)
        key = claim_state.verifying_key(context, message.verifying_key)
        check_proof(self._verify, key, message.proof, encrypted.public)
        for number in rules.check_batch(encrypted.context.first, encrypted.context.last):
            task = auction_state.sold_task(context, winner, number)
            auction_state.put_task(context, winner, number, tasks.prove(task, context.now))
        record = rules.proved(encrypted, notice, message)
        if published:
            record = _publish(context, record, encrypted)
        auction_state.tell(context, Event.EXCHANGE, present)
        return claim_state.put_proof(context, record)

    @transaction
    def show_payword(
        self, context: Context, auction: Digest, seat: Seat, index: Positive, payword: Digest
    ) -> ShownPayword:
        """By the drone: a payword on the ledger, which the winner can claim with. It calls for no key yet."""
        present = _drone(context, auction)
        winner = auction_state.winner(context, auction, seat)
        check_payword(winner.chain, auction, winner.prices, index, payword)
        found = context.get(ShownPayword, auction_state.key(claim_state.SHOWN, auction, seat))
        if found is not None and found.index >= index:
            raise AlreadyExists("a payword as high is there", index=found.index)
        record = ShownPayword(auction, seat, index, payword)
        context.put(auction_state.key(claim_state.SHOWN, auction, seat), record)
        auction_state.tell(context, Event.EXCHANGE, present)
        return record

    @transaction
    def call_key(self, context: Context, auction: Digest, seat: Seat, first: Positive, last: Positive) -> list[int]:
        """By the drone, until due_ij: from now on the winner has the grace time for the keys of these tasks.

        A transaction of its own, which can only be endorsed once the payword is on the ledger: nobody is blamed by a
        payword that was endorsed early and held back. Raises NotAllowed where the grace time is no longer than the
        margin, in which a winner ends a task that nobody called for.
        """
        present = _drone(context, auction)
        winner = auction_state.winner(context, auction, seat)
        if present.timers.grace <= context.margin:
            raise NotAllowed("the grace time is too short to blame anybody", grace=present.timers.grace)
        if last > claim_state.shown(context, auction, seat).index:
            raise NotAllowed("the payword on the ledger does not cover this task", last=last)
        numbers = rules.check_batch(first, last)
        auction_state.tell(context, Event.EXCHANGE, present)
        return claim_state.move_each(context, winner, numbers, lambda task: tasks.show_payword(task, context.now))

    @transaction
    def release(self, context: Context, message: KeyMessage, published: bytes = b"") -> ProofRecord:
        """K_ij (32), by the winner: a batch's key, for those of its tasks whose time is not over.

        ``published``: the whole EncryptedResult, which makes the key payable without a payword.
        """
        present, winner = _winner(context, message.auction, message.seat)
        record = claim_state.proof(context, message.auction, message.seat, message.first)
        rules.check_released(record, message.key)
        if published:
            record = _publish(context, record, decode(EncryptedResult, published))
        pays = record.published and record.payable
        claim_state.move_each(
            context,
            winner,
            range(record.first, record.last + 1),
            lambda task: tasks.release(task, context.now, present.timers.grace, published=pays),
        )
        auction_state.tell(context, Event.EXCHANGE, present)
        return claim_state.put_proof(context, replace(record, key=message.key))

    @transaction
    def expire(self, context: Context, auction: Digest, seat: Seat, first: Positive, last: Positive) -> list[int]:
        """Into the failed map (38), what has run out a margin ago. Anyone may; gives the tasks that have failed.

        The margin is the winner's, who can do without: a call for its key that was held back then comes too late.
        """
        present = enter(context, serve(context, auction), Event.EXCHANGE)
        winner = auction_state.winner(context, auction, seat)
        margin = 0 if context.account == winner.bidder else context.margin
        now, grace = context.now - margin, present.timers.grace
        numbers = rules.check_batch(first, last)
        auction_state.tell(context, Event.EXCHANGE, present)
        return claim_state.move_each(context, winner, numbers, lambda task: tasks.expire(task, now, grace))

    @transaction
    def claim(self, context: Context, claim: Claim, later: bool = False) -> Claimed:
        """Tx_clm (14), by a winner, once and until T_clm: its highest payword pays for all its tasks (15).

        ``later``: paid with its share at the end. So nobody can keep a claim from being committed until T_clm by moving
        money to or from the winner's account in every block.
        """
        present = enter(context, serve(context, claim.auction), Event.CLAIM)
        winner = auction_state.winner(context, claim.auction, claim.seat)
        _check_winner(context, winner)
        if auction_state.claimed(context, claim.auction, claim.seat) is not None:
            raise AlreadyExists("claimed already", seat=claim.seat)
        found = auction_state.sold_tasks(context, winner)
        ended = [tasks.settled(task, context.now, present.timers.grace) for task in found]
        for number, (before, after) in enumerate(zip(found, ended, strict=True), 1):
            if after is not before:
                auction_state.put_task(context, winner, number, after)
        amount = claimed(winner.chain, claim, claim.auction, ended)
        if amount and not later:
            vault.credit(context, winner.bidder, amount)
        auction_state.tell(context, Event.CLAIM, present)
        return auction_state.put_claimed(context, Claimed(claim.auction, claim.seat, claim.index, amount, later))

    @transaction
    def dispute(self, context: Context, auction: Digest, seat: Seat, number: Positive, escrow: bool = False) -> Dispute:
        """By the drone: a released result is wrong; its bond, the task's s_0j, is locked. See :mod:`.claim_dispute`.

        ``escrow``: the bond is of the drone's deposit, so that no money moved in every block keeps it from disputing.
        """
        return claim_dispute.open(context, _drone(context, auction), seat, number, escrow=escrow)

    @transaction
    def judge(self, context: Context, auction: Digest, seat: Seat, number: Positive, later: bool = False) -> Dispute:
        """By the drone, within the grace time: shows the endorsers all (transient data), and they recompute.

        ``later``: the bond is paid by :meth:`settle`, which has all the time it needs.
        """
        return claim_dispute.judge(context, _drone(context, auction), seat, number, later=later)

    @transaction
    def settle(self, context: Context, auction: Digest, seat: Seat, number: Positive) -> Dispute:
        """Anyone: pay the bond of a dispute that was judged without."""
        return claim_dispute.settle(context, serve(context, auction), seat, number)

    @transaction
    def forfeit(self, context: Context, auction: Digest, seat: Seat, number: Positive) -> Dispute:
        """Anyone, when the drone has shown nothing in time: the bond is the winner's."""
        return claim_dispute.forfeit(context, serve(context, auction), seat, number)

    @query
    def key(self, context: Context, hash: Digest) -> VerifyingKey:
        return claim_state.verifying_key(context, hash)

    @query
    def proof(self, context: Context, auction: Digest, seat: Seat, first: Positive) -> ProofRecord:
        """Of the batch that begins with ``first``; with the key once it is released."""
        return claim_state.proof(context, auction, seat, first)

    @query
    def result(self, context: Context, auction: Digest, seat: Seat, first: Positive) -> EncryptedResult:
        """An encrypted result that its winner has published."""
        return claim_state.result(context, auction, seat, first)

    @query
    def shown(self, context: Context, auction: Digest, seat: Seat) -> ShownPayword:
        return claim_state.shown(context, auction, seat)

    @query
    def tasks(
        self, context: Context, auction: Digest, seat: Seat, first: Positive = 1, last: Count = 0
    ) -> tuple[SoldTask, ...]:
        """A winner's tasks ``first`` to ``last`` as they stand on the ledger; 0: all from ``first`` on."""
        winner = auction_state.winner(context, auction, seat)
        numbers = rules.check_batch(first, last or len(winner.awards))
        return tuple(auction_state.sold_task(context, winner, number) for number in numbers)

    @query
    def claimed(self, context: Context, auction: Digest, seat: Seat) -> Claimed | None:
        return auction_state.claimed(context, auction, seat)

    @query
    def disputes(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Dispute, ...], str]:
        """A page of all disputes, and the next page's bookmark. Open ones hold their bond."""
        rows, following = context.page(Dispute, claim_state.DISPUTE, size, bookmark)
        return tuple(record for _, record in rows), following


def _winner(context: Context, auction: bytes, seat: int) -> tuple[Auction, Winner]:
    """The auction in its exchange, and the caller as the winner on this seat."""
    present = enter(context, serve(context, auction), Event.EXCHANGE)
    winner = auction_state.winner(context, auction, seat)
    _check_winner(context, winner)
    return present, winner


def _check_winner(context: Context, winner: Winner) -> None:
    if context.account != winner.bidder:
        raise NotAllowed("this is the winner's own to say", winner=winner.bidder, caller=context.account)


def _drone(context: Context, auction: bytes) -> Auction:
    present = enter(context, serve(context, auction), Event.EXCHANGE)
    if context.account != present.drone:
        raise NotAllowed("this is the drone's own to say", drone=present.drone, caller=context.account)
    return present


def _publish(context: Context, record: ProofRecord, encrypted: EncryptedResult) -> ProofRecord:
    check_publishable(encrypted)
    rules.check_same(record, encrypted)
    claim_state.put_result(context, encrypted)
    return replace(record, published=True)
