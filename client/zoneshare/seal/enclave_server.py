"""The enclave's door: one session after another, one call at a time, and nothing but its answers."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from zoneshare.identity import Identity
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.enclave_messages import ENCLAVE, Decide, Decided, Deliver, Prepare, Prepared, Received
from zoneshare.trade import wire
from zoneshare.trade.peers import PeerBook
from zoneshare.trade.wire import Connection
from zoneshare_protocols.codec import Record
from zoneshare_protocols.errors import Malformed, NotAllowed, ZoneshareError

log = logging.getLogger(__name__)

IDLE_S = 600.0


class EnclaveFailed(ZoneshareError):
    """Something broke inside; what, would be told by nobody who keeps bids."""


class EnclaveServer:
    def __init__(self, enclave: Enclave, identity: Identity, peers: PeerBook, drones: Collection[str]) -> None:
        """``drones``: the accounts that may have auctions here."""
        self._drones = frozenset(drones)
        self._enclave, self._identity, self._peers = enclave, identity, peers
        self._one = asyncio.Lock()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """The port it listens on. Raises Misuse when it is in use."""
        self._server = await wire.serve(host, port, self._identity, self._peers, self._handle, language=ENCLAVE)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

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
