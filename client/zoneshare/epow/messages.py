"""What coordinator, miners and sources say to each other, in frames of the trade's transport.

A miner::

    miner                      coordinator
    Mine                   ->
                           <-  Welcome
                           <-  Work                runs at a tip; again, at a new one, with ``carried``
    Fetch                  ->                      blocks it does not have
                           <-  Piece...
    Done                   ->                      a run's commitment and its sum
                           <-  Verified, or Taken  (away: late, double, or after a fake)
    Prove                  ->                      a draw has won
                           <-  Proven
                           <-  Reveal              a single nsub-result, now and then, before a run is verified
    Revealed               ->

A source::

    Bring(task)            ->
                           <-  Need(hashes)
    Piece...               ->
                           <-  Accepted
                           <-  Merged, Piece...    when it is done; Failed when values outgrow 64 bits
    Inquire                ->                      anybody: what was committed to for a run
                           <-  Inquired

Either side may answer with Refuse, which ends the connection.
"""

from typing import Annotated, Any

import msgspec

from zoneshare.trade.messages import Refuse
from zoneshare.trade.wire import Language
from zoneshare_protocols.codec import Count, Digest, Record
from zoneshare_protocols.epow.ledger import MiningZone, Shown
from zoneshare_protocols.epow.records import Assignment, RunResult, Task, Tip

PIECE = 1 << 20
"""Bytes of a matrix in one frame, at most."""
MAX_FRAME = 8 << 20
"""The largest sum (1,024 x 1,024 int32) and its commitment fit."""
Cells = Annotated[memoryview, msgspec.Meta(max_length=MAX_FRAME)]
"""Of a message that was received: where it was received, and not copied."""
Hashes = Annotated[tuple[Digest, ...], msgspec.Meta(max_length=1 << 16)]


class Mine(Record, frozen=True, tag="mine/1"):
    """A miner is here; it claims ``wanted`` nsub-tasks each block time."""

    wanted: Count


class Welcome(Record, frozen=True, tag="welcome/1"):
    zone: MiningZone
    tip: Tip


class Run(Record, frozen=True, tag="epow-run/1"):
    """An assignment and its blocks, by their hashes, in order. ``nsubs``: the first blocks' and the second's."""

    assignment: Assignment
    left: Hashes
    right: Hashes


class Work(Record, frozen=True, tag="work/1"):
    """Runs at ``tip``. ``carried``: runs that the miner holds already, assigned anew: new draws."""

    tip: Tip
    scale: Count
    runs: tuple[Run, ...]
    carried: tuple[Assignment, ...] = ()


class Fetch(Record, frozen=True, tag="fetch/1"):
    hashes: Hashes


class Piece(Record, frozen=True, tag="piece/1"):
    """Part of a matrix's cells, named by its hash."""

    hash: Digest
    offset: Count
    total: Count
    """Bytes of the whole."""
    cells: Cells


class Done(Record, frozen=True, tag="done/1"):
    assignment: Assignment
    result: RunResult
    sum: Cells


class Verified(Record, frozen=True, tag="verified/1"):
    """On the coordinator's disk, and paid with its next batch."""

    assignment: Digest


class Taken(Record, frozen=True, tag="taken/1"):
    """The run is not the miner's any more."""

    assignment: Digest
    why: str


class Prove(Record, frozen=True, tag="prove/1"):
    assignment: Digest


class Proven(Record, frozen=True, tag="proven/1"):
    assignment: Digest
    shown: Shown


class Reveal(Record, frozen=True, tag="reveal/1"):
    """Show the result of one nsub-task of a run that was sent."""

    assignment: Digest
    nsub: Count


class Revealed(Record, frozen=True, tag="revealed/1"):
    assignment: Digest
    cells: Cells


class Inquire(Record, frozen=True, tag="inquire/1"):
    task: Digest
    sub_task: Count
    run: Count


class Inquired(Record, frozen=True, tag="inquired/1"):
    """None when the run is not verified, or its task was settled."""

    result: RunResult | None


class Bring(Record, frozen=True, tag="bring/1"):
    task: Task


class Need(Record, frozen=True, tag="need/1"):
    hashes: Hashes


class Accepted(Record, frozen=True, tag="accepted/1"):
    task: Digest


class Merged(Record, frozen=True, tag="merged/1"):
    """The result follows in pieces, as ``cells`` bytes a cell (4 or 8), little endian, under ``hash`` (of int64)."""

    task: Digest
    hash: Digest
    rows: Count
    columns: Count
    cells: Annotated[int, msgspec.Meta(ge=4, le=8)]


class Failed(Record, frozen=True, tag="failed/1"):
    task: Digest
    error: str


Message: Any = (
    Refuse | Mine | Welcome | Work | Fetch | Piece | Done | Verified | Taken | Prove | Proven
    | Reveal | Revealed | Inquire | Inquired | Bring | Need | Accepted | Merged | Failed
)  # fmt: skip
EPOW = Language(Message, MAX_FRAME, canonical=False)
