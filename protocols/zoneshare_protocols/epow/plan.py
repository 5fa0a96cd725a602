"""A task's sub-tasks (section III.A), from left to right: each multiplies the result so far by the next matrix."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from zoneshare_protocols.epow.exact import INT64_MAX, as_integers, check_size, limb_count, limbs_for
from zoneshare_protocols.epow.hashing import keyed, matrix_hash
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.records import MatrixInfo, Task
from zoneshare_protocols.errors import DataCorrupt, LimitExceeded, Malformed

MAX_TASK_BYTES = 4 << 30
"""All matrices of one task."""


def describe(matrix: NDArray[Any]) -> MatrixInfo:
    """A matrix as a task names it. Raises Malformed, LimitExceeded (:func:`as_integers`)."""
    checked = as_integers(matrix)
    return MatrixInfo(checked.shape[0], checked.shape[1], limb_count(checked), matrix_hash(checked))


def check_named(matrix: NDArray[Any], info: MatrixInfo) -> None:
    """Raises DataCorrupt unless this is the matrix that a task names so."""
    if describe(matrix) != info:
        raise DataCorrupt("the matrix is not the one the task names", matrix=info.hash.hex())


def check_chain(matrices: Sequence[MatrixInfo]) -> None:
    """Raises Malformed when there are fewer than two matrices or neighbours do not conform.

    Raises LimitExceeded when one of them, or a sub-task's result, has too many cells, or all of them too many bytes.
    """
    if len(matrices) < 2:
        raise Malformed("a task is the product of at least two matrices", matrices=len(matrices))
    for matrix in matrices:
        check_size(matrix.rows, matrix.columns, int8=matrix.limbs == 1)
    size = sum(matrix.rows * matrix.columns * (1 if matrix.limbs == 1 else 8) for matrix in matrices)
    if size > MAX_TASK_BYTES:
        raise LimitExceeded("the task's matrices are too large", value=size, limit=MAX_TASK_BYTES)
    for index, (left, right) in enumerate(pairwise(matrices)):
        if left.columns != right.rows:
            raise Malformed("the matrices do not conform", sub_task=index, left=left.columns, right=right.rows)
        check_size(matrices[0].rows, right.columns, int8=False)


def worst_case(task: Task) -> list[Layout]:
    """Each sub-task's largest possible layout, from the shapes and limbs alone: what the escrow has to cover.

    A result's values are known only when it is there; the limbs it really needs may be fewer, never more.
    Raises Malformed and LimitExceeded as :func:`check_chain` does.
    """
    check_chain(task.matrices)
    first = task.matrices[0]
    largest, limbs, layouts = _reach(first.limbs), first.limbs, []
    for right in task.matrices[1:]:
        layouts.append(Layout(first.rows, right.rows, right.columns, task.basic, limbs, right.limbs))
        largest = min(right.rows * largest * _reach(right.limbs), INT64_MAX)
        limbs = limbs_for(largest)
    return layouts


def escrow(task: Task) -> int:
    """The amount a source locks for a task: its fee for every nsub-task of the worst case. The rest goes back.

    Raises Malformed, and LimitExceeded over 2^63 - 1.
    """
    amount = task.fee * sum(layout.nsubs for layout in worst_case(task))
    if amount > INT64_MAX:
        raise LimitExceeded("the escrow is over any amount", value=str(amount), limit=INT64_MAX)
    return amount


def sub_task(task: Task, index: int, left: NDArray[Any], right: NDArray[Any], seed: bytes) -> SubTask:
    """Sub-task ``index``: ``left`` is the first matrix or the result so far, ``right`` matrix ``index`` + 1.

    ``seed``: the task's 32 random bytes. Raises LimitExceeded (with the sub-task's number) when values may outgrow
    64 bits: the task ends there, what was done is paid, and the rest of the escrow goes back.
    """
    try:
        return SubTask(left, right, task.basic, keyed("zoneshare/epow-sub-task/1", seed, index.to_bytes(8, "big")))
    except LimitExceeded as refusal:
        raise LimitExceeded(refusal.message, **{**refusal.values, "sub_task": index}) from refusal


def _reach(limbs: int) -> int:
    return 128 if limbs == 1 else min(127 * (256**limbs - 1) // 255, INT64_MAX)
