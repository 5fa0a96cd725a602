"""A zone's auctions, set up by its organisations together, and a notice that its drone can pay for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from zoneshare.accounts import Accounts
from zoneshare.ledger import Ledger
from zoneshare.seal.ledger import Auctions
from zoneshare_protocols.errors import InsufficientFunds, Misuse, NotFound
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
    quote_age: int = QUOTE_AGE_MS,
    proof_keys: Sequence[ProofKey] = (),
) -> SealZone:
    """Approve these beside what is allowed, by every organisation's administrator; safe to run again.

    Raises what the contract refuses: a production profile takes nothing simulated or unsafe.
    """
    present = _present(admins[0])
    return _approve(
        admins,
        replace(
            present,
            measurements=_with(present.measurements, measurement),
            platforms=_with(present.platforms, platform),
            quote_age=quote_age,
            proof_keys=(*present.proof_keys, *(key for key in proof_keys if key not in present.proof_keys)),
        ),
    )


def allow_only(
    admins: Sequence[Ledger], measurement: bytes, platform: PlatformRoot, quote_age: int, *, production: bool
) -> SealZone:
    """Approve this program and platform instead of what is allowed; a production profile drops unsafe proving keys."""
    present = _present(admins[0])
    keys = tuple(key for key in present.proof_keys if not (production and key.unsafe))
    wanted = replace(
        present,
        production=production,
        measurements=(measurement,),
        platforms=(platform,),
        quote_age=quote_age,
        proof_keys=keys,
    )
    return _approve(admins, wanted)


def allow_proof_keys(admins: Sequence[Ledger], proof_keys: Sequence[ProofKey]) -> SealZone:
    """Approve these beside what is allowed, where an enclave's program is; safe to run again.

    Raises Misuse where no program is allowed yet, and what the contract refuses: unsafe keys in a production profile.
    """
    present = _present(admins[0])
    if not present.measurements:
        raise Misuse("no enclave is allowed in this zone yet: run zoneshare enclave init first")
    more = tuple(key for key in proof_keys if key not in present.proof_keys)
    return _approve(admins, replace(present, proof_keys=(*present.proof_keys, *more)))


def make_notice(
    drone: str,
    tasks: Iterable[Task],
    terms: Terms,
    timers: Timers,
    *,
    measurement: bytes,
    nonce: bytes,
    budget: int,
    results_key: bytes | None = None,
    jobs: Mapping[int, bytes] | None = None,
) -> Notice:
    """A notice whose deposit is at most ``budget``: the least urgent tasks are left out before any bid is made (H9).

    ``nonce``: 16 random bytes; ``results_key``: X25519, for this auction only; ``jobs``: if results can be recomputed,
    the digest of each task's Job, by its id. Raises InsufficientFunds where not one task is covered.
    """
    wanted = list(tasks)
    kept = covered(wanted, terms, budget)
    if not kept:
        least = min((drone_deposit([task], terms) for task in wanted), default=terms.penalty)
        raise InsufficientFunds("the balance covers no task", balance=budget, needed=least)
    listed = tuple(jobs[task.id] for task in kept) if jobs else ()
    return Notice(drone, tuple(kept), terms, timers, measurement, nonce, results_key, listed)


def _present(ledger: Ledger) -> SealZone:
    """Of version 0 where there is none yet."""
    try:
        return Auctions(ledger).zone()
    except NotFound:
        return SealZone(Accounts(ledger).parameters.zone, 0, False, (), (), QUOTE_AGE_MS)


def _approve(admins: Sequence[Ledger], wanted: SealZone) -> SealZone:
    if wanted.version and wanted == _present(admins[0]):
        return wanted
    wanted = replace(wanted, version=wanted.version + 1)
    for admin in admins:
        Auctions(admin).approve(wanted)
    return wanted


def _with(present: tuple[T, ...], new: T) -> tuple[T, ...]:
    return present if new in present else (*present, new)
