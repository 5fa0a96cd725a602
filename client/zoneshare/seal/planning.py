"""An auction to be: its phases' times, and the notice that the drone can pay for."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare.seal.entries import MILLION, Held
from zoneshare.seal.party import Party
from zoneshare.seal.setup import make_notice
from zoneshare.seal.work import Work
from zoneshare_protocols.codec import digest
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.records import Terms


class Spans(NamedTuple):
    """How long each phase may take, ms."""

    bidding: int = 5_000
    deposits: int = 5_000
    deciding: int = 15_000
    committing: int = 15_000
    grace: int | None = None
    """Longer than the zone's margin; None: two seconds longer."""
    claiming: int = 10_000
    """After every task is decided."""


def plan(
    party: Party,
    spans: Spans,
    work: Sequence[Work],
    terms: Terms,
    now: int,
    *,
    sample: float,
    disputable: bool,
) -> Held:
    """What the drone has to keep of an auction that begins now (ms). Blocks. Raises InsufficientFunds."""
    grace = party.margin + 2_000 if spans.grace is None else spans.grace
    zone, balance = party.auctions.zone(), party.accounts.balance(party.account)
    results = X25519PrivateKey.generate()
    notice = make_notice(
        party.account,
        [one.task for one in work],
        terms,
        _timers(spans, grace, now, max((one.task.deadline for one in work), default=0) + terms.slack),
        measurement=zone.measurements[-1],
        nonce=os.urandom(16),
        budget=balance,
        results_key=results.public_key().public_bytes_raw(),
        jobs={one.task.id: digest(one.job) for one in work} if disputable else None,
    )
    given = {one.task.id: one for one in work}
    chosen = tuple(given[task.id] for task in notice.tasks)
    return Held(notice, results.private_bytes_raw(), os.urandom(32), chosen, round(sample * MILLION))


def _timers(spans: Spans, grace: int, now: int, longest: int) -> Timers:
    """``longest``: of all tasks, from the commit on."""
    init, deposit = now + spans.bidding, now + spans.bidding + spans.deposits
    decided = deposit + spans.deciding
    committed = decided + spans.committing
    last = committed + longest + 2 * grace + spans.claiming
    return Timers(init, deposit, decided, committed, last, grace)
