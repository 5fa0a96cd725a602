"""A watchtower: holds the newest state for sellers that sleep, and answers for them on their zone's ledger."""

import asyncio
import logging

from zoneshare.trade.alarms import Alarms
from zoneshare.trade.entries import WATCH, Watched
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.listener import Listener
from zoneshare.trade.messages import Watch, Watching
from zoneshare.trade.moment import Clock, answered
from zoneshare.trade.party import Party
from zoneshare.trade.settler import Holding, guard
from zoneshare.trade.wire import Connection
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import NotAllowed, RuleBroken, ZoneshareError
from zoneshare_protocols.sharing.channel import check_form, check_signed
from zoneshare_protocols.sharing.records import Payment, Phase

log = logging.getLogger(__name__)

IDLE_S = 3_600.0


class Watchtower:
    """``party`` is the tower's own identity, in the zone whose channels it watches. It needs no account there:
    whoever holds both signatures may post a state. What it holds opens no chunk, since it lacks the trade's secret."""

    def __init__(self, party: Party, journal: Journal, clock: Clock) -> None:
        self._party, self._journal, self._clock = party, journal, clock
        self._alarms = Alarms(party.home.ledger)
        self._held: dict[str, Watched] = {}
        self._guards: dict[str, asyncio.Task[None]] = {}
        self._listener = Listener(party.identity, party.home.renew, clock)

    async def start(self, host: str, port: int) -> int:
        """Watch all that is held, and listen; the port. Raises Misuse when the port is in use."""
        self._alarms.start()
        for channel, held in self._journal.scan(WATCH, Watched):
            self._hold(channel, held)
        return await self._listener.start(host, port, self._handle)

    async def stop(self) -> None:
        """What is held stays in the journal."""
        self._alarms.close()
        await self._listener.stop()
        guards = list(self._guards.values())
        for task in guards:
            task.cancel()
        await asyncio.gather(*guards, return_exceptions=True)

    @property
    def watched(self) -> dict[str, int]:
        """Channel -> the version held."""
        return {channel: held.state.state.version for channel, held in self._held.items()}

    async def _handle(self, connection: Connection) -> None:
        while True:
            watch = await connection.receive(Watch, IDLE_S)
            await self._take(connection, watch)
            await connection.send(Watching(watch.terms.channel, watch.state.state.version))

    async def _take(self, connection: Connection, watch: Watch) -> None:
        """Only from the channel's payee, and only what is newer than what is held."""
        terms, channel = watch.terms, watch.terms.channel
        if terms.payee != connection.peer.account:
            raise NotAllowed("a channel of somebody else", payee=terms.payee, account=connection.peer.account)
        if terms.payee_zone != self._party.home.name:
            raise NotAllowed("a channel of another zone", zone=terms.payee_zone)
        check_form(terms, channel, watch.state.state)
        check_signed(terms, watch.state)
        self._check_keys(watch)
        held = self._held.get(channel)
        if held is not None and held.state.state.version > watch.state.state.version:
            raise RuleBroken("a newer state is held", version=held.state.state.version)
        if held is None:
            found = await answered(self._clock, lambda: self._party.home.opened(channel))
            if found.phase is Phase.SETTLED:
                raise RuleBroken("the channel is settled", channel=channel)
        new = Watched(terms, watch.state, watch.keys)
        await self._journal.commit([Entry.of(WATCH, channel, new)])
        self._hold(channel, new)

    def _check_keys(self, watch: Watch) -> None:
        payment = decode(Payment, watch.state.state.app_state)
        indexes = [revealed.leaf.index for revealed in watch.keys]
        if not watch.state.state.final and indexes != list(range(payment.acked, payment.count)):
            raise RuleBroken("not the keys that the state owes", acked=payment.acked, count=payment.count)

    def _hold(self, channel: str, held: Watched) -> None:
        self._held[channel] = held
        if channel not in self._guards:
            self._guards[channel] = asyncio.create_task(self._see_through(channel))

    async def _see_through(self, channel: str) -> None:
        try:
            with self._alarms.of(channel) as changed:
                await guard(self._party.home, self._clock, channel, lambda: self._holding(channel), changed)
            self._held.pop(channel, None)
            await self._journal.commit([Entry(WATCH, channel, None)])
        except ZoneshareError:
            log.exception("the channel %s is not watched any more", channel)
        finally:
            self._guards.pop(channel, None)

    def _holding(self, channel: str) -> Holding:
        held = self._held[channel]
        return Holding(held.state, held.keys)
