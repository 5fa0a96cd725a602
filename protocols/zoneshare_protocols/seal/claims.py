"""What the contract ``claim`` keeps of an exchange, and what it asks of a winner's proof, payword and key."""

from zoneshare_protocols.codec import Digest, Record
from zoneshare_protocols.errors import BadProof, LimitExceeded, Malformed, NotAllowed
from zoneshare_protocols.seal.bids import Notice
from zoneshare_protocols.seal.groth16 import Proof
from zoneshare_protocols.seal.ledger import Winner
from zoneshare_protocols.seal.recompute import jobs_of
from zoneshare_protocols.seal.records import Positive, Seat
from zoneshare_protocols.seal.results import Element, EncryptedResult, ResultContext, check_form, element, key_hash

MAX_BATCH = 1000
"""Tasks that one call moves."""


class ProofMessage(Record, frozen=True, tag="zoneshare/seal-prove/1"):
    """A winner's word that it has a batch's results (25)."""

    auction: Digest
    seat: Seat
    verifying_key: Digest
    """Its hash: the zone allows it, and the contract has it."""
    proof: Proof


class KeyMessage(Record, frozen=True, tag="zoneshare/seal-release/1"):
    """A winner's key (32) of the batch that begins with ``first``."""

    auction: Digest
    seat: Seat
    first: Positive
    key: Element
    """K_ij."""


class ProofRecord(Record, frozen=True, tag="zoneshare/seal-proof/1"):
    """What the ledger has of a batch: Msg_ij (12) without C, and the key once it is released (32)."""

    auction: Digest
    seat: Seat
    first: Positive
    last: Positive
    circuit: str
    key_hash: Element
    """h_ij."""
    context: Element
    """What the key is hashed with."""
    encrypted: Digest
    """H(C_ij)."""
    verifying_key: Digest
    proof: Proof
    payable: bool
    """Whether a key with the encrypted result beside it is paid without a payword: not where the tasks have jobs, and
    the winner says of none that it has computed it."""
    published: bool = False
    """The encrypted result is on the ledger."""
    key: Element | None = None


class ShownPayword(Record, frozen=True, tag="zoneshare/seal-shown/1"):
    """The highest payword that the drone has put on the ledger for a winner."""

    auction: Digest
    seat: Seat
    index: Positive
    payword: Digest


def context_of(winner: Winner, notice: Notice, first: int, last: int, *, computed: bool = True) -> ResultContext:
    """What an honest winner binds the batch ``first`` to ``last`` to.

    ``computed``: it has had the tasks' data; without, it proves a placeholder only to keep its deposit. Raises
    NotAllowed for a notice without a key to seal to.
    """
    if notice.results_key is None:
        raise NotAllowed("the notice names no key that results are sealed to")
    jobs = _jobs(winner, notice, first, last) if computed else ()
    return ResultContext(winner.auction, winner.seat, winner.bidder, first, last, notice.results_key, jobs)


def check_context(encrypted: EncryptedResult, winner: Winner, notice: Notice) -> None:
    """Raises BadProof for what is bound to another auction, winner, batch or recipient; Malformed, NotFound for what
    has no form; LimitExceeded for tasks that the winner does not have."""
    check_form(encrypted)
    found = encrypted.context
    if (found.auction, found.seat, found.winner) != (winner.auction, winner.seat, winner.bidder):
        raise BadProof("the result is bound to another auction or winner", seat=found.seat, expected=winner.seat)
    if found.last > len(winner.awards) or found.count > MAX_BATCH:
        raise LimitExceeded("the winner has no such tasks", value=found.last, limit=len(winner.awards))
    if notice.results_key not in (None, found.recipient):
        raise BadProof("the result is sealed to another", recipient=found.recipient.hex())
    if found.jobs and found.jobs != _jobs(winner, notice, found.first, found.last):
        raise BadProof("the result is of other jobs than the notice's", jobs=len(found.jobs))


def proved(encrypted: EncryptedResult, notice: Notice, message: ProofMessage) -> ProofRecord:
    """The record of a proof that the contract has verified."""
    found = encrypted.context
    return ProofRecord(
        found.auction,
        found.seat,
        found.first,
        found.last,
        encrypted.circuit,
        encrypted.key_hash,
        element(found.element),
        encrypted.hash,
        message.verifying_key,
        message.proof,
        payable=bool(found.jobs) or not notice.jobs,
    )


def check_released(record: ProofRecord, key: bytes) -> None:
    """(13). Raises BadProof for a key that does not hash to h."""
    if key_hash(record.circuit, key, record.context) != record.key_hash:
        raise BadProof("the key does not match its hash", first=record.first)


def check_same(record: ProofRecord, encrypted: EncryptedResult) -> None:
    """Raises BadProof for another encrypted result than the proven one."""
    if encrypted.hash != record.encrypted:
        raise BadProof("not the encrypted result that was proven", first=record.first)


def check_batch(first: int, last: int) -> range:
    """The numbers. Raises Malformed for none, LimitExceeded for more than MAX_BATCH."""
    if not 1 <= first <= last:
        raise Malformed("a batch begins with its first task", first=first, last=last)
    if last - first >= MAX_BATCH:
        raise LimitExceeded("too many tasks for one call", value=last - first + 1, limit=MAX_BATCH)
    return range(first, last + 1)


def _jobs(winner: Winner, notice: Notice, first: int, last: int) -> tuple[bytes, ...]:
    return jobs_of(notice, [award.task for award in winner.awards[first - 1 : last]])
