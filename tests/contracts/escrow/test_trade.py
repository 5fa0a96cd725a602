"""Good endings, and what each writes: the channel's one key, the trade's own, balances, money between zones."""

from typing import Any

import pytest

from tests.support.escrow_world import BOND, CHALLENGE, DEPOSIT, NO_KEYS, PRICE, EscrowWorld, make_goods
from tests.support.memory_stub import MVCC, VALID
from tests.support.memory_world import CLIENT, MARGIN, balance, pages, prove_inbound, prove_outbound, refused
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import (
    AlreadyExists,
    InsufficientFunds,
    NotFound,
    TooEarly,
    WrongPhase,
)
from zoneshare_protocols.sharing.records import Channel, ChannelEvent, Commitment, Inbound, Phase


@pytest.fixture
def e() -> EscrowWorld:
    return EscrowWorld().fund()


def test_a_trade_settled_by_both_and_the_rest_home(e: EscrowWorld) -> None:
    e.commit()
    e.b.submit(CLIENT, "escrow:settle_final", e.final(6, 5, 5))
    channel = e.channel()
    assert (channel.phase, channel.paid, channel.returned) == (Phase.SETTLED, 5 * PRICE + BOND, DEPOSIT - 5 * PRICE)
    assert balance(e.b, e.ben) == 500 + 5 * PRICE
    home = prove_outbound(e.b, f"rest.{e.id}")
    e.world.a.submit(CLIENT, "ledger:receive", "zone-b", home)
    assert balance(e.world.a, e.anna) == 5_000 - 5 * PRICE
    e.b.submit(CLIENT, "ledger:acknowledge", f"rest.{e.id}", prove_inbound(e.world.a, "zone-b", f"rest.{e.id}"))


def test_funding_is_acknowledged_at_home(e: EscrowWorld) -> None:
    id = f"channel.{e.id}"
    assert decode(Inbound, e.b.evaluate(CLIENT, "ledger:inbound", "zone-a", id)).amount == DEPOSIT
    e.world.a.submit(CLIENT, "ledger:acknowledge", id, prove_inbound(e.b, "zone-a", id))
    assert e.world.outbound(e.world.a, id).status == "received"


def test_a_unilateral_close_pays_for_acknowledged_and_shown_keys(e: EscrowWorld) -> None:
    goods = e.commit()
    e.close(e.signed(4, count=4, acked=1), goods.evidence(1, 2))
    e.begin()
    channel = e.settle()
    assert (channel.paid, channel.returned) == (3 * PRICE + BOND, DEPOSIT - 3 * PRICE)
    assert (balance(e.b, e.ben), e.rest()) == (500 + 3 * PRICE, DEPOSIT - 3 * PRICE)


def test_the_refund_gives_everything_back(e: EscrowWorld) -> None:
    refused(e.b, TooEarly, CLIENT, "escrow:close", e.signed(0), NO_KEYS)
    e.close(e.signed(0))
    e.begin()
    assert e.settle().returned == DEPOSIT
    assert balance(e.b, e.ben) == 500


def test_a_channel_spent_to_the_last_unit_sends_nothing_home(e: EscrowWorld) -> None:
    goods = e.commit(make_goods(e.terms, e.anna, chunks=2, price=DEPOSIT // 2))
    e.b.submit(CLIENT, "escrow:settle_final", e.final(3, 2, 2))
    assert e.channel().returned == 0
    refused(e.b, NotFound, CLIENT, "ledger:outbound", f"rest.{e.id}")
    assert goods.commitment.bond == BOND
    assert balance(e.b, e.ben) == 500 + DEPOSIT


def test_two_trades_in_one_channel(e: EscrowWorld) -> None:
    e.commit()
    second = e.commit(make_goods(e.terms, e.anna, chunks=3, price=7, name="second", bond=20))
    assert e.channel().bond == BOND + 20
    e.close(e.signed(8, count=2, acked=1, earned=5 * PRICE), second.evidence(1))
    e.begin()
    assert e.settle().paid == 5 * PRICE + 2 * 7 + BOND + 20


def test_payments_are_capped_at_the_deposit(e: EscrowWorld) -> None:
    goods = e.commit()
    e.close(e.signed(3, count=3, acked=2, earned=DEPOSIT), goods.evidence(2))
    e.begin()
    channel = e.settle()
    assert (channel.paid, channel.returned) == (DEPOSIT + BOND, 0)


def test_queries_and_events(e: EscrowWorld) -> None:
    goods = e.commit()
    assert decode(Commitment, e.b.evaluate(CLIENT, "escrow:trade", e.id, goods.trade)) == goods.commitment
    assert pages(e.b, "escrow:channels", Channel) == [e.channel()]
    refused(e.b, NotFound, CLIENT, "escrow:channel", "0" * 64)
    refused(e.b, NotFound, CLIENT, "escrow:trade", e.id, bytes(32))
    e.close(e.signed(2, 2, 1))
    e.begin()
    e.settle()
    told = [(event.name, decode(ChannelEvent, event.payload)) for event in e.b.events[-5:]]
    assert told == [
        ("fund", ChannelEvent(e.id, Phase.OPEN, 0, b"")),
        ("commit", ChannelEvent(e.id, Phase.OPEN, 0, goods.trade)),
        ("close", ChannelEvent(e.id, Phase.CLOSING, 2, b"")),
        ("begin_challenge", ChannelEvent(e.id, Phase.CHALLENGE, 2, b"")),
        ("settle", ChannelEvent(e.id, Phase.SETTLED, 2, b"")),
    ]


def test_nothing_moves_out_of_its_phase(e: EscrowWorld) -> None:
    goods = e.commit()
    posted, final = e.signed(2, 2, 2), e.final(3, 2, 2)
    calls: dict[str, tuple[Any, ...]] = {
        "escrow:commit": (e.ben, make_goods(e.terms, e.anna, name="x").commitment),
        "escrow:close": (CLIENT, posted, NO_KEYS),
        "escrow:begin_challenge": (CLIENT, e.id),
        "escrow:challenge": (CLIENT, e.signed(3, 3, 2), NO_KEYS),
        "escrow:complain": (CLIENT, goods.complaint(0)),
        "escrow:settle": (CLIENT, e.id),
        "escrow:settle_final": (CLIENT, final),
    }

    def all_refused(*names: str) -> None:
        for name in names:
            refused(e.b, WrongPhase, calls[f"escrow:{name}"][0], f"escrow:{name}", *calls[f"escrow:{name}"][1:])

    all_refused("begin_challenge", "challenge", "settle")
    e.close(posted)
    all_refused("commit", "close", "settle")
    e.begin()
    all_refused("commit", "close", "begin_challenge")
    e.settle()
    all_refused(*(name.removeprefix("escrow:") for name in calls))


def test_a_trade_is_committed_once_and_its_bond_must_be_there(e: EscrowWorld) -> None:
    goods = e.commit()
    refused(e.b, AlreadyExists, e.ben, "escrow:commit", goods.commitment)
    rich = make_goods(e.terms, e.anna, bond=10_000, name="rich")
    refused(e.b, InsufficientFunds, e.ben, "escrow:commit", rich.commitment)
    free = make_goods(e.terms, e.anna, bond=0, name="free")
    e.commit(free)
    assert e.channel().bond == BOND


def test_of_two_that_race_for_a_channel_one_commits(e: EscrowWorld) -> None:
    e.commit()
    e.close(e.signed(2, 2, 2))
    e.begin()
    e.turn_to(e.now + CHALLENGE + MARGIN)
    settle = e.b.endorse(CLIENT, "escrow:settle", e.id)
    answer = e.b.endorse(CLIENT, "escrow:challenge", e.signed(3, 3, 3), NO_KEYS)
    final = e.b.endorse(CLIENT, "escrow:settle_final", e.final(4, 3, 3))
    assert [e.b.commit(each) for each in (answer, settle, final)] == [VALID, MVCC, MVCC]
    assert e.channel().phase is Phase.CLOSING
