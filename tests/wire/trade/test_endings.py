"""What goes wrong between two devices, and that nobody loses: garbage, silence on either side, old states."""

import asyncio
from pathlib import Path

import pytest

from tests.support.memory_ledger import MemoryLedger
from tests.wire.trade.rig import BOND, CHUNK, MONEY, PRICE, SHARED, WRITES, Rig
from zoneshare.accounts import Accounts
from zoneshare.ledger import LedgerUnavailable
from zoneshare.trade.buyer import Buyer
from zoneshare.trade.entries import KEY, STATE
from zoneshare.trade.paying import Garbage, Progress
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import BadAmount, InsufficientFunds, NotFound, ZoneshareError
from zoneshare_protocols.sharing.chunkcipher import encrypt
from zoneshare_protocols.sharing.payment import spent
from zoneshare_protocols.sharing.records import Channel, Evidence, Payment, Phase, SignedState, Trust

CHUNKS = 12
DEPOSIT = 500


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class Stop(BaseException):
    """The buyer's person pulls the plug."""


def stopping(at: int) -> Progress:
    def progress(chunks: int, newest: SignedState | None) -> None:
        if chunks >= at:
            raise Stop

    return progress


def the_channel(rig: Rig) -> Channel:
    with SHARED.changed:
        key = next(key for key in rig.world.b.state if key.startswith("\x00channel\x00"))
        return decode(Channel, rig.world.b.state[key][0])


def conserved(rig: Rig) -> bool:
    return sum(rig.money) == 2 * MONEY


def test_the_buyer_stops_half_way_and_the_seller_is_paid_for_what_it_released(rig: Rig) -> None:
    async def play() -> None:
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        with pytest.raises(Stop):
            await rig.buyer(window=3).buy(rig.order(item.data, deposit=DEPOSIT), stopping(5))
        rig.kill("alice")
        await rig.clock.until(lambda: not seller.open_channels, step_ms=5_000)
        settled = the_channel(rig)
        newest = rig.journals["bob"].get(STATE, settled.terms.channel, SignedState)
        assert newest is not None
        owed = spent(decode(Payment, newest.state.app_state))
        assert 5 * PRICE <= owed < CHUNKS * PRICE
        assert settled.paid == owed + BOND
        assert [f for z, f in WRITES if z == "zone-b"][2:] == [
            "escrow:close",
            "escrow:begin_challenge",
            "escrow:settle",
        ]
        # alice wakes up: the keys she paid for stand on the ledger, and the rest of her money comes home.
        await rig.clock.run(rig.buyer().close(settled.terms.channel))
        assert rig.money == (MONEY - owed, MONEY + owed)
        await seller.stop()

    asyncio.run(play())


def test_the_seller_stops_half_way_and_the_buyer_gets_the_rest(rig: Rig) -> None:
    async def play() -> None:
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        buyer = rig.buyer(window=3)
        with pytest.raises(Stop):
            await buyer.buy(rig.order(item.data, deposit=DEPOSIT), stopping(5))
        await seller.stop()
        rig.kill("bob")
        channel = the_channel(rig).terms.channel
        settled = await rig.clock.run(buyer.close(channel))
        # Bob never comes back. She shows the keys she has herself, and pays for every chunk she got, no more.
        newest = rig.journals["alice"].get(STATE, channel, SignedState)
        assert newest is not None
        payment = decode(Payment, newest.state.app_state)
        got = min(payment.count, len(rig.journals["alice"].scan(KEY, bytes)))
        assert payment.acked <= got
        assert settled.paid == got * PRICE + BOND
        assert rig.money[0] == MONEY - got * PRICE
        assert conserved(rig)

    asyncio.run(play())


def test_garbage_costs_the_seller_its_bond(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def garbage(secret: bytes, key: bytes, index: int, plaintext: bytes) -> bytes:
        return encrypt(secret, key, index, bytes(len(plaintext)) if index == 4 else plaintext)

    async def play() -> None:
        monkeypatch.setattr("zoneshare.trade.wares.encrypt", garbage)
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        buyer = rig.buyer(window=2)
        with pytest.raises(Garbage) as refused:
            await buyer.buy(rig.order(item.data, deposit=DEPOSIT))
        assert refused.value.values["index"] == 4
        channel = the_channel(rig)
        assert [index for _, index in channel.complaints] == [4]
        settled = await rig.clock.run(buyer.close(channel.terms.channel))
        lost = MONEY - rig.money[0]
        # Chunks 0 to 3 are paid for, and what was signed after 4 at most; the bond is hers.
        assert 4 * PRICE - BOND <= lost <= 6 * PRICE - BOND
        assert settled.returned == DEPOSIT - lost
        assert conserved(rig)
        await seller.stop()

    asyncio.run(play())


def test_an_old_state_posted_while_the_seller_sleeps_is_answered_by_its_watchtower(rig: Rig) -> None:
    async def play() -> None:
        tower = await rig.watchtower()
        seller = await rig.seller(tower=True)
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        seen: list[SignedState] = []

        def progress(chunks: int, newest: SignedState | None) -> None:
            if newest is not None and newest not in seen:
                seen.append(newest)

        buyer = rig.buyer(window=1)
        receipt = await buyer.buy(rig.order(item.data, deposit=DEPOSIT), progress)
        assert seller.tower is not None
        await seller.tower.flushed()
        assert tower.watched == {receipt.channel: seen[-1].state.version + 1}
        await seller.stop()
        rig.kill("bob")
        await tower.stop()
        rig.kill("carol")
        old = seen[1]
        rig.clock.advance(old.state.lock - rig.clock.now_ms())
        abroad = await rig.party("alice").zone("zone-b")
        # Before the watchtower is back: it would post the newest state itself, whose lock is over too.
        await asyncio.to_thread(abroad.escrow.close, old, Evidence(()))
        tower = await rig.watchtower()
        await rig.clock.until(lambda: the_channel(rig).phase is Phase.SETTLED, step_ms=5_000)
        assert the_channel(rig).paid == CHUNKS * PRICE + BOND
        assert ("zone-b", "escrow:challenge") in WRITES
        await rig.clock.until(lambda: not tower.watched)
        await rig.clock.run(buyer.close_alone(receipt.channel))
        assert rig.money == (MONEY - CHUNKS * PRICE, MONEY + CHUNKS * PRICE)
        await tower.stop()

    asyncio.run(play())


def test_a_seller_that_wakes_up_answers_itself(rig: Rig) -> None:
    async def play() -> None:
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        seen: list[SignedState] = []
        buyer = rig.buyer(window=1)
        receipt = await buyer.buy(
            rig.order(item.data, deposit=DEPOSIT), lambda _, newest: seen.append(newest) if newest else None
        )
        await seller.stop()
        rig.kill("bob")
        old = seen[0]
        rig.clock.advance(old.state.lock - rig.clock.now_ms())
        abroad = await rig.party("alice").zone("zone-b")
        await asyncio.to_thread(abroad.escrow.close, old, Evidence(()))
        seller = await rig.seller()
        await rig.clock.until(lambda: the_channel(rig).phase is Phase.SETTLED, step_ms=5_000)
        assert the_channel(rig).paid == CHUNKS * PRICE + BOND
        await rig.clock.run(buyer.close_alone(receipt.channel))
        await seller.stop()

    asyncio.run(play())


def test_nothing_paid_and_both_get_everything_back(rig: Rig) -> None:
    async def play() -> None:
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        buyer = rig.buyer()
        rig.store.get = missing  # type: ignore[method-assign]
        with pytest.raises(NotFound):
            await buyer.buy(rig.order(item.data, deposit=DEPOSIT))
        assert rig.money == (MONEY - DEPOSIT, MONEY - BOND)
        channel = the_channel(rig).terms.channel
        await rig.clock.run(buyer.close_alone(channel))
        assert rig.money == (MONEY, MONEY)
        await seller.stop()

    asyncio.run(play())


def missing(name: str) -> bytes:
    raise NotFound("no such block in the store", cid=name)


async def refused(buyer: Buyer, rig: Rig, data: bytes, deposit: int | None = None) -> ZoneshareError:
    before = rig.world.a.snapshot(), rig.world.b.snapshot()
    with pytest.raises(ZoneshareError) as error:
        await buyer.buy(rig.order(data, deposit=deposit))
    assert (rig.world.a.snapshot(), rig.world.b.snapshot()) == before
    assert "\n" not in str(error.value)
    return error.value


def test_what_is_refused_before_any_money_moves(rig: Rig) -> None:
    async def play() -> None:
        seller = await rig.seller()
        file = rig.file(CHUNKS)
        buyer = rig.buyer()
        assert isinstance(await refused(buyer, rig, bytes(32)), NotFound)
        dear = seller.catalogue.add(file, PRICE + 1, CHUNK)
        assert isinstance(await refused(buyer, rig, dear.data), BadAmount)
        cheap = seller.catalogue.add(file, PRICE, CHUNK)
        assert isinstance(await refused(buyer, rig, cheap.data, deposit=MONEY + 1), InsufficientFunds)
        assert [entry for entry in buyer.book.channels() if not entry.closed] == []
        await seller.stop()

    asyncio.run(play())


def test_a_file_that_changes_while_it_is_sold(rig: Rig) -> None:
    async def play() -> None:
        seller = await rig.seller()
        file = rig.file(CHUNKS)
        item = seller.catalogue.add(file, PRICE, CHUNK)
        file.write_bytes(file.read_bytes()[::-1])
        buyer = rig.buyer()
        with pytest.raises(ZoneshareError, match="changed since"):
            await buyer.buy(rig.order(item.data, deposit=DEPOSIT))
        await rig.clock.run(buyer.close(the_channel(rig).terms.channel))
        assert rig.money == (MONEY, MONEY)
        await seller.stop()

    asyncio.run(play())


@pytest.mark.parametrize("role", ["seller", "watchtower"])
def test_a_role_that_starts_while_its_ledger_is_away_waits_for_it(
    role: str, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusts, failures = Accounts.trusts, [LedgerUnavailable("away")] * 3

    def away_at_first(accounts: Accounts) -> tuple[Trust, ...]:
        if failures:
            raise failures.pop()
        return trusts(accounts)

    async def start() -> None:
        monkeypatch.setattr(Accounts, "trusts", away_at_first)
        server = await (rig.seller() if role == "seller" else rig.watchtower())
        assert not failures
        await server.stop()

    asyncio.run(asyncio.wait_for(start(), 30))


def come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every question to a ledger is first asked in vain."""
    evaluate, asked = MemoryLedger.evaluate, set()

    def away_at_first(ledger: MemoryLedger, function: str, *args: bytes) -> bytes:
        if (function, args) not in asked:
            asked.add((function, args))
            raise LedgerUnavailable("away")
        asked.discard((function, args))
        return evaluate(ledger, function, *args)

    monkeypatch.setattr(MemoryLedger, "evaluate", away_at_first)


def test_a_seller_comes_back_and_is_asked_while_the_ledger_comes_and_goes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a channel to take up, whose trades it looks for on the ledger."""

    async def play() -> None:
        seller = await rig.seller()
        data = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK).data
        buyer = rig.buyer()
        receipt = await buyer.buy(rig.order(data, deposit=DEPOSIT))
        await seller.stop()
        rig.kill_journals()
        come_and_go(monkeypatch)
        seller, buyer = await rig.seller(), rig.buyer()
        assert seller.open_channels == (receipt.channel,)
        assert (await buyer.offer(data, "127.0.0.1", rig.port)).price == PRICE
        await seller.stop()

    asyncio.run(asyncio.wait_for(play(), 60))


def test_closing_alone_while_the_ledger_comes_and_goes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question is first asked in vain: a channel that was never funded is given up all the same."""

    def cut_off(*_: object) -> None:
        raise Stop

    async def play() -> None:
        seller = await rig.seller()
        data = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK).data
        buyer = rig.buyer()
        with monkeypatch.context() as patch:
            patch.setattr("zoneshare.trade.escrow.Escrow.fund", cut_off)
            with pytest.raises(Stop):
                await buyer.buy(rig.order(data, deposit=DEPOSIT))
        channel = buyer.book.channels()[-1].terms.channel
        come_and_go(monkeypatch)
        with pytest.raises(NotFound, match="never funded"):
            await rig.clock.run(buyer.close_alone(channel))
        await seller.stop()

    asyncio.run(asyncio.wait_for(play(), 60))
    monkeypatch.undo()
    assert rig.money == (MONEY, MONEY)
    assert conserved(rig)
