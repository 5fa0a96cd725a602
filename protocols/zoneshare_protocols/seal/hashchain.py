"""The hash chain whose elements carry the micropayments (7), (10), (15): one claim pays for many tasks.

    w_n = H(seed), w_{k-1} = H(w_k || p_k)

H is Keccak-256 over a type tag, the auction, the winner's seat and the rest. The root w_0 and n are public; payword
w_k stands for the winner's tasks 1..k at the prices of the result, and folds back to the root with those prices only.
"""

from collections.abc import Collection, Mapping, Sequence

from Cryptodome.Hash import keccak

from zoneshare_protocols.codec import Count, Digest, Millis, Name, Record
from zoneshare_protocols.errors import BadProof, LimitExceeded, Malformed, NotFound, WrongPhase
from zoneshare_protocols.seal.records import Positive, Seat
from zoneshare_protocols.seal.tasks import SoldTask, TaskState

MAX_LENGTH = 1 << 16
"""Tasks of one winner."""


class ChainMeta(Record, frozen=True, tag="zoneshare/seal-chain/1"):
    """(i, n_i, w_{i,0}): what the commit publishes of a winner's chain."""

    seat: Seat
    length: Positive
    root: Digest
    """Keccak-256."""


class Commit(Record, frozen=True, tag="zoneshare/seal-commit/1"):
    """Tx_com (11), what the drone signs."""

    auction: Digest
    drone: Name
    chains: tuple[ChainMeta, ...]
    """One for each winner, by seat."""
    expiry: Millis
    """When claims end (T_clm)."""


class Claim(Record, frozen=True, tag="zoneshare/seal-claim/1"):
    """Tx_clm (14), what a winner signs. ``index`` 0 with the root: it has no payword, and claims by its keys alone."""

    auction: Digest
    seat: Seat
    index: Count
    payword: Digest


def keccak256(*parts: bytes) -> bytes:
    """Keccak-256 (not SHA3-256: the padding differs) over the parts, one after the other."""
    return keccak.new(digest_bits=256, data=b"".join(parts)).digest()


def make_chain(auction: bytes, seat: int, seed: bytes, prices: Sequence[int]) -> list[bytes]:
    """w_0 .. w_n for the winner's tasks in the order of J'. ``seed``: 32 secret random bytes, one for each chain.

    Raises Malformed for a seed of another size or a price out of range, LimitExceeded for no task or over MAX_LENGTH.
    """
    if len(seed) != 32:
        raise Malformed("a chain's seed has 32 bytes", bytes=len(seed))
    if not 1 <= len(prices) <= MAX_LENGTH:
        raise LimitExceeded("a chain has a payword for each task", value=len(prices), limit=MAX_LENGTH)
    head = _head(auction, seat)
    chain = [keccak256(b"zoneshare/seal-payseed/1", head, seed)]
    for price in reversed(prices):
        chain.append(_fold(head, chain[-1], price))
    return chain[::-1]


def meta(seat: int, chain: Sequence[bytes]) -> ChainMeta:
    """What is published of a chain."""
    return ChainMeta(seat, len(chain) - 1, chain[0])


def check_commit(chains: Sequence[ChainMeta], tasks: Mapping[int, int]) -> None:
    """Raises Malformed unless there is one chain for each winner, as long as its tasks. ``tasks``: seat -> n_i."""
    if [one.seat for one in chains] != sorted(tasks):
        raise Malformed("there must be one chain for each winner, by seat", chains=len(chains), winners=len(tasks))
    for one in chains:
        if one.length != tasks[one.seat]:
            raise Malformed(
                "a chain is not as long as its winner's tasks", seat=one.seat, length=one.length, tasks=tasks[one.seat]
            )


def check_payword(chain: ChainMeta, auction: bytes, prices: Sequence[int], index: int, payword: bytes) -> None:
    """``index`` folds from ``payword`` to the root, with the public prices p_1 .. p_n.

    Raises Malformed for prices of another number than the chain has, NotFound for an index outside 0..n, BadProof when
    the folds end elsewhere.
    """
    if len(prices) != chain.length:
        raise Malformed("the chain has another length", length=chain.length, prices=len(prices))
    if not 0 <= index <= chain.length:
        raise NotFound("the chain has no such payword", index=index, length=chain.length)
    head, folded = _head(auction, chain.seat), payword
    for price in reversed(prices[:index]):
        folded = _fold(head, folded, price)
    if folded != chain.root:
        raise BadProof("the payword does not fold back to the root", seat=chain.seat, index=index)


def may_give(tasks: Sequence[SoldTask], index: int, held: Collection[int], first: int | None = None) -> bool:
    """Whether an honest drone gives payword ``index`` now (H12).

    ``held``: the numbers (from 1) of the tasks whose encrypted result it has. ``first``: where the batch that
    ``index`` ends begins; without it the batch is one task. Everything before the batch must be decided, every task of
    the batch proved, and of all that have not failed the result must be there, since the payword pays for them.
    """
    begin = index if first is None else first
    if not 1 <= begin <= index <= len(tasks):
        return False
    decided = all(task.final for task in tasks[: begin - 1])
    proved = all(task.state is TaskState.PROVED for task in tasks[begin - 1 : index])
    there = all(
        number in held or task.published or task.state is TaskState.FAILED
        for number, task in enumerate(tasks[:index], 1)
    )
    return decided and proved and there


def due(tasks: Sequence[SoldTask], index: int) -> int:
    """due_i (15): what a winner gets for its tasks, in the order of J', by payword ``index`` and by its keys.

    Payword k is the drone's receipt for the encrypted results 1..k; of these all are paid but the failed map. Behind k
    a task is paid when its encrypted result is on the ledger with its key, so a drone that withholds a payword saves
    nothing. Nothing is paid whose key is not on the ledger in time.
    Raises WrongPhase unless every task is final (H12): a claim is made once.
    """
    for number, task in enumerate(tasks, 1):
        if not task.final:
            raise WrongPhase("a task is not decided yet", task=number, phase=task.state.value)
    released = [(number, task) for number, task in enumerate(tasks, 1) if task.state is TaskState.RELEASED]
    return sum(task.award.payment for number, task in released if number <= index or task.published)


def claimed(chain: ChainMeta, claim: Claim, auction: bytes, tasks: Sequence[SoldTask]) -> int:
    """The amount a claim is worth. Raises NotFound, BadProof, Malformed and WrongPhase as its two checks do."""
    if claim.auction != auction or claim.seat != chain.seat:
        raise BadProof("the claim is another's, or of another auction", seat=claim.seat, expected=chain.seat)
    check_payword(chain, auction, [task.award.payment for task in tasks], claim.index, claim.payword)
    return due(tasks, claim.index)


def _head(auction: bytes, seat: int) -> bytes:
    if len(auction) != 32:
        raise Malformed("an auction's id has 32 bytes", bytes=len(auction))
    return auction + seat.to_bytes(8, "big")


def _fold(head: bytes, element: bytes, price: int) -> bytes:
    if not 0 <= price < 2**63:
        raise Malformed("a payment is 0 to 2^63 - 1", payment=price)
    return keccak256(b"zoneshare/seal-payword/1", head, element, price.to_bytes(8, "big"))
