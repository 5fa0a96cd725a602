"""A sub-task's division into nsub-tasks (section III.A): their count, their ids, and the runs that are summed.

Nothing is listed: ids are arithmetic, so a sub-task of a million nsub-tasks takes no more memory than one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Record
from zoneshare_protocols.epow.exact import MAX_BASIC_SIZE, sum_limit
from zoneshare_protocols.errors import NotFound

Side = Annotated[int, msgspec.Meta(ge=1, le=1 << 28)]
Limbs = Annotated[int, msgspec.Meta(ge=1, le=9)]
_BAND = 8
_AT_HAND = 192 << 20
"""Bytes of int8 blocks that a miner is taken to have room for: three quarters of those of its usual memory."""
BasicSize = Annotated[int, msgspec.Meta(ge=2, le=MAX_BASIC_SIZE)]


@dataclass(frozen=True)
class Nsub:
    """One nsub-task: left block (row, inner), right block (inner, column), and which limbs of them."""

    index: int
    row: int
    column: int
    inner: int
    left_limb: int
    right_limb: int


@dataclass(frozen=True)
class Run:
    """Neighbouring nsub-tasks of one result block and one pair of limbs: their products are sent as one int32 sum.

    ``first`` and ``count`` are nsub-task indices; ``inner`` is the first of them along the inner side.
    """

    index: int
    first: int
    count: int
    row: int
    column: int
    inner: int
    left_limb: int
    right_limb: int


class Layout(Record, frozen=True, tag="zoneshare/epow-layout/1"):
    """(rows x inner) times (inner x columns) in blocks of basic size, each matrix in its number of int8 limbs."""

    rows: Side
    inner: Side
    columns: Side
    basic: BasicSize
    left_limbs: Limbs = 1
    right_limbs: Limbs = 1

    @property
    def row_blocks(self) -> int:
        return -(-self.rows // self.basic)

    @property
    def inner_blocks(self) -> int:
        return -(-self.inner // self.basic)

    @property
    def column_blocks(self) -> int:
        return -(-self.columns // self.basic)

    @property
    def nsubs(self) -> int:
        """How many nsub-tasks the sub-task has."""
        limbs = self.left_limbs * self.right_limbs
        return self.row_blocks * self.column_blocks * self.inner_blocks * limbs

    @property
    def segments(self) -> int:
        """Runs along the inner side: one, unless the sum would leave int32."""
        return -(-self.inner_blocks // sum_limit(self.basic))

    @property
    def runs(self) -> int:
        return self.nsubs // self.inner_blocks * self.segments

    @property
    def single(self) -> bool:
        """Whether there is one run for each result block: the runs' sums are the result."""
        return self.runs == self.row_blocks * self.column_blocks

    def nsub(self, index: int) -> Nsub:
        """The nsub-task with this id. Raises NotFound."""
        if not 0 <= index < self.nsubs:
            raise NotFound("no such nsub-task", nsub_task=index, nsub_tasks=self.nsubs)
        rest, inner = divmod(index, self.inner_blocks)
        row, column, left_limb, right_limb = self._cell(rest)
        return Nsub(index, row, column, inner, left_limb, right_limb)

    def run(self, index: int) -> Run:
        """The run with this index. Raises NotFound."""
        if not 0 <= index < self.runs:
            raise NotFound("no such run", run=index, runs=self.runs)
        cell, segment = divmod(index, self.segments)
        row, column, left_limb, right_limb = self._cell(cell)
        inner = segment * sum_limit(self.basic)
        count = min(sum_limit(self.basic), self.inner_blocks - inner)
        return Run(index, cell * self.inner_blocks + inner, count, row, column, inner, left_limb, right_limb)

    @property
    def band(self) -> int:
        """Rows of result blocks of which a miner is to keep all blocks at once, with those of a column: 1 to 8."""
        side = min(self.inner_blocks, sum_limit(self.basic)) * self.basic**2
        return max(1, min(_BAND, _AT_HAND // side - 1, self.row_blocks))

    def run_at(self, place: int) -> Run:
        """The run at a place in the order in which runs are handed out: neighbours share rows and columns of blocks.

        Down a band of rows of result blocks, then the next column. Raises NotFound.
        """
        if not 0 <= place < self.runs:
            raise NotFound("no such run", run=place, runs=self.runs)
        each = self.left_limbs * self.right_limbs * self.segments
        band, rest = divmod(place, self.band * self.column_blocks * each)
        height = min(self.band, self.row_blocks - band * self.band)
        column, rest = divmod(rest, height * each)
        down, part = divmod(rest, each)
        return self.run(((band * self.band + down) * self.column_blocks + column) * each + part)

    def run_of(self, nsub: int) -> int:
        """The index of the run that an nsub-task belongs to. Raises NotFound."""
        inner = self.nsub(nsub).inner
        return nsub // self.inner_blocks * self.segments + inner // sum_limit(self.basic)

    def each_nsub(self) -> Iterator[Nsub]:
        return map(self.nsub, range(self.nsubs))

    def each_run(self) -> Iterator[Run]:
        return map(self.run, range(self.runs))

    def _cell(self, cell: int) -> tuple[int, int, int, int]:
        rest, right_limb = divmod(cell, self.right_limbs)
        rest, left_limb = divmod(rest, self.left_limbs)
        row, column = divmod(rest, self.column_blocks)
        return row, column, left_limb, right_limb
