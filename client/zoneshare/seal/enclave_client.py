"""An enclave in its own process, as drone and vehicles call it."""

import asyncio
from collections.abc import Iterable
from typing import TypeVar

from zoneshare.identity import Identity
from zoneshare.seal.enclave_messages import ENCLAVE, Decide, Decided, Deliver, Prepare, Prepared, Received
from zoneshare.trade import wire
from zoneshare.trade.peers import PeerBook
from zoneshare_protocols.codec import Record, digest
from zoneshare_protocols.errors import BadProof
from zoneshare_protocols.seal.bids import Notice, SealedBid
from zoneshare_protocols.seal.ledger import BidReceipt, Opening, Recorded
from zoneshare_protocols.sharing.keys import check_signature
from zoneshare_protocols.sharing.records import EndorsedQuery

A = TypeVar("A")
DECIDE_S = 120.0


class EnclaveClient:
    """Each call is a session of its own, so an enclave that was restarted is found again. Raises PeerGone, NotAllowed,
    and what the enclave refuses."""

    def __init__(self, host: str, port: int, identity: Identity, peers: PeerBook) -> None:
        self._address, self._identity, self._peers = (host, port), identity, peers

    async def prepare(self, notice: Notice) -> Opening:
        """By the drone: keys and a quote for this auction; the caller checks them (:func:`check_opening`)."""
        found = (await self._call(Prepare(notice), Prepared)).opening
        if found.notice != notice:
            raise BadProof("the enclave has prepared another auction", auction=digest(found.notice).hex())
        return found

    async def deliver(self, bid: SealedBid, opening: Opening) -> bytes:
        """By the bid's maker: the enclave's receipt, checked."""
        receipt = (await self._call(Deliver(bid), Received)).receipt
        check_signature(opening.quote.quote.signing_key, BidReceipt(bid.auction, bid.hash), receipt, "enclave")
        return receipt

    async def decide(self, order: EndorsedQuery, published: Iterable[SealedBid] = ()) -> Recorded:
        """``order``: :meth:`.ledger.Auctions.prove_ready`; ``published``: the sealed bids on the ledger."""
        return (await self._call(Decide(order, tuple(published)), Decided, DECIDE_S)).recorded

    async def _call(self, message: Record, answer: type[A], timeout: float | None = None) -> A:
        connection = await wire.connect(*self._address, self._identity, self._peers, ENCLAVE)
        try:
            await connection.send(message)
            return await connection.receive(answer, timeout)
        finally:
            await asyncio.shield(connection.close())
