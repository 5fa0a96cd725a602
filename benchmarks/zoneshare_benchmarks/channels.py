"""What a co-signed update costs beside the bare signatures."""

import os
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.sharing.channel import initial_state
from zoneshare_protocols.sharing.payee import PayeeSide
from zoneshare_protocols.sharing.payer import PayerSide
from zoneshare_protocols.sharing.records import ChannelTerms, SignedState

UPDATES = 2_000
TURN = 100
TRADE = bytes(32)


def sides(window: int) -> tuple[PayerSide, PayeeSide, Ed25519PrivateKey, Ed25519PrivateKey]:
    """Both ends of one open channel in which a trade of many chunks has begun, and their keys."""
    payer_key, payee_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    terms = ChannelTerms(
        payer_zone="zone-a",
        payer="alice",
        payer_key=payer_key.public_key().public_bytes_raw(),
        payee_zone="zone-b",
        payee="bob",
        payee_key=payee_key.public_key().public_bytes_raw(),
        deposit=2**40,
        fund_before=2**40,
        refund_from=2**42,
        tick=1,
        challenge=60_000,
        nonce=os.urandom(16),
    )
    payer = PayerSide(terms, payer_key, initial_state(terms), window=window)
    payee = PayeeSide(terms, payee_key, initial_state(terms), window=window)
    payer.begin_trade(TRADE, 5)
    payee.serve(TRADE, 5, 2**32)
    return payer, payee, payer_key, payee_key


def bare_signatures(first: Ed25519PrivateKey, second: Ed25519PrivateKey, rounds: int) -> float:
    """Seconds for ``rounds`` times one signature and one verification on either side."""
    message = bytes(32)
    first_public, second_public = first.public_key(), second.public_key()
    start = perf_counter()
    for _ in range(rounds):
        second_public.verify(second.sign(message), message)
        first_public.verify(first.sign(message), message)
    return perf_counter() - start


def updates_in_memory() -> Sample:
    """One after the other, through the bytes that would be on the wire, in one thread; in turns with the bare signatures."""
    payer, payee, payer_key, payee_key = sides(window=1)
    ours = bare = 0.0
    chunk = 0
    for _ in range(UPDATES // TURN):
        start = perf_counter()
        for _ in range(TURN):
            release = payee.on_update(decode(SignedState, encode(payer.sign_next(earliest=0))), earliest=0)
            payer.on_release(release.signed.state.version, release.signed.payee_signature or b"")
            payer.acknowledge(chunk)
            chunk += 1
        ours += perf_counter() - start
        bare += bare_signatures(payer_key, payee_key, TURN)
    return Sample(bare / ours, {"updates/s": UPDATES / ours, "bare updates/s": UPDATES / bare})


FIGURES = (
    Figure(
        "channel.updates.memory",
        "co-signed updates in memory against bare Ed25519, a sign and a verify for each side",
        "of bare",
        "higher",
        updates_in_memory,
        goal=0.70,
    ),
)
