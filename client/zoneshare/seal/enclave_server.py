"""The enclave's door: one session after another, one call at a time, and nothing but its answers."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable

from zoneshare.identity import Identity
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.enclave_messages import ENCLAVE, Decide, Decided, Deliver, Prepare, Prepared, Received
from zoneshare.trade.listener import Listener
from zoneshare.trade.moment import Clock
from zoneshare.trade.wire import Connection
from zoneshare_protocols.codec import Record
from zoneshare_protocols.errors import Malformed, NotAllowed, ZoneshareError
from zoneshare_protocols.sharing.records import Trust

log = logging.getLogger(__name__)

IDLE_S = 600.0


class EnclaveFailed(ZoneshareError):
    """Something broke inside; what, would be told by nobody who keeps bids."""


class EnclaveServer:
    def __init__(
        self,
        enclave: Enclave,
        identity: Identity,
        trusted: Callable[[], Iterable[Trust]],
        clock: Clock,
        drones: Collection[str],
    ) -> None:
        """``trusted`` asks the zone's ledger, and blocks; ``drones``: the accounts that may have auctions here."""
        self._drones = frozenset(drones)
        self._enclave = enclave
        self._one = asyncio.Lock()
        self._listener = Listener(identity, trusted, clock, ENCLAVE)

    async def start(self, host: str, port: int) -> int:
        """As :meth:`.Listener.start`."""
        return await self._listener.start(host, port, self._handle)

    async def stop(self) -> None:
        await self._listener.stop()

    async def _handle(self, connection: Connection) -> None:
        while True:
            message = await connection.receive_one(IDLE_S)
            answer = self._answer(message, connection.peer.account)
            async with self._one:
                reply = await asyncio.to_thread(quietly, answer)
            await connection.send(reply)

    def _answer(self, message: object, caller: str) -> Callable[[], Record]:
        match message:
            case Prepare():
                if caller not in self._drones:
                    raise NotAllowed("this enclave is not for your auctions", caller=caller)
                return lambda: Prepared(self._enclave.prepare(message.notice, caller))
            case Deliver():
                return lambda: Received(self._enclave.take(message.bid, caller))
            case Decide():
                return lambda: Decided(self._enclave.decide(message.order, message.published))
        raise Malformed(f"not for an enclave: {type(message).__name__}")


def quietly(call: Callable[[], Record]) -> Record:
    """The call's answer or refusal; a failure's text and traceback, which could hold a bid, stay inside."""
    try:
        return call()
    except ZoneshareError:
        raise
    except Exception as failure:  # noqa: BLE001  # whatever it is, only its name may get out
        log.error("the enclave failed: %s", type(failure).__name__)  # a traceback could show a bid
        raise EnclaveFailed("the enclave failed") from None


def clock_ms() -> int:
    return time.time_ns() // 1_000_000
