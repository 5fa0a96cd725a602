"""A's side of one trade over one connection: fetch, pay, take the key, decrypt; a window of chunks under way."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from zoneshare.stores import Store, cid
from zoneshare.trade.entries import GARBAGE, KEY, SENT, STATE, BuyerTrade, chunk_key, sent_key
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.messages import Key, Pay
from zoneshare.trade.moment import Clock
from zoneshare.trade.partial import PartialFile
from zoneshare.trade.wire import Connection
from zoneshare_protocols.errors import BadProof, DataCorrupt, Misuse, RuleBroken
from zoneshare_protocols.sharing.chunkcipher import open_chunk, plain_hash
from zoneshare_protocols.sharing.envelope import Opener
from zoneshare_protocols.sharing.payer import PayerSide
from zoneshare_protocols.sharing.records import ChunkLeaf, SignedState, TradeSecret

FETCHERS = 4
"""Threads that fetch ciphertexts ahead."""


Progress = Callable[[int, SignedState | None], None]
"""Called with the chunks A has, and the newest state both have signed (None: as before)."""


class Garbage(DataCorrupt):
    """B released the committed key, and the chunk is not what B committed to: carries ``index``. A complains."""


@dataclass
class Goods:
    """One trade's goods as A has them."""

    entry: BuyerTrade
    leaves: tuple[ChunkLeaf, ...]
    keys: dict[int, bytes]
    store: Store
    partial: PartialFile
    journal: Journal

    @property
    def secret(self) -> TradeSecret:
        """Raises Misuse before B has committed."""
        if self.entry.secret is None:
            raise Misuse("the trade has not begun")
        return self.entry.secret

    def fetch(self, index: int) -> bytes:
        """The ciphertext, checked, and kept until the chunk is done. Blocks.

        Raises what the store raises; BadProof for another size than B committed to, which may be too long to complain.
        """
        held = self.partial.kept(index)
        leaf = self.leaves[index]
        name = cid.from_digest(leaf.cid)
        if held is not None and cid.of(held) == name:
            return held
        ciphertext = self.store.get(name)
        if len(ciphertext) != leaf.size:
            raise BadProof("a chunk is not of the size committed to", index=index, size=leaf.size)
        self.partial.keep(index, ciphertext)
        return ciphertext

    def unlock(self, index: int, key: bytes) -> Entry:
        """Decrypt a chunk into its place; the journal's entry for its key.

        Raises Garbage, after the key is in the journal; BadProof for a key that is not the one committed to.
        """
        ciphertext = self.fetch(index)
        try:
            plaintext = open_chunk(self.leaves[index], self.secret, key, ciphertext)
        except DataCorrupt as cause:
            self.journal.write(Entry.of(GARBAGE, chunk_key(self.entry.trade, index), key))
            raise Garbage("the seller's chunk is not what it committed to", index=index) from cause
        self.partial.write(index, plaintext)
        return Entry.of(KEY, chunk_key(self.entry.trade, index), key)

    def learn(self, index: int, key: bytes) -> None:
        """The key is in the journal."""
        self.keys[index] = key
        self.partial.drop(index)

    def recover(self) -> None:
        """After a crash: chunks whose keys are in the journal stand in their places. Blocks."""
        for index, key in self.keys.items():
            place = self.partial.read(index)[: self.leaves[index].size]
            if plain_hash(self.secret.salt, place) != self.leaves[index].plain_hash:
                self.unlock(index, key)

    @property
    def complete(self) -> bool:
        return len(self.keys) == len(self.leaves)


class Owed(NamedTuple):
    """The keys that B sent again when the channel was taken up, from chunk ``first`` on."""

    sealed_keys: tuple[bytes, ...] = ()
    first: int = 0


class Payments:
    """Pays for a trade until every chunk is there and acknowledged."""

    def __init__(
        self,
        connection: Connection,
        *,
        side: PayerSide,
        goods: Goods,
        opener: Opener,
        clock: Clock,
        margin: int,
        progress: Progress,
    ) -> None:
        self._connection, self._side, self._goods, self._opener = connection, side, goods, opener
        self._clock, self._margin, self._progress = clock, margin, progress
        self._moved = asyncio.Event()
        self._newest: SignedState | None = None
        self._trade = goods.entry.trade
        self._chunks = goods.entry.request.chunks

    async def run(self, owed: Owed) -> None:
        """Raises Garbage, BadProof, BadSignature and whatever the connection, the store or the journal raises; what was
        signed and received until then is in the journal.
        """
        await self._take_again(owed)
        if self._side.payment.trade != self._trade:
            self._side.begin_trade(self._trade, self._goods.entry.request.price)
        await self._connection.send(*(Pay(signed) for signed in self._side.unanswered))
        await both(self._pay(), self._collect())

    async def _take_again(self, owed: Owed) -> None:
        for index, sealed in enumerate(owed.sealed_keys, owed.first):
            if index not in self._goods.keys:
                key = self._opener.open(index + 1, sealed)
                entry = await asyncio.to_thread(self._goods.unlock, index, key)
                await self._goods.journal.commit([entry])
                self._learn(index, key)

    async def _pay(self) -> None:
        start = self._side.payment.count if self._side.payment.trade == self._trade else 0
        ahead: dict[int, asyncio.Future[bytes]] = {}
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(FETCHERS, "fetch") as threads:
            index = start
            while index < self._chunks:
                for coming in range(index, min(index + 2 * FETCHERS, self._chunks)):
                    if coming not in ahead:
                        ahead[coming] = loop.run_in_executor(threads, self._goods.fetch, coming)
                        # Of several that fail the first one is raised; asyncio would complain about the others.
                        ahead[coming].add_done_callback(lambda done: done.cancelled() or done.exception())
                await ahead[index]
                await self._room()
                batch: list[SignedState] = []
                while index in ahead and ahead[index].done() and self._side.can_sign:
                    ahead.pop(index).result()
                    batch.append(self._side.sign_next(self._earliest()))
                    index += 1
                await self._send(batch)
        await self._until(lambda: self._goods.complete and not self._side.unanswered)
        if self._side.payment.acked < self._chunks:
            await self._send([self._side.sign_ack(self._earliest())])

    async def _send(self, batch: list[SignedState]) -> None:
        channel = self._goods.entry.request.channel
        await self._goods.journal.commit(Entry.of(SENT, sent_key(channel, s.state.version), s) for s in batch)
        await self._connection.send(*(Pay(signed) for signed in batch))

    async def _collect(self) -> None:
        while not self._over():
            messages = await self._connection.receive_many()
            entries: list[Entry] = []
            keys: dict[int, bytes] = {}
            try:
                for message in messages:
                    if not isinstance(message, Key):
                        raise RuleBroken(f"expected a key, and got {type(message).__name__}")
                    answer = self._side.on_release(message.version, message.payee_signature)
                    self._newest = answer.signed
                    if answer.chunk is not None:
                        key = self._opener.open(answer.chunk + 1, message.sealed_key)
                        entries.append(self._goods.unlock(answer.chunk, key))
                        keys[answer.chunk] = key
            finally:
                # Also where a key is garbage: what came before it counts.
                await self._goods.journal.commit([*entries, *self._state()])
                for index, key in keys.items():
                    self._learn(index, key)
            self._moved.set()

    def _state(self) -> list[Entry]:
        if self._newest is None:
            return []
        return [Entry.of(STATE, self._newest.state.channel, self._newest)]

    def _over(self) -> bool:
        side = self._side
        return side.payment.trade == self._trade and side.payment.acked == self._chunks and not side.unanswered

    def _learn(self, index: int, key: bytes) -> None:
        self._goods.learn(index, key)
        self._side.acknowledge(index)
        self._progress(len(self._goods.keys), self._newest)

    def _earliest(self) -> int:
        return self._clock.now_ms() + self._margin

    async def _room(self) -> None:
        await self._until(lambda: self._side.can_sign)

    async def _until(self, so: Callable[[], bool]) -> None:
        while not so():
            self._moved.clear()
            await self._moved.wait()


async def both(*parts: Coroutine[Any, Any, None]) -> None:
    """Run them together; the first failure ends the others, and is raised as it is."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
