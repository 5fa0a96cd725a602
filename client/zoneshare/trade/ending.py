"""How a channel ends for A when B does not answer, or has sold garbage: alone, on the ledger."""

import asyncio
import logging
from itertools import takewhile
from pathlib import Path

from msgspec.structs import replace

from zoneshare.stores import Store, StoreFailed
from zoneshare.trade.alarms import Alarms
from zoneshare.trade.buyer_book import BuyerBook
from zoneshare.trade.entries import BUYER_CHANNEL, BUYER_TRADE, GARBAGE, BuyerChannel, BuyerTrade, chunk_key
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.moment import Clock, ensure
from zoneshare.trade.opening import bring_home
from zoneshare.trade.partial import PartialFile
from zoneshare.trade.party import Party, Zone
from zoneshare.trade.paying import Garbage, Goods
from zoneshare.trade.settler import Holding, Settler
from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import NotFound, RuleBroken
from zoneshare_protocols.sharing.chunkcipher import leaves_tree
from zoneshare_protocols.sharing.escrow import trade_of
from zoneshare_protocols.sharing.records import Channel, Complaint, Payment, Phase, RevealedKey, SignedState

log = logging.getLogger(__name__)


class BuyerEnding:
    """A's ends of its channels."""

    def __init__(self, party: Party, store: Store, journal: Journal, clock: Clock) -> None:
        self._party, self._store, self._journal, self._clock = party, store, journal, clock
        self._book = BuyerBook(journal, party.keys.signing)

    def goods(self, entry: BuyerTrade) -> Goods:
        """A trade's goods as the journal and the partial file have them."""
        partial = PartialFile(Path(entry.path), entry.chunk_size)
        leaves, keys = self._book.leaves(entry.trade), self._book.keys(entry.trade)
        return Goods(entry, leaves, keys, self._store, partial, self._journal)

    async def alone(self, entry: BuyerChannel, abroad: Zone) -> Channel:
        """Post the newest state from its lock on, complain, settle, and bring the rest home; keys that B has to show
        on the ledger are taken from there. Waits for the locks and the challenge window.

        A shows the keys it has itself: B is paid for what A got, even when B never comes back. An older state that B
        posts pays B less, and may stand; where B posts one after the other to draw the end out, A answers.
        """
        alarms = Alarms(abroad.ledger)
        alarms.start()
        newest = self._book.newest(entry)
        holding = Holding(newest, await asyncio.to_thread(self._received, newest), answers=False)
        posted: set[int] = set()

        async def look(channel: Channel) -> None:
            if channel.posted is not None:
                posted.add(channel.posted.state.version)
            await self._look(channel, abroad)

        settler = Settler(abroad, self._clock)
        try:
            with alarms.of(entry.terms.channel) as changed:
                settled = await settler.drive(
                    entry.terms.channel, lambda: holding._replace(answers=len(posted) > 1), changed, look
                )
        finally:
            alarms.close()
        await self.home(entry, settled, abroad)
        return settled

    async def home(self, entry: BuyerChannel, settled: Channel, abroad: Zone) -> None:
        """Bring the rest home; the channel, and what was not finished in it, is over."""
        await self._look(settled, abroad)
        await bring_home(settled, self._party.home, abroad, self._clock)
        over = [replace(trade, done=True) for trade in self._book.trades(entry.terms.channel) if not trade.done]
        await self._journal.commit(
            [
                Entry.of(BUYER_CHANNEL, entry.terms.channel, replace(entry, closed=True)),
                *(Entry.of(BUYER_TRADE, digest(trade.request).hex(), trade) for trade in over),
                *self._book.leavings(entry.terms.channel),
            ]
        )

    async def complete(self, goods: Goods) -> None:
        """All keys are here: the file appears, and the trade is done."""
        entry = goods.entry
        if not Path(entry.path).exists():
            await asyncio.to_thread(goods.recover)
            await asyncio.to_thread(goods.partial.finish)
        await self._journal.commit([Entry.of(BUYER_TRADE, digest(entry.request).hex(), replace(entry, done=True))])

    async def complain(self, goods: Goods, index: int, abroad: Zone) -> None:
        """Show the ledger that a chunk is garbage: its key is in the journal."""
        request = goods.entry.request
        key = self._journal.get(GARBAGE, chunk_key(goods.entry.trade, index), bytes)
        if key is None:
            raise NotFound("no garbage in that chunk", index=index)
        path = await asyncio.to_thread(lambda: leaves_tree(goods.leaves).path(index))
        ciphertext = await asyncio.to_thread(goods.fetch, index)
        revealed = RevealedKey(goods.leaves[index], path, key)
        complaint = Complaint(request.channel, goods.entry.trade, revealed, goods.secret, ciphertext)

        def upheld() -> bool | None:
            return (goods.entry.trade, index) in abroad.escrow.channel(request.channel).complaints or None

        await ensure(self._clock, upheld, lambda: abroad.escrow.complain(complaint))

    async def _try_to_complain(self, goods: Goods, index: int, abroad: Zone) -> None:
        """What cannot be complained about, or not yet, must not keep the rest of A's money from coming home."""
        try:
            await self.complain(goods, index, abroad)
        except (RuleBroken, StoreFailed) as failed:
            log.warning("the complaint about chunk %d is not heard: %s", index, failed)

    def _received(self, newest: SignedState) -> tuple[RevealedKey, ...]:
        """The keys A has found right and ``newest`` does not acknowledge yet, in order, as far as it pays for them."""
        payment = decode(Payment, newest.state.app_state)
        leaves, keys = self._book.leaves(payment.trade), self._book.keys(payment.trade)
        run = list(takewhile(keys.__contains__, range(payment.acked, payment.count)))
        if not run:
            return ()
        tree = leaves_tree(leaves)
        return tuple(RevealedKey(leaves[index], tree.path(index), keys[index]) for index in run)

    async def _look(self, channel: Channel, abroad: Zone) -> None:
        """Take the keys that B had to show, and complain about what they open."""
        trade = b"" if channel.posted is None else trade_of(channel.posted)
        entry = self._book.trade(channel.terms.channel, trade) if trade else None
        if entry is None or entry.done:
            return
        goods = self.goods(entry)
        try:
            bad = {int(name[-10:]) for name, _ in self._journal.scan(GARBAGE, bytes, chunk_key(trade, 0)[:-10])}
            for revealed in channel.revealed:
                index = revealed.leaf.index
                if index in goods.keys or index in bad:
                    continue
                try:
                    await self._journal.commit([await asyncio.to_thread(goods.unlock, index, revealed.key)])
                    goods.learn(index, revealed.key)
                except Garbage:
                    bad.add(index)
                except (RuleBroken, StoreFailed) as failed:
                    log.warning("the key of chunk %d opens nothing here: %s", index, failed)
            for index in sorted(bad):
                if (trade, index) not in channel.complaints and channel.phase is not Phase.SETTLED:
                    await self._try_to_complain(goods, index, abroad)
            if goods.complete:
                await self.complete(goods)
        finally:
            goods.partial.close()
