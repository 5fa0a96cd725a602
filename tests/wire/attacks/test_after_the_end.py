"""A buyer that asks for keys when its payments are worth nothing any more: after the locks, after the settlement."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.wire.trade.rig import CHUNK, PRICE, Rig
from zoneshare.trade.buyer import Buyer
from zoneshare.trade.entries import SELLER_CHANNEL, SellerChannel
from zoneshare.trade.journal import Entry, JournalFailed
from zoneshare.trade.messages import Finish, Key, Pay, Resume, Resumed
from zoneshare.trade.wire import Connection, connect
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import LedgerFailed, RuleBroken
from zoneshare_protocols.sharing.channel import initial_state, next_state
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.records import ChannelTerms, Payment, SignedState

CHUNKS = 12


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class Stop(BaseException):
    """The buyer's person pulls the plug."""


def stop_at_four(chunks: int, newest: SignedState | None) -> None:
    if chunks >= 4:
        raise Stop


async def half_bought(rig: Rig) -> tuple[Buyer, ChannelTerms]:
    seller = await rig.seller()
    item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
    buyer = rig.buyer(window=2)
    with pytest.raises(Stop):
        await buyer.buy(rig.order(item.data, deposit=500), stop_at_four)
    return buyer, buyer.book.channels()[-1].terms


@asynccontextmanager
async def line(rig: Rig, terms: ChannelTerms) -> AsyncIterator[tuple[Connection, SignedState]]:
    """A connection on which the channel is taken up, and the newest state that bob shows."""
    party = rig.party("alice")
    connection = await connect("127.0.0.1", rig.port, party.identity, party.peers())
    try:
        await connection.send(Resume(terms.channel, sign(rig.alice.signing, initial_state(terms))))
        resumed = await connection.receive(Resumed)
        assert resumed.newest is not None
        yield connection, resumed.newest
    finally:
        await connection.close()


def following(rig: Rig, terms: ChannelTerms, newest: SignedState) -> SignedState:
    """T_i for one chunk more, with alice's half."""
    last = decode(Payment, newest.state.app_state)
    payment = Payment(last.earned, last.trade, last.price, last.count + 1, last.acked)
    state = next_state(terms, terms.channel, newest.state.version + 1, payment)
    return SignedState(state, sign(rig.alice.signing, state), None)


async def keys_for(connection: Connection, *messages: Pay | Finish) -> list[bytes]:
    """The keys that come before bob refuses."""
    got = []
    await connection.send(*messages)
    try:
        while True:
            answer = await connection.receive_one(5.0)
            if isinstance(answer, Key) and answer.sealed_key:
                got.append(answer.sealed_key)
    except (RuleBroken, LedgerFailed):
        return got


def test_no_key_for_a_payment_in_a_settled_channel(rig: Rig) -> None:
    async def play() -> None:
        buyer, terms = await half_bought(rig)
        await rig.clock.run(buyer.close_alone(terms.channel))
        await rig.clock.until(lambda: is_closed(rig, terms))
        with pytest.raises(RuleBroken, match="settled"):
            async with line(rig, terms):
                pass

    asyncio.run(play())


def is_closed(rig: Rig, terms: ChannelTerms) -> bool:
    entry = rig.journals["bob"].get(SELLER_CHANNEL, terms.channel, SellerChannel)
    return entry is not None and entry.closed


def test_no_key_for_a_payment_whose_lock_is_over(rig: Rig) -> None:
    """As Finish it was taken whatever its lock, and then answered as a repeated Pay."""

    async def play() -> None:
        _, terms = await half_bought(rig)
        seller_guard = next(task for task in asyncio.all_tasks() if "_see_through" in repr(task))
        seller_guard.cancel()
        async with line(rig, terms) as (connection, newest):
            rig.clock.advance(terms.refund_from - rig.clock.now_ms())
            pay = following(rig, terms, newest)
            assert await keys_for(connection, Finish(pay)) == []
        async with line(rig, terms) as (connection, _):
            assert await keys_for(connection, Pay(pay)) == []

    asyncio.run(play())


def test_only_a_final_state_finishes(rig: Rig) -> None:
    async def play() -> None:
        _, terms = await half_bought(rig)
        async with line(rig, terms) as (connection, newest):
            pay = following(rig, terms, newest)
            await connection.send(Finish(pay))
            with pytest.raises(RuleBroken, match="not a final state"):
                await connection.receive_one(5.0)
        async with line(rig, terms) as (connection, newest):
            assert newest.state.version < pay.state.version

    asyncio.run(play())


def test_a_line_from_before_the_settlement_gets_no_keys_either(rig: Rig) -> None:
    """Even where the seller's clock stands still: what it knows to be settled it does not serve."""

    async def play() -> None:
        buyer, terms = await half_bought(rig)
        async with line(rig, terms) as (connection, newest):
            now = rig.clock.now_ms()
            await rig.clock.run(buyer.close_alone(terms.channel))
            rig.clock.now_ms = lambda: now
            assert await keys_for(connection, Pay(following(rig, terms, newest))) == []

    asyncio.run(play())


def test_a_channel_that_was_dropped_from_memory_takes_no_payments_twice(rig: Rig) -> None:
    """Two lines, and a seller whose disk is full for a moment: the line that is left behind is not served, since
    the buyer could pay little over one, and take the keys over the other."""

    async def play() -> None:
        _, terms = await half_bought(rig)
        journal = rig.journals["bob"]
        async with line(rig, terms) as (behind, newest):
            async with line(rig, terms) as (unlucky, _):
                commit, journal.commit = journal.commit, full  # type: ignore[method-assign]
                assert await keys_for(unlucky, Pay(following(rig, terms, newest))) == []
                journal.commit = commit  # type: ignore[method-assign]
            assert await keys_for(behind, Pay(following(rig, terms, newest))) == []
        async with line(rig, terms) as (again, newest):
            await again.send(Pay(following(rig, terms, newest)))
            assert (await again.receive(Key)).sealed_key

    asyncio.run(play())


async def full(entries: Iterable[Entry]) -> None:
    raise JournalFailed("cannot write the journal: disk full")
