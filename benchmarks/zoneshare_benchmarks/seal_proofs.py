"""Proof for payment, the auction's rule, and a claim for a thousand tasks: what each takes."""

import asyncio
import os
from functools import cache
from time import perf_counter

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare.seal.prover import Prover
from zoneshare.seal.proving_keys import development
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_protocols.errors import BadProof
from zoneshare_protocols.seal import groth16_fast
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.hashchain import Claim, claimed, make_chain, meta
from zoneshare_protocols.seal.records import Award, Bid, Bidder, Item
from zoneshare_protocols.seal.results import Locked, ResultContext, lock
from zoneshare_protocols.seal.synthetic import draw_task, paper_terms
from zoneshare_protocols.seal.tasks import prove, release, sold

RESULT_BYTES = 31
PAYWORDS = 1000
_RECIPIENT = X25519PrivateKey.generate().public_key().public_bytes_raw()


def prove_one() -> Sample:
    """A verified proof for a result that is sealed and encrypted, by a prover that has started: witness, proof,
    verification. The median of ten.

    Parts: sealing and encrypting, and the first proof, with the process's start and the key.
    """

    async def measure() -> Sample:
        async with Prover(development()) as prover:
            locked = _locked()
            began = perf_counter()
            await prover.prove(locked)
            first = perf_counter() - began
            sealing, proving = [], []
            for _ in range(10):
                began = perf_counter()
                locked = _locked()
                sealed = perf_counter()
                await prover.prove(locked)
                sealing.append(sealed - began)
                proving.append(perf_counter() - sealed)
        return Sample(float(np.median(proving)), {"seal_s": float(np.median(sealing)), "first_s": first})

    return asyncio.run(measure())


def verify_one() -> Sample:
    """The chaincode's verification of one proof, its key known: the median of a hundred."""
    locked, proof = _proven()
    key = development()[0].verifying
    times = []
    for _ in range(101):
        began = perf_counter()
        holds = groth16_fast.verify(key, proof, locked.encrypted.public)
        times.append(perf_counter() - began)
        if not holds:
            raise BadProof("a proof just made does not hold")
    return Sample(float(np.median(times[1:])), {"first_s": times[0]})


def enclave(bidders: int = 120, tasks: int = 20) -> Sample:
    """Algorithm 2 over bids that are open already, every bidder for every task."""
    rng, terms = np.random.default_rng(7), paper_terms()
    order = [draw_task(rng, number) for number in range(tasks)]
    parties = []
    for seat in range(1, bidders + 1):
        items = tuple(Item(task.id, int(rng.integers(1, 5)) * 10**9, int(rng.integers(100, 500))) for task in order)
        parties.append(Bidder(seat, 10**9, Bid(sum(item.resource for item in items), items)))
    began = perf_counter()
    outcome = run(order, parties, terms)
    return Sample(perf_counter() - began, {"sold": len(outcome.awards)})


def claim() -> Sample:
    """What the contract does with one claim for a thousand tasks: folds of the chain, and the sum."""
    auction = bytes(32)
    tasks = [sold(Award(number, 1, number, 10_000), 0) for number in range(PAYWORDS)]
    released = [release(prove(task, 1), 2, 0, published=False) for task in tasks]
    chain = make_chain(auction, 1, os.urandom(32), [task.award.payment for task in tasks])
    order = Claim(auction, 1, PAYWORDS, chain[PAYWORDS])
    began = perf_counter()
    amount = claimed(meta(1, chain), order, auction, released)
    return Sample(perf_counter() - began, {"amount": amount})


def _locked() -> Locked:
    context = ResultContext(os.urandom(32), 1, "vehicle", 1, 1, _RECIPIENT)
    return lock(context, [os.urandom(RESULT_BYTES)], os.urandom(32))


@cache
def _proven() -> tuple[Locked, bytes]:
    async def make() -> tuple[Locked, bytes]:
        async with Prover(development()) as prover:
            locked = _locked()
            return locked, await prover.prove(locked)

    return asyncio.run(make())


FIGURES = [
    Figure(
        "seal.prove",
        f"a proof for a result of {RESULT_BYTES} bytes, made and verified by its maker",
        "s",
        "lower",
        prove_one,
        goal=0.060,
    ),
    Figure("seal.verify", "a proof verified, as the chaincode does it", "s", "lower", verify_one, goal=0.005),
    Figure(
        "seal.enclave.120", "the auction of 120 bidders and 20 tasks, bids opened", "s", "lower", enclave, goal=0.020
    ),
    Figure("seal.claim.1000", "1,000 paywords checked and summed, as a claim does", "s", "lower", claim),
]
