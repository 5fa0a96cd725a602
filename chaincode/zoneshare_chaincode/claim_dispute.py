"""Sampled recomputation: a drone charges that a result it paid for is garbage, with a bond, and endorsers recompute it.

Upheld, the task joins the failed map and its penalty comes out of the winner's deposit; else the bond is the winner's.
"""

from msgspec.structs import replace

from zoneshare_chaincode import auction_state, claim_state, vault
from zoneshare_chaincode.base import Context
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import AlreadyExists, InsufficientFunds, Malformed, NotAllowed
from zoneshare_protocols.seal import recompute as rules
from zoneshare_protocols.seal import tasks
from zoneshare_protocols.seal.claims import check_same
from zoneshare_protocols.seal.ledger import Auction, Winner
from zoneshare_protocols.seal.recompute import Dispute, Evidence, Job
from zoneshare_protocols.seal.results import EncryptedResult
from zoneshare_protocols.seal.score import fallback
from zoneshare_protocols.seal.tasks import TaskState


def open(context: Context, present: Auction, seat: int, number: int, *, escrow: bool) -> Dispute:
    """Raises NotAllowed where nothing can be recomputed, or was not released; AlreadyExists; TooLate;
    InsufficientFunds."""
    winner = auction_state.winner(context, present.id, seat)
    if auction_state.sold_task(context, winner, number).state is not TaskState.RELEASED:
        raise NotAllowed("only a released result is disputed", number=number)
    notice = auction_state.opening(context, present.id).notice
    if not notice.jobs or notice.results_key is None:
        raise NotAllowed("the notice names no jobs to recompute, or no key that results are sealed to")
    if context.get(Dispute, auction_state.key(claim_state.DISPUTE, present.id, seat, number)) is not None:
        raise AlreadyExists("disputed already", number=number)
    task = next(one for one in notice.tasks if one.id == winner.awards[number - 1].task)
    bond = fallback(task, notice.terms).score
    timers = present.timers
    charge = Dispute(present.id, seat, number, bond, context.now)
    rules.check_dispute(charge, timers.grace, timers.claim)
    if escrow:
        _from_deposit(context, present, bond)
    elif bond:
        vault.debit(context, context.account, bond)
    context.event("dispute", charge)
    return claim_state.put_dispute(context, charge)


def judge(context: Context, present: Auction, seat: int, number: int, *, later: bool) -> Dispute:
    """Transient data: ``encrypted`` (whole), ``private`` (of the auction's results key), ``job`` and ``data``.

    Raises BadProof, DataCorrupt, NotAllowed for evidence that is not what the ledger names; TooLate.
    """
    winner = auction_state.winner(context, present.id, seat)
    charge = claim_state.dispute(context, present.id, seat, number)
    shown = context.stub.transient
    if any(name not in shown for name in ("encrypted", "private", "job", "data")) or len(shown["private"]) != 32:
        raise Malformed("a dispute shows the encrypted result, the private key, the job and its data")
    encrypted = decode(EncryptedResult, shown["encrypted"])
    record = claim_state.proof(context, present.id, seat, encrypted.context.first)
    check_same(record, encrypted)
    recipient = auction_state.opening(context, present.id).notice.results_key
    if record.key is None or recipient is None:
        raise NotAllowed("the key is not released, or the notice names none to seal to", number=number)
    evidence = Evidence(shown["private"], decode(Job, shown["job"]), shown["data"])
    wrong = rules.is_wrong(encrypted, record.key, number, recipient, evidence)
    decided = rules.judged(charge, context.now, present.timers.grace, upheld=wrong)
    if wrong:
        found = auction_state.sold_task(context, winner, number)
        auction_state.put_task(context, winner, number, tasks.refute(found))
    if later:
        return _tell(context, replace(decided, owed=True))
    return _settle(context, decided, present.drone if wrong else winner.bidder)


def settle(context: Context, present: Auction, seat: int, number: int) -> Dispute:
    """Whatever the phase. Raises NotFound, NotAllowed where nothing is owed."""
    winner = auction_state.winner(context, present.id, seat)
    charge = rules.paid(claim_state.dispute(context, present.id, seat, number))
    return _settle(context, charge, present.drone if charge.upheld else winner.bidder)


def forfeit(context: Context, present: Auction, seat: int, number: int) -> Dispute:
    """Whatever the phase: a bond is nobody's deposit. Raises NotAllowed, TooEarly until a margin after the time."""
    winner: Winner = auction_state.winner(context, present.id, seat)
    charge = claim_state.dispute(context, present.id, seat, number)
    decided = rules.forfeit(charge, context.now - context.margin, present.timers.grace)
    return _settle(context, decided, winner.bidder)


def _settle(context: Context, decided: Dispute, to: str) -> Dispute:
    if decided.bond:
        vault.credit(context, to, decided.bond)
    return _tell(context, decided)


def _tell(context: Context, decided: Dispute) -> Dispute:
    context.event("dispute", decided)
    return claim_state.put_dispute(context, decided)


def _from_deposit(context: Context, present: Auction, bond: int) -> None:
    """Out of what the drone has in escrow over all payments. Raises InsufficientFunds."""
    spare = present.deposit - present.collected - auction_state.recorded(context, present.id).result.outcome.paid
    if bond > spare:
        raise InsufficientFunds("the deposit holds no such bond over the payments", balance=spare, needed=bond)
    auction_state.put_auction(context, replace(present, collected=present.collected + bond))
