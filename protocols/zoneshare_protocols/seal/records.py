"""The records of a SEAL auction: tasks, bids, the public terms and what the auction decides.

Names follow the paper. All are integers, since ledgers see them; equation numbers are those of docs/seal.md.
"""

from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Amount, Count, Millis, Record

Positive = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Seat = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
"""A bidder's number in one auction, by certificate serial, fixed before bids are opened (:mod:`.bids`); 0 is the cloud
or the drone itself."""
Ppm = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]

FULL = 1_000_000
"""The whole, in parts per million."""


class Task(Record, frozen=True, tag="zoneshare/seal-task/1"):
    """task_j (1)."""

    id: Count
    size: Positive
    """D_j, bit."""
    urgency: Count
    """q_j, the highest is served first."""
    deadline: Positive
    """Tmax_j, ms from the commit."""
    intensity: Positive
    """kappa_j, cycles/bit."""
    resource: Count = 0
    """The variant with posted resources: every bid must offer exactly these cycles/s. 0, the paper's: each its own."""


class Item(Record, frozen=True, tag="zoneshare/seal-item/1"):
    """B_ij (4): one task of a bundle."""

    task: Count
    resource: Positive
    """f_ij, cycles/s: single-minded, exactly this or nothing."""
    price: Amount
    """b_ij."""


class Bid(Record, frozen=True, tag="zoneshare/seal-bid/1"):
    """B_i: the bundle, and what the vehicle has free. It travels sealed; see :class:`.bids.SealedBid`."""

    free: Positive
    """F_i, cycles/s."""
    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=1024)]


class Cloud(Record, frozen=True, tag="zoneshare/seal-cloud/1"):
    """The remote cloud: what footnote 1 falls back on."""

    rate: Positive
    """bit/s."""
    resource: Positive
    """cycles/s."""
    price: Amount
    """A task."""


class Local(Record, frozen=True, tag="zoneshare/seal-local/1"):
    """The drone's own processor."""

    resource: Positive
    """cycles/s."""
    power: Count
    """mW above hovering."""


class Terms(Record, frozen=True, tag="zoneshare/seal-terms/1"):
    """What is public and fixed before the bids are opened."""

    rate: Positive
    """r, bit/s."""
    hover: Count
    """P_hov, mW."""
    transmit: Count
    """P_tx, mW."""
    weight: tuple[Count, Positive]
    """theta * eta / (1 - theta), money per joule, as a fraction of integers."""
    cap: Amount
    """The highest score a task may cost where neither cloud nor local is in time (H1)."""
    max_tasks: Positive
    """n_max: a bundle is cut after so many tasks (H10)."""
    penalty: Amount
    """Q: the drone's, for an auction that it does not carry through."""
    slack: Millis
    """Added to a winner's promised time (H6): two ledger latencies, no more."""
    stall: Amount = 0
    """Taken from a bidder that paid its deposit and then neither agreed to the attested program nor declined it."""
    cloud: Cloud | None = None
    local: Local | None = None
    reserve: Ppm = FULL
    """Vehicles are taken up to this part of the fallback's score. Below FULL it limits what colluders gain, and leaves
    tasks to the fallback that a vehicle would have done for less."""


class Bidder(Record, frozen=True, tag="zoneshare/seal-bidder/1"):
    """A bid with what the drone has observed of its maker (H8)."""

    seat: Seat
    dwell: Millis
    """Tdw_i, the residual dwell time (19)."""
    bid: Bid


class Award(Record, frozen=True, tag="zoneshare/seal-award/1"):
    """(j, i, p_ij) of O, and how long the winner has."""

    task: Count
    seat: Seat
    payment: Amount
    """p_ij, the critical payment (38)."""
    within: Positive
    """T_ij(f_ij) and slack, ms: due_ij is so long after the commit."""


class Outcome(Record, frozen=True, tag="zoneshare/seal-outcome/1"):
    """O: who does what for how much. No losers, no bids."""

    awards: tuple[Award, ...]
    """In the order of J' (urgency)."""
    cloud: tuple[Count, ...] = ()
    local: tuple[Count, ...] = ()
    dropped: tuple[Count, ...] = ()
    """Nobody was in time below the cap."""

    @property
    def paid(self) -> int:
        return sum(award.payment for award in self.awards)

    def of(self, seat: int) -> tuple[Award, ...]:
        """J_i: the tasks of winner ``seat``, in the order its paywords stand for them."""
        return tuple(award for award in self.awards if award.seat == seat)

    @property
    def winners(self) -> tuple[int, ...]:
        """W (35), by seat."""
        return tuple(sorted({award.seat for award in self.awards}))
