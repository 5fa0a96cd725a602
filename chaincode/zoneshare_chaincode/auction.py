"""auction: a drone's sealed auctions for computing (docs/seal.md), from the notice to the commit, and the refund.

Every call serves the timers that have run out first, so no auction waits for anybody. No bid is ever here: hashes of
sealed ones, and sealed ones whose makers the enclave gave no receipt.
"""

from msgspec.structs import replace

from zoneshare_chaincode import auction_refund, vault
from zoneshare_chaincode import auction_state as state
from zoneshare_chaincode.auction_phases import close, enter, serve
from zoneshare_chaincode.base import Context, Contract, transaction
from zoneshare_protocols.codec import MAX_AMOUNT, Digest, Signature, decode, digest
from zoneshare_protocols.errors import AlreadyExists, BadProof, LimitExceeded, Malformed, Misuse, NotAllowed
from zoneshare_protocols.fabric.identity import certificate
from zoneshare_protocols.seal import attestation, phases
from zoneshare_protocols.seal.auction import by_urgency
from zoneshare_protocols.seal.bids import Agreement, Result, SealedBid, check_result
from zoneshare_protocols.seal.deposits import bidder_deposit, check_covered, drone_deposit
from zoneshare_protocols.seal.hashchain import Commit, check_commit
from zoneshare_protocols.seal.ledger import (
    Auction,
    BidderRecord,
    BidReceipt,
    Observed,
    Opening,
    Recorded,
    SealZone,
    Winner,
    Word,
    check_agreed,
    check_limits,
    check_observed,
)
from zoneshare_protocols.seal.phases import Event
from zoneshare_protocols.sharing.governance import check_admin
from zoneshare_protocols.sharing.keys import check_signature
from zoneshare_protocols.stub import composite_key


class Auctions(Contract):
    name = "auction"

    def __init__(self, organisations: tuple[str, ...]) -> None:
        """``organisations``: the MSP ids that approve programs, platforms and proving keys together."""
        if not organisations:
            raise Misuse("a chaincode is deployed with the MSP ids of its organisations")
        self._organisations = organisations

    @transaction
    def approve(self, context: Context, new: SealZone) -> bool:
        """One organisation's approval; True when all have approved the same and it took effect (event ``seal``)."""
        creator = context.stub.creator
        check_admin(self._organisations, creator.mspid, creator.certificate)
        attestation.check_zone(new, state.find_zone(context), context.zone)
        keys = {mspid: composite_key(state.APPROVAL, mspid) for mspid in self._organisations}
        context.put(keys[creator.mspid], new)
        if any(context.get(SealZone, key) != new for key in keys.values()):
            return False
        for key in keys.values():
            context.delete(key)
        context.put(state.ZONE, new)
        context.event("seal", new)
        return True

    @transaction
    def open(self, context: Context, opening: Opening) -> Auction:
        """By the drone: tasks, terms, timers, and the quote of an enclave for just this auction; event ``auction``."""
        notice, quote = opening.notice, opening.quote.quote
        if notice.drone != context.account:
            raise NotAllowed("an auction is opened by its drone", drone=notice.drone, caller=context.account)
        vault.account(context, context.account)
        if context.get(Auction, state.key(state.AUCTION, notice.id)) is not None:
            raise AlreadyExists("opened already", auction=notice.id.hex())
        by_urgency(notice.tasks)
        phases.check_timers(notice.timers, context.now, notice.tasks, notice.terms)
        tolerance = context.parameters.clock_tolerance
        attestation.check_opening(opening, state.zone(context), context.now, tolerance=tolerance)
        deposits = drone_deposit(notice.tasks, notice.terms), bidder_deposit(notice.tasks, notice.terms)
        if not min(deposits):
            raise Malformed("the tasks are worth nothing to the drone", deposit=0)
        if max(deposits) > MAX_AMOUNT:
            raise LimitExceeded("a deposit is more than there can be", value=str(max(deposits)), limit=MAX_AMOUNT)
        record = Auction(
            notice.id,
            notice.drone,
            phases.move(None, Event.OPEN),
            notice.timers,
            context.now,
            quote=digest(quote),
            enclave=quote.signing_key,
            drone_deposit=deposits[0],
            bidder_deposit=deposits[1],
        )
        state.tell(context, Event.OPEN, record)
        return state.opened(context, opening, record)

    @transaction
    def bid(self, context: Context, auction: Digest, bid: Digest) -> BidderRecord:
        """By a bidder: the hash of its sealed bid (:attr:`SealedBid.hash`), until T_init; one each."""
        present = enter(context, serve(context, auction), Event.BID)
        if context.account == present.drone:
            raise NotAllowed("the drone does not bid in its own auction", drone=present.drone)
        vault.account(context, context.account)
        if context.get(BidderRecord, state.key(state.BIDDER, auction, context.account)) is not None:
            raise AlreadyExists("one bid each", bidder=context.account)
        serial = certificate(context.stub.creator.certificate).serial_number.to_bytes(20, "big")
        state.tell(context, Event.BID, present)
        return state.put_bidder(context, BidderRecord(auction, context.account, bid, serial))

    @transaction
    def deposit(self, context: Context, auction: Digest) -> BidderRecord:
        """By a bidder, until T_dep: D_i from its balance to escrow. Raises InsufficientFunds."""
        present = enter(context, serve(context, auction), Event.DEPOSIT)
        record = state.bidder(context, auction, context.account)
        if record.deposit:
            raise AlreadyExists("deposited already", bidder=record.bidder)
        if record.word is Word.DECLINED:
            raise NotAllowed("who has declined is out", bidder=record.bidder)
        if present.bidder_deposit:
            vault.debit(context, context.account, present.bidder_deposit)
        state.tell(context, Event.DEPOSIT, present)
        return state.put_bidder(context, replace(record, deposit=present.bidder_deposit))

    @transaction
    def fund(self, context: Context, auction: Digest, observed: Observed) -> Auction:
        """By the drone, until T_dep: D_u to escrow, its agreement, and the dwell time of every bidder (H8, H9)."""
        present = enter(context, serve(context, auction), Event.DEPOSIT)
        if context.account != present.drone:
            raise NotAllowed("an auction is funded by its drone", drone=present.drone, caller=context.account)
        if present.deposit:
            raise AlreadyExists("deposited already", auction=auction.hex())
        check_observed(observed, present, state.bids(context, auction))
        vault.debit(context, context.account, present.drone_deposit)
        context.put(state.key(state.OBSERVED, auction), observed)
        state.tell(context, Event.DEPOSIT, present)
        return state.put_auction(context, replace(present, deposit=present.drone_deposit))

    @transaction
    def agree(
        self, context: Context, auction: Digest, agreement: Agreement, receipt: bytes = b"", sealed: bytes = b""
    ) -> BidderRecord:
        """By a bidder, until T_dep: it agrees to the attested program and the set of bids (local consensus).

        ``receipt``: the enclave's signature over the BidReceipt; without one ``sealed``, the SealedBid's canonical
        bytes, goes on the ledger, so that no host can lose it, and nobody can take part with a bid that is nowhere.
        """
        present = enter(context, serve(context, auction), Event.AGREE)
        record = state.bidder(context, auction, context.account)
        if agreement.party != context.account:
            raise NotAllowed("each party agrees itself", party=agreement.party, caller=context.account)
        check_agreed(agreement.quote, agreement.bids, present)
        _first_word(record)
        if receipt:
            check_signature(present.enclave, BidReceipt(auction, record.bid), receipt, "enclave")
        else:
            _publish(context, record, sealed)
        state.tell(context, Event.AGREE, present)
        return state.put_bidder(context, replace(record, word=Word.AGREED))

    @transaction
    def decline(self, context: Context, auction: Digest) -> BidderRecord:
        """By a bidder, until T_dep: it is out, and keeps its deposit."""
        present = enter(context, serve(context, auction), Event.DECLINE)
        record = state.bidder(context, auction, context.account)
        _first_word(record)
        state.tell(context, Event.DECLINE, present)
        return state.put_bidder(context, replace(record, word=Word.DECLINED))

    @transaction
    def advance(self, context: Context, auction: Digest) -> Auction:
        """Serve the timers that have run out, and nothing else. Anyone may."""
        return serve(context, auction)

    @transaction
    def close(self, context: Context, auction: Digest) -> Auction:
        """T_init or T_dep alone, where :meth:`advance` never gets through. Anyone may."""
        return close(context, auction)

    @transaction
    def record(self, context: Context, result: Result, signature: Signature) -> Auction:
        """The enclave's result, over exactly the bids of the set, until T_auc. Anyone may submit it."""
        present = serve(context, result.auction)
        event = Event.RECORD if result.outcome.awards else Event.RECORD_EMPTY
        after = enter(context, present, event)
        opening = state.opening(context, present.id)
        attestation.check_opening(
            opening,
            state.zone(context),
            context.now,
            opened=present.opened,
            tolerance=context.parameters.clock_tolerance,
        )
        expected = state.bid_set(context, present.id)
        check_result(result, signature, opening.quote.quote, expected, opening.notice)
        check_limits(result.outcome, opening.notice)
        check_covered(result.outcome, opening.notice.terms, present.deposit)
        context.put(state.key(state.RESULT, present.id), Recorded(result, signature))
        state.tell(context, event, after)
        return state.put_auction(context, after)

    @transaction
    def commit(self, context: Context, commit: Commit) -> Auction:
        """Tx_com (11), by the drone, until T_com: the root and length of each winner's chain."""
        present = serve(context, commit.auction)
        after = enter(context, present, Event.COMMIT)
        if context.account != present.drone or commit.drone != present.drone:
            raise NotAllowed("chains are committed to by the drone", drone=present.drone, caller=context.account)
        if commit.expiry != present.timers.claim:
            raise Malformed("claims end at T_clm", expiry=commit.expiry, claim=present.timers.claim)
        outcome = state.recorded(context, present.id).result.outcome
        check_commit(commit.chains, {seat: len(outcome.of(seat)) for seat in outcome.winners})
        names = {entry.seat: entry.bidder for entry in state.bid_set(context, present.id).entries}
        for chain in commit.chains:
            awards = outcome.of(chain.seat)
            name, excused = names[chain.seat], present.timers.commit + present.timers.grace
            winner = Winner(present.id, chain.seat, name, awards, chain, context.now, excused)
            context.put(state.key(state.WINNER, present.id, chain.seat), winner)
        means = state.zone(context).proof_keys and state.opening(context, present.id).notice.results_key is not None
        blames = bool(means) and present.timers.grace > context.margin
        state.tell(context, Event.COMMIT, after)
        return state.put_auction(context, replace(after, committed=context.now, blames=blames))

    @transaction
    def withdraw(self, context: Context, auction: Digest) -> BidderRecord:
        """By a bidder that has not won, from the result on: its deposit, before the auction is over."""
        return auction_refund.withdraw(context, serve(context, auction))

    @transaction
    def refund(self, context: Context, auction: Digest) -> Auction:
        """Rests, deposits and penalties, when all is claimed, run out or cancelled. Anyone may."""
        return auction_refund.refund(context, serve(context, auction))

    @transaction
    def collect(self, context: Context, auction: Digest) -> int:
        """By a bidder or the drone, when :meth:`refund` may be called: its own share alone, and how much it was.

        The refund touches every party's balance; whoever keeps one of them moving keeps it from being ordered.
        """
        return auction_refund.collect(context, serve(context, auction))


def _first_word(record: BidderRecord) -> None:
    if record.word is not Word.NONE:
        raise AlreadyExists("said already", bidder=record.bidder, word=record.word.value)


def _publish(context: Context, record: BidderRecord, data: bytes) -> None:
    sealed = decode(SealedBid, data)
    if (sealed.auction, sealed.bidder, sealed.hash) != (record.auction, record.bidder, record.bid):
        raise BadProof("this is not the sealed bid whose hash is on the ledger", bidder=record.bidder)
    context.put(state.key(state.SEALED, record.auction, record.bidder), sealed)
