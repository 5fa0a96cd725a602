"""B, the seller: serves many buyers, releases keys for what they sign, and sees every channel to its end."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from msgspec.structs import replace

from zoneshare.ledger import LedgerUnavailable
from zoneshare.stores import Store
from zoneshare.trade.alarms import Alarms
from zoneshare.trade.catalogue import Catalogue
from zoneshare.trade.entries import SELLER_CHANNEL, SellerChannel
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.listener import Listener
from zoneshare.trade.live import LiveChannel
from zoneshare.trade.messages import (
    Accept,
    Ask,
    Buy,
    Finish,
    Finished,
    Message,
    Offer,
    Open,
    Opened,
    Pay,
    Preparing,
    Resume,
)
from zoneshare.trade.moment import Clock, answered, ensure
from zoneshare.trade.party import Party
from zoneshare.trade.settler import Holding, guard
from zoneshare.trade.tower import Tower
from zoneshare.trade.wares import Step, Wares, prepare, upload
from zoneshare.trade.wire import Connection, PeerGone
from zoneshare_protocols.errors import BadAmount, NotAllowed, RuleBroken, ZoneshareError
from zoneshare_protocols.sharing.channel import check_terms, initial_state
from zoneshare_protocols.sharing.keys import check_signature, sign
from zoneshare_protocols.sharing.records import ChannelTerms, Phase, SignedState

log = logging.getLogger(__name__)

IDLE_S = 600.0
"""After so long without a word a connection is closed; the channel stays."""
PREPARING_S = 2.0
"""How often a buyer that waits for its goods hears how far they are."""


class Policy(NamedTuple):
    """What B agrees to; spans in ms."""

    bond: int = 0
    """Locked for every trade, and lost for garbage."""
    window: int = 16
    min_challenge: int = 10_000
    max_lock: int = 24 * 3_600_000
    """How far away the end of M's challenge window may be: B's earnings can be locked until then."""


class Seller:
    """One device's seller. ``journal`` is its own."""

    def __init__(
        self,
        party: Party,
        store: Store,
        journal: Journal,
        catalogue: Catalogue,
        *,
        clock: Clock,
        policy: Policy = Policy(),  # noqa: B008 - a tuple
        tower: Tower | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``told`` gets a line for every trade that begins, and every channel that is settled."""
        self._party, self._store, self._journal = party, store, journal
        self._clock, self._policy, self.tower = clock, policy, tower
        self.catalogue, self._told = catalogue, told
        self._alarms = Alarms(party.home.ledger)
        self._live: dict[str, LiveChannel] = {}
        self._guards: dict[str, asyncio.Task[None]] = {}
        self._loading = asyncio.Lock()
        self._listener = Listener(party.identity, party.home.renew, clock)

    async def start(self, host: str, port: int) -> int:
        """Guard all open channels, and listen; the port (a free one for 0). Raises Misuse when the port is in use."""
        await answered(self._clock, lambda: self._party.home.margin)
        self._alarms.start()
        for channel, entry in self._journal.scan(SELLER_CHANNEL, SellerChannel):
            if not entry.closed:
                self._guard(await self._load(channel))
        return await self._listener.start(host, port, self._handle)

    async def stop(self) -> None:
        """Nothing is lost: a new start goes on from the journal."""
        self._alarms.close()
        await self._listener.stop()
        guards = list(self._guards.values())
        for task in guards:
            task.cancel()
        await asyncio.gather(*guards, return_exceptions=True)
        if self.tower is not None:
            await self.tower.close()

    @property
    def open_channels(self) -> tuple[str, ...]:
        return tuple(self._guards)

    async def _handle(self, connection: Connection) -> None:
        live: LiveChannel | None = None
        while True:
            messages = await connection.receive_many(IDLE_S)
            for kind, group in groupby(messages, type):
                if kind is Pay:
                    states = [message.state for message in group if isinstance(message, Pay)]
                    await self._paid(connection, _known(live), states)
                    continue
                for message in group:
                    if isinstance(message, Opened | Resume):
                        live = await self._take_up(connection, message)
                    else:
                        await self._answer(connection, live, message)

    async def _answer(self, connection: Connection, live: LiveChannel | None, message: Message) -> None:
        match message:
            case Ask(data):
                await connection.send(self._offer(data))
            case Open(terms):
                await connection.send(await self._accept(connection, terms))
            case Buy():
                await self._sell(connection, _known(live), message)
            case Finish():
                await self._finish(connection, _known(live), message)
            case _:
                raise RuleBroken(f"a seller does not take {type(message).__name__}")

    def _offer(self, data: bytes) -> Offer:
        item = self.catalogue.find(data)
        return Offer(
            data=data,
            name=item.name,
            size=item.size,
            chunk_size=item.chunk_size,
            chunks=len(item.hashes),
            price=item.price,
            zone=self._party.home.name,
            account=self._party.account,
            key=self._party.keys.signing_key,
            bond=self._policy.bond,
            window=self._policy.window,
            min_challenge=self._policy.min_challenge,
            max_lock=self._policy.max_lock,
        )

    async def _accept(self, connection: Connection, terms: ChannelTerms) -> Accept:
        """B's half of tx4, which gives A everything back: B need not remember it."""
        self._check_parties(connection, terms)
        now = self._clock.now_ms()
        check_terms(terms, self._party.home.margin, now)
        if terms.challenge < self._policy.min_challenge:
            least = self._policy.min_challenge / 1000
            raise RuleBroken(f"the challenge window is too short: {terms.challenge / 1000:g} s, at least {least:g} s")
        locked = terms.refund_from + terms.challenge - now
        if locked > self._policy.max_lock:
            most = self._policy.max_lock / 1000
            raise RuleBroken(
                f"the refund's lock and challenge window are too far away: {locked / 1000:.0f} s, at most {most:g} s"
            )
        return Accept(terms.channel, sign(self._party.keys.signing, initial_state(terms)))

    def _check_parties(self, connection: Connection, terms: ChannelTerms) -> None:
        peer, party = connection.peer, self._party
        if terms.payer != peer.account or terms.payer_zone not in peer.zones:
            raise NotAllowed("a channel in another's name", payer=terms.payer, account=peer.account)
        ours = (party.home.name, party.account, party.keys.signing_key)
        if (terms.payee_zone, terms.payee, terms.payee_key) != ours:
            raise NotAllowed("a channel with somebody else", payee=terms.payee)

    async def _take_up(self, connection: Connection, message: Opened | Resume) -> LiveChannel:
        """The channel from our own journal, or our own ledger."""
        channel = message.channel
        entry = self._journal.get(SELLER_CHANNEL, channel, SellerChannel)
        if entry is None:
            found = await answered(self._clock, lambda: self._party.home.opened(channel))
            if found.phase is not Phase.OPEN:
                raise RuleBroken("the channel is not open", phase=found.phase.value)
            self._check_parties(connection, found.terms)
            check_signature(found.terms.payer_key, initial_state(found.terms), message.payer_signature, "payer")
            entry = SellerChannel(found.terms, message.payer_signature, False)
            await self._journal.commit([Entry.of(SELLER_CHANNEL, channel, entry)])
        self._check_parties(connection, entry.terms)
        if entry.closed:
            raise RuleBroken("the channel is settled", channel=channel)
        live = await self._load(channel)
        self._guard(live)
        if isinstance(message, Resume):
            async with live.lock:
                resumed = await asyncio.to_thread(live.resumed)
            await connection.send(resumed)
        return live

    async def _load(self, channel: str) -> LiveChannel:
        async with self._loading:
            if channel not in self._live:
                self._live[channel] = await answered(self._clock, lambda: self._read(channel))
            return self._live[channel]

    def _read(self, channel: str) -> LiveChannel:
        entry = self._journal.get(SELLER_CHANNEL, channel, SellerChannel)
        if entry is None:
            raise NotAllowed("no such channel here", channel=channel)
        live = LiveChannel(entry, self._party, self._journal, self._policy.window)
        for wares in live.trades:
            # One that is not on the ledger is committed when its request comes again.
            if self._party.home.find_trade(channel, wares.trade) is not None:
                live.serve(wares)
        return live

    async def _sell(self, connection: Connection, live: LiveChannel, buy: Buy) -> None:
        """Make the goods, and tell the buyer meanwhile how far they are; they are made even when it goes away."""
        done = 0

        def step() -> None:
            nonlocal done
            done += 1

        work = asyncio.create_task(self._make(live, buy, step))
        try:
            while not work.done():
                _, pending = await asyncio.wait([work], timeout=PREPARING_S)
                with contextlib.suppress(PeerGone):
                    await connection.send(*(Preparing(done, 2 * buy.request.chunks) for _ in pending))
        finally:
            work.cancel()
        self._told(f"sells {buy.request.data.hex()[:12]}, {buy.request.chunks} chunks, in channel {live.id}")
        await connection.send(*work.result().messages())

    async def _make(self, live: LiveChannel, buy: Buy, step: Step) -> Wares:
        """Encrypt, commit (tx5), and only then upload."""
        request = buy.request
        staged: Sequence[bytes] = ()
        async with live.lock:
            self._check_serving(live)
            item = self.catalogue.find(request.data)
            wares = live.made_for(request)
            if wares is None:
                live.check_request(request, buy.signature, self._earliest())
                if request.price < item.price or request.chunks != len(item.hashes):
                    raise BadAmount("not what the data cost", value=request.price, limit=item.price)
                bond, number = self._policy.bond, len(live.trades) + 1
                made = await asyncio.to_thread(prepare, item, request, buy.signature, bond, number=number, step=step)
                wares, staged = made
                await self._journal.commit(live.add(wares))
            await self._commit(live, wares)
            await asyncio.to_thread(upload, item, wares, staged, self._store, step)
            live.serve(wares)
        return wares

    async def _commit(self, live: LiveChannel, wares: Wares) -> None:
        home = self._party.home
        await ensure(
            self._clock,
            lambda: home.find_trade(live.id, wares.trade),
            lambda: home.escrow.commit(wares.made.commitment),
        )

    async def _paid(self, connection: Connection, live: LiveChannel, states: list[SignedState]) -> None:
        async with live.lock:
            self._check_serving(live)
            try:
                keys, refused = await live.take(states, self._earliest())
            except BaseException:
                # In memory it is ahead of the journal now.
                self._live.pop(live.id, None)
                raise
        await connection.send(*keys)
        if self.tower is not None:
            self.tower.hand(live)
        if refused is not None:
            raise refused

    async def _finish(self, connection: Connection, live: LiveChannel, message: Finish) -> None:
        """Sign T_n, post it, and answer when the ledger has settled the channel."""
        if not message.state.state.final:
            # Only T_n has no lock that could be over, and no key to release.
            raise RuleBroken("not a final state", version=message.state.state.version)
        async with live.lock:
            self._check_loaded(live)
            try:
                _, refused = await live.take([message.state], 0)
            except BaseException:
                self._live.pop(live.id, None)
                raise
            if refused is not None:
                raise refused
        self._alarms.ring(live.id)
        guard = self._guards.get(live.id)
        if guard is not None:
            await asyncio.wait([guard])
        await connection.send(Finished(live.newest))

    def _check_loaded(self, live: LiveChannel) -> None:
        """Raises LedgerUnavailable for a channel that was dropped from memory: two of one would each take payments."""
        if self._live.get(live.id) is not live:
            raise LedgerUnavailable("the channel must be taken up again", channel=live.id)

    def _check_serving(self, live: LiveChannel) -> None:
        """Raises as :meth:`_check_loaded`; RuleBroken for a settled channel, whose payments are worth nothing."""
        self._check_loaded(live)
        if live.entry.closed:
            raise RuleBroken("the channel is settled", channel=live.id)

    def _earliest(self) -> int:
        return self._clock.now_ms() + self._party.home.margin

    def _guard(self, live: LiveChannel) -> None:
        if live.id not in self._guards:
            self._guards[live.id] = asyncio.create_task(self._see_through(live.id))

    async def _see_through(self, channel: str) -> None:
        """Until the channel is settled: close it in time when the buyer is gone, answer what is old."""
        live = self._live[channel]

        def holding() -> Holding:
            nonlocal live
            live = self._live.get(channel, live)
            return live.holding()

        try:
            with self._alarms.of(channel) as changed:
                settled = await guard(self._party.home, self._clock, channel, holding, changed)
            live = self._live.get(channel, live)
            # From here on nothing is served; only then does it go out of the journal and the memory.
            live.entry = replace(live.entry, closed=True)
            await self._journal.commit([Entry.of(SELLER_CHANNEL, channel, live.entry), *live.leavings()])
            self._live.pop(channel, None)
            self._told(f"settled channel {channel}: {settled.paid} earned")
        except ZoneshareError:
            log.exception("the channel %s is not guarded any more", channel)
        finally:
            self._guards.pop(channel, None)


def _known(live: LiveChannel | None) -> LiveChannel:
    if live is None:
        raise RuleBroken("no channel was opened or taken up on this connection")
    return live
