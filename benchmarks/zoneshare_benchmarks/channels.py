"""What a co-signed update costs beside the bare signatures."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare.trade.entries import KEY, SENT, STATE, chunk_key, sent_key
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.messages import Key, Pay
from zoneshare.trade.wares import chunk_secret
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.sharing.channel import initial_state
from zoneshare_protocols.sharing.envelope import Opener, Sealer
from zoneshare_protocols.sharing.payee import PayeeSide, Release
from zoneshare_protocols.sharing.payer import PayerSide
from zoneshare_protocols.sharing.records import ChannelTerms

UPDATES = 1_600
TURN = 160
WINDOW = 16
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


class Exchange:
    """One side after the other: a window of T_i, its answers with the sealed keys, through the bytes on the wire.

    With journals, what a side signs or receives is on its disk before it answers, as buyer and seller write it: one
    group commit for all that is at hand.
    """

    def __init__(self, window: int, journals: tuple[Journal, Journal] | None = None) -> None:
        self.payer, self.payee, self.payer_key, self.payee_key = sides(window)
        self._window, self._journals = window, journals
        recipient = X25519PrivateKey.generate()
        self._sealer = Sealer(recipient.public_key().public_bytes_raw(), TRADE, X25519PrivateKey.generate())
        self._opener = Opener(recipient, TRADE, self._sealer.enc)
        self._chunk = 0

    def turn(self, updates: int) -> float:
        """Seconds for so many co-signed updates."""
        start = perf_counter()
        for _ in range(updates // self._window):
            self._round()
        return perf_counter() - start

    def _round(self) -> None:
        window = self._window
        signed = [self.payer.sign_next(earliest=0) for _ in range(window)]
        self._write(0, [Entry.of(SENT, sent_key(s.state.channel, s.state.version), s) for s in signed])
        frames = [encode(Pay(s)) for s in signed]
        releases = [self.payee.on_update(decode(Pay, frame).state, earliest=0) for frame in frames]
        self._write(1, [Entry.of(STATE, signed[0].state.channel, releases[-1].signed)])
        answers = [self._answer(release) for release in releases]
        entries = []
        for frame in answers:
            message = decode(Key, frame)
            released = self.payer.on_release(message.version, message.payee_signature)
            key = self._opener.open(self._chunk + 1, message.sealed_key)
            entries.append(Entry.of(KEY, chunk_key(TRADE, self._chunk), key))
            self.payer.acknowledge(self._chunk)
            self._chunk += 1
        self._write(0, [*entries, Entry.of(STATE, signed[0].state.channel, released.signed)])

    def _answer(self, release: Release) -> bytes:
        chunk = release.chunk or 0
        sealed = self._sealer.seal(chunk + 1, chunk_secret(TRADE, chunk))
        return encode(Key(release.signed.state.version, release.signed.payee_signature or b"", sealed))

    def _write(self, side: int, entries: list[Entry]) -> None:
        if self._journals is not None:
            self._journals[side].write(*entries)


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
    """One by one, in one thread, in turns with the bare signatures."""
    exchange = Exchange(window=1)
    ours = bare = 0.0
    for _ in range(UPDATES // TURN):
        ours += exchange.turn(TURN)
        bare += bare_signatures(exchange.payer_key, exchange.payee_key, TURN)
    return Sample(bare / ours, {"updates/s": UPDATES / ours, "bare updates/s": UPDATES / bare})


def updates_on_disk() -> Sample:
    """A window of 16 under way, with journals and without, in turns."""
    with TemporaryDirectory() as folder:
        journals = (Journal(Path(folder) / "payer.db"), Journal(Path(folder) / "payee.db"))
        disk, memory = Exchange(WINDOW, journals), Exchange(WINDOW)
        on_disk = in_memory = 0.0
        for _ in range(UPDATES // TURN):
            on_disk += disk.turn(TURN)
            in_memory += memory.turn(TURN)
        for journal in journals:
            journal.close()
    return Sample(in_memory / on_disk, {"updates/s": UPDATES / on_disk, "in memory/s": UPDATES / in_memory})


FIGURES = (
    Figure(
        "channel.updates.memory",
        "co-signed updates with their sealed keys, in memory, against bare Ed25519: a sign and a verify for each side",
        "of bare",
        "higher",
        updates_in_memory,
        goal=0.70,
    ),
    Figure(
        "channel.updates.disk",
        "the same, 16 under way, with every update on disk before it is answered, against the one in memory",
        "of memory",
        "higher",
        updates_on_disk,
        goal=0.60,
    ),
)
