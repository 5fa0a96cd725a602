"""A drone as a vehicle calls it."""

import asyncio
from typing import Any

from zoneshare.identity import Identity
from zoneshare.seal.drone_messages import DRONE, Announced, Deliver, Fetch, Input, Look, Nothing, Receipt
from zoneshare.trade import wire
from zoneshare.trade.peers import PeerBook
from zoneshare_protocols.codec import Record
from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.seal.results import EncryptedResult

DELIVER_S = 600.0
"""The drone answers when all tasks before are decided; the caller has a limit of its own."""


class DroneClient:
    """Each call is a session of its own, so a drone that was restarted is found again. Raises PeerGone, NotAllowed,
    and what the drone refuses."""

    def __init__(self, host: str, port: int, identity: Identity, peers: PeerBook) -> None:
        self._address, self._identity, self._peers = (host, port), identity, peers

    async def look(self, after: bytes = b"") -> tuple[str, Announced | None]:
        """The drone's account, and its newest auction that takes bids; waits for one for a while."""
        account, answer = await self._call(Look(after))
        if not isinstance(answer, Announced | Nothing):
            raise Malformed(f"not an answer to a look: {type(answer).__name__}")
        return account, answer if isinstance(answer, Announced) else None

    async def fetch(self, auction: bytes, number: int) -> Input:
        """A task's data, by its winner; the caller checks it against the notice."""
        return wire.expect(Input, (await self._call(Fetch(auction, number)))[1])

    async def deliver(self, encrypted: EncryptedResult) -> Receipt:
        """The payword for a result that is proven on the ledger; the caller checks it. Takes its time."""
        return wire.expect(Receipt, (await self._call(Deliver(encrypted), DELIVER_S))[1])

    async def _call(self, message: Record, timeout: float | None = None) -> tuple[str, Any]:
        connection = await wire.connect(*self._address, self._identity, self._peers, DRONE)
        try:
            await connection.send(message)
            return connection.peer.account, await connection.receive_one(timeout)
        finally:
            await asyncio.shield(connection.close())
