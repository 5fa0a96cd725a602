"""Events of a zone's contracts in the event loop: what changes on the ledger wakes who waits for it."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from zoneshare.ledger import ChaincodeEvent, EventStream, Ledger
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import Malformed, ZoneshareError
from zoneshare_protocols.sharing.records import ChannelEvent

log = logging.getLogger(__name__)


def _channel(event: ChaincodeEvent) -> str:
    return decode(ChannelEvent, event.payload).channel


class Alarms:
    """Wakes the waiters of a channel when an event names it. A missed event costs time only: waiters look anyway."""

    def __init__(self, ledger: Ledger, named: Callable[[ChaincodeEvent], str] = _channel) -> None:
        """``named``: what an event is about, the escrow's channel unless it is given; Malformed for all others."""
        self._ledger, self._named = ledger, named
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._stream: EventStream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = threading.Event()

    def start(self) -> None:
        """Listen from now on, in a thread of its own. Call it in the event loop."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, name="ledger-events", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        if self._stream is not None:
            self._stream.close()

    @contextlib.contextmanager
    def of(self, channel: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something happened to the channel."""
        event = asyncio.Event()
        self._waiters.setdefault(channel, set()).add(event)
        try:
            yield event
        finally:
            self._waiters[channel].discard(event)
            if not self._waiters[channel]:
                del self._waiters[channel]

    def ring(self, channel: str) -> None:
        """Wake who waits for the channel."""
        for event in self._waiters.get(channel, ()):
            event.set()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                self._stream = self._ledger.events()
                for event in self._stream:
                    self._tell(event)
            except ZoneshareError as failed:
                log.warning("the ledger's events broke off, and are asked for again: %s", failed)
            self._closed.wait(1.0)

    def _tell(self, event: ChaincodeEvent) -> None:
        try:
            channel = self._named(event)
        except Malformed:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.ring, channel)
