"""What a drone writes on the ledger, from the notice to the commit; each step again does nothing more."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from zoneshare.seal.entries import Held
from zoneshare.seal.exchange import chain_of
from zoneshare.seal.party import Party, Role, counted, found
from zoneshare.trade.moment import Clock, persist
from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import BadProof
from zoneshare_protocols.seal.attestation import check_opening
from zoneshare_protocols.seal.bids import Notice, SealedBid
from zoneshare_protocols.seal.hashchain import Commit, meta
from zoneshare_protocols.seal.ledger import Auction, Observed, Opening, Recorded
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.sharing.records import EndorsedQuery

Dwell = Callable[[Sequence[str]], Mapping[str, int]]
"""How long each of these accounts' vehicles stays in coverage, ms, as the drone observes it; who is not in it: 0."""


class Enclave(Protocol):
    """As :class:`.enclave_client.EnclaveClient` has it."""

    async def prepare(self, notice: Notice) -> Opening: ...

    async def decide(self, order: EndorsedQuery, published: Sequence[SealedBid] = ()) -> Recorded: ...


class Deciding:
    """One drone's, in whichever of its auctions."""

    def __init__(
        self, role: Role, party: Party, enclave: Enclave, *, clock: Clock, told: Callable[[str], None]
    ) -> None:
        self._role, self._party, self._enclave, self._clock, self._told = role, party, enclave, clock, told

    async def open(self, notice: Notice) -> Auction:
        """With a quote that the drone has checked too."""
        auctions = self._party.auctions

        def opened() -> Auction | None:
            return found(lambda: auctions.auction(notice.id))

        present = await self._role.ask(opened)
        if present is None:
            opening = await persist(self._clock, lambda: self._enclave.prepare(notice))
            zone = await self._role.ask(auctions.zone)
            check_opening(opening, zone, self._clock.now_ms())
            present = await self._role.once(opened, lambda: auctions.open(opening))
        return present

    async def fund(self, present: Auction, dwell: Dwell) -> None:
        auctions = self._party.auctions
        bids = await self._role.ask(lambda: auctions.bids(present.id))
        stays = dwell([bidder for bidder, _ in bids.bids])
        times = tuple(stays.get(bidder, 0) for bidder, _ in bids.bids)
        observed = Observed(present.quote, digest(bids.hashes), times)

        def funded() -> Auction | None:
            now = auctions.auction(present.id)
            return now if now.deposit else None

        await self._role.once(funded, lambda: auctions.fund(present.id, observed))
        self._told(
            f"auction {present.id.hex()[:12]}: {counted(len(bids.bids), 'sealed bid')}; deposit {present.drone_deposit}"
        )

    async def decide(self, present: Auction) -> int:
        """The enclave runs on what the ledger orders; whoever has its result may record it."""
        auctions = self._party.auctions
        order = await self._role.ask(lambda: auctions.prove_ready(present.id))
        try:
            recorded = await self._enclave.decide(order)
        except BadProof:
            recorded = await self._enclave.decide(order, await self._role.ask(lambda: self._published(present.id)))

        def there() -> Recorded | None:
            return found(lambda: auctions.result(present.id))

        await self._role.once(there, lambda: auctions.record(recorded.result, recorded.signature))
        out = recorded.result.outcome
        self._told(
            f"auction {present.id.hex()[:12]}: {counted(len(out.awards), 'task')} to "
            f"{counted(len(out.winners), 'vehicle')} for {out.paid}; "
            f"{len(out.cloud)} to the cloud, {len(out.local)} stay local, {len(out.dropped)} dropped"
        )
        return 0

    def _published(self, id: bytes) -> list[SealedBid]:
        """Sealed bids whose makers have put them on the ledger."""
        auctions = self._party.auctions
        entries = auctions.ready(id).bid_set.entries
        sealed = [found(partial(auctions.sealed, id, entry.bidder)) for entry in entries]
        return [one for one in sealed if one is not None]

    async def commit(self, present: Auction, held: Held) -> int:
        auctions = self._party.auctions
        outcome = (await self._role.ask(lambda: auctions.result(present.id))).result.outcome
        chains = tuple(
            meta(seat, chain_of(held, seat, tuple(award.payment for award in outcome.of(seat))))
            for seat in outcome.winners
        )
        commit = Commit(present.id, self._party.account, chains, present.timers.claim)

        def committed() -> Auction | None:
            now = auctions.auction(present.id)
            return now if now.phase is not Phase.COMMIT else None

        await self._role.once(committed, lambda: auctions.commit(commit))
        return 0
