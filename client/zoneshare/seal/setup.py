"""A zone's auctions, set up by its organisations together, and a notice that its drone can pay for."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from zoneshare.accounts import Accounts
from zoneshare.ledger import Ledger
from zoneshare.seal.ledger import Auctions
from zoneshare_protocols.errors import InsufficientFunds, NotFound
from zoneshare_protocols.seal.bids import Notice
from zoneshare_protocols.seal.deposits import covered, drone_deposit
from zoneshare_protocols.seal.ledger import PlatformRoot, ProofKey, SealZone
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.records import Task, Terms

T = TypeVar("T")

QUOTE_AGE_MS = 3_600_000


def set_up_auctions(
    admins: Sequence[Ledger],
    measurement: bytes,
    platform: PlatformRoot,
    *,
    production: bool = False,
    quote_age: int = QUOTE_AGE_MS,
    proof_keys: Sequence[ProofKey] | None = None,
) -> SealZone:
    """Approve this program and platform beside those that are allowed, by every organisation's administrator.

    ``proof_keys`` replace those of before; None leaves them. Safe to run again. Raises what the contract refuses.
    """
    auctions = Auctions(admins[0])
    try:
        present = auctions.zone()
    except NotFound:
        present = None
    before = present or SealZone(Accounts(admins[0]).parameters.zone, 1, production, (), (), quote_age)
    wanted = replace(
        before,
        production=production,
        measurements=_with(before.measurements, measurement),
        platforms=_with(before.platforms, platform),
        quote_age=quote_age,
        proof_keys=before.proof_keys if proof_keys is None else tuple(proof_keys),
    )
    if wanted == present:
        return wanted
    if present is not None:
        wanted = replace(wanted, version=present.version + 1)
    for admin in admins:
        Auctions(admin).approve(wanted)
    return wanted


def make_notice(
    drone: str,
    tasks: Iterable[Task],
    terms: Terms,
    timers: Timers,
    *,
    measurement: bytes,
    nonce: bytes,
    budget: int,
) -> Notice:
    """A notice whose deposit is at most ``budget``: the least urgent tasks are left out before any bid is made (H9).

    ``nonce``: 16 random bytes. Raises InsufficientFunds where not one task is covered.
    """
    wanted = list(tasks)
    kept = covered(wanted, terms, budget)
    if not kept:
        least = min((drone_deposit([task], terms) for task in wanted), default=terms.penalty)
        raise InsufficientFunds("the balance covers no task", balance=budget, needed=least)
    return Notice(drone, tuple(kept), terms, timers, measurement, nonce)


def _with(present: tuple[T, ...], new: T) -> tuple[T, ...]:
    return present if new in present else (*present, new)
