"""How a zone's mining records change: claims, pay, penalties, the end of a task, blocks.

The contract and the coordinator take the same steps by these very functions, so that they never disagree.
"""

from typing import NamedTuple

from msgspec.structs import replace

from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.epow.claims import close_claim, count_verified, left_over, mark_fake, open_claim
from zoneshare_protocols.epow.difficulty import final, scale_factor
from zoneshare_protocols.epow.hashing import keyed
from zoneshare_protocols.epow.ledger import (
    Faked,
    Finished,
    MinerRecord,
    MiningZone,
    Pool,
    RunDone,
    TaskRecord,
    TaskStatus,
    Wanted,
    held,
)
from zoneshare_protocols.epow.plan import escrow, worst_case
from zoneshare_protocols.epow.records import Claim, MiningRules, Task, Tip
from zoneshare_protocols.epow.rewards import Shares, adjust_fee, fee_floor, share
from zoneshare_protocols.errors import (
    BadAmount,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotNewer,
    TooEarly,
    WrongPhase,
)

MAX_FEE = 2**40


def check_zone(new: MiningZone, present: MiningZone | None, zone: str) -> None:
    """Raises Malformed, NotNewer unless the rules' version is the next one, NotAllowed for another basic size.

    Malformed: another zone; levy and margin over the whole fee; block rewards that no levy pays.
    """
    before = 0 if present is None else present.rules.version
    if new.zone != zone:
        raise Malformed("these are the rules of another zone", zone=new.zone, here=zone)
    if new.rules.version != before + 1:
        raise NotNewer("the version must be the next one", version=new.rules.version, present=before)
    if new.rules.levy + new.rules.margin > 1_000_000 or (new.rules.block_reward and not new.rules.levy):
        raise Malformed("levy and margin are parts of the fee, and a levy pays the blocks", levy=new.rules.levy)
    if present is not None and present.rules.basic != new.rules.basic:
        raise NotAllowed("a zone keeps its basic size", basic=present.rules.basic, new=new.rules.basic)


def genesis(zone: MiningZone, now: int) -> Tip:
    """The tip before the first block."""
    return Tip(0, keyed("zoneshare/epow-genesis/1", zone.zone.encode()), zone.rules.initial, now)


def floor(rules: MiningRules, tip: Tip) -> int:
    """The least fee of an nsub-task at this tip (decision 0012), for the easiest draw any claim may have."""
    return fee_floor(rules, final(tip.difficulty, scale_factor(rules, rules.max_claim)))


def offer(task: Task, until: int, rules: MiningRules, tip: Tip, now: int) -> TaskRecord:
    """A new task and what its source locks. Raises Malformed, LimitExceeded, TooEarly, BadAmount (under the floor)."""
    if task.basic != rules.basic:
        raise Malformed("the zone's nsub-tasks have another basic size", basic=task.basic, zone=rules.basic)
    amount, nsubs = escrow(task), sum(layout.nsubs for layout in worst_case(task))
    if task.fee < max(1, floor(rules, tip)):
        raise BadAmount("the fee is under the zone's floor", fee=task.fee, floor=max(1, floor(rules, tip)))
    if until <= now:
        raise TooEarly("the task could be withdrawn before it began", now=now, from_=until)
    return TaskRecord(task, until, nsubs, TaskStatus.OPEN, amount, 0)


def claim_at(previous: Claim | None, step: Wanted, rules: MiningRules, elapsed: int | None) -> Claim:
    """The claim at a new tip. ``elapsed``: ms of the block time that ``previous`` is of; None when there is none.

    What was claimed and never assigned is nobody's fault and does not shrink the claim. Raises as :func:`open_claim`.
    """
    if previous is not None and elapsed is not None:
        held = min(step.held, left_over(previous))
        worked = previous if previous.fake else replace(previous, claimed=previous.done + held)
        previous = close_claim(worked, rules, elapsed)
    return open_claim(previous, step.miner, step.height, step.wanted, rules)


class Paid(NamedTuple):
    task: TaskRecord
    miner: MinerRecord
    shares: Shares


def pay(task: TaskRecord, miner: MinerRecord, done: RunDone, rules: MiningRules) -> Paid:
    """A verified run. Raises WrongPhase, NotAllowed, LimitExceeded (more nsub-tasks than the task or claim has)."""
    _open(task)
    if miner.claim is None:
        raise NotAllowed("the miner has claimed nothing", miner=miner.account)
    if task.verified + done.count > task.nsubs:
        raise LimitExceeded("more nsub-tasks than the task has", value=task.verified + done.count, limit=task.nsubs)
    shares = share(task.task.fee, done.count, rules)
    claim = count_verified(miner.claim, done.count)
    left = replace(
        task,
        escrow=task.escrow - sum(shares),
        margin=task.margin + shares.coordinator,
        verified=task.verified + done.count,
    )
    worker = replace(miner, claim=claim, verified=miner.verified + done.count, earned=miner.earned + shares.miner)
    return Paid(left, worker, shares)


def punish(miner: MinerRecord, faked: Faked, rules: MiningRules) -> tuple[MinerRecord, int]:
    """A fake: the miner without its penalty, and the penalty. Raises NotAllowed for one that has no claim to lose."""
    if miner.claim is None or miner.claim.fake:
        raise NotAllowed("no claim to lose", miner=faked.miner)
    penalty = min(rules.penalty, miner.deposit)
    claim, _ = mark_fake(miner.claim)
    return replace(miner, claim=claim, deposit=miner.deposit - penalty, fakes=miner.fakes + 1), penalty


def finish(task: TaskRecord, finished: Finished, now: int) -> TaskRecord:
    """The merged result, or a task that ended early. Raises WrongPhase."""
    _open(task)
    status = TaskStatus.DONE if finished.result is not None else TaskStatus.FAILED
    return replace(task, status=status, result=finished.result, done_at=now)


class Payout(NamedTuple):
    """What leaves the zone's hands when a task ends."""

    task: TaskRecord
    source: int
    coordinator: int


def end(task: TaskRecord, status: TaskStatus) -> Payout:
    """Rest to the source, margin to the coordinator; after an upheld dispute all to the source."""
    upheld = status is TaskStatus.DISPUTED
    closed = replace(task, status=status, escrow=0, margin=0)
    return Payout(closed, held(task) if upheld else task.escrow, 0 if upheld else task.margin)


def check_end(task: TaskRecord, status: TaskStatus, caller: str, zone: MiningZone, *, now: int, margin: int) -> None:
    """Whether the caller may end the task so. Raises WrongPhase, NotAllowed, TooEarly."""
    if status is TaskStatus.WITHDRAWN:
        _open(task)
        _by(task.task.source, caller)
        if now < task.until + margin:
            raise TooEarly("the coordinator still has time", now=now, from_=task.until + margin)
        return
    if task.status is not TaskStatus.DONE:
        raise WrongPhase("the task has no result to be judged", phase=task.status, event=status, allowed="done")
    if status is TaskStatus.ACCEPTED and caller == zone.coordinator:
        over = task.done_at + zone.dispute_time + margin
        if now < over:
            raise TooEarly("the source may still dispute", now=now, from_=over)
        return
    _by(task.task.source, caller)


def after_block(pool: Pool, reward: int, rules: MiningRules, tip: Tip) -> Pool:
    """The pool when a block has come: its reward is paid, and the fee follows the offered work (section V)."""
    lowest = max(1, floor(rules, tip))
    fee = adjust_fee(pool.fee, pool.offered, pool.claimed, lowest, max(MAX_FEE, lowest))
    return replace(pool, treasury=pool.treasury - reward, claimed=0, fee=fee)


def add(amount: int, more: int) -> int:
    """Raises LimitExceeded over 2^63 - 1."""
    if amount + more > MAX_AMOUNT:
        raise LimitExceeded("the sum would pass 2^63 - 1", value=str(amount + more), limit=MAX_AMOUNT)
    return amount + more


def _open(task: TaskRecord) -> None:
    if task.status is not TaskStatus.OPEN:
        raise WrongPhase("the task is over", phase=task.status, event="work", allowed="open")


def _by(account: str, caller: str) -> None:
    if account != caller:
        raise NotAllowed("this is for the task's source", caller=caller, source=account)
