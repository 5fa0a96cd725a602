"""Large trades on the ledger: inside a zone and across, with every ending; money is held, then somebody's."""

import pytest

from tests.support.memory_identity import Identity
from tests.support.memory_proofs import prove
from tests.support.memory_stub import MVCC, VALID, Zone
from tests.support.memory_world import (
    CLIENT,
    HOUR,
    ISSUER,
    MARGIN,
    World,
    balance,
    pages,
    prove_inbound,
    prove_outbound,
    refused,
)
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    InsufficientFunds,
    NotAllowed,
    NotFound,
    TooEarly,
    TooLate,
    WrongPhase,
)
from zoneshare_protocols.sharing.records import Macro, MacroStatus, MacroTerms, Outbound, OutboundStatus


class Deal:
    """A turbine for 500: the seller in zone B, the buyer (with 600) in zone A or B."""

    def __init__(self, across: bool) -> None:
        self.world = World()
        self.across = across
        self.home: Zone = self.world.a if across else self.world.b
        self.zone = self.world.b
        self.seller = self.world.person("seller", self.zone)
        self.buyer = self.world.person("buyer", self.home, 600)
        self.arbiter = self.world.person("arbiter", self.zone)
        start = self.world.net.now
        self.terms = MacroTerms(
            seller_zone=self.zone.name,
            seller=self.seller.account,
            buyer_zone=self.home.name,
            buyer=self.buyer.account,
            arbiter=self.arbiter.account,
            goods="a turbine",
            goods_hash=bytes(32),
            amount=500,
            pay_before=start + HOUR,
            deliver_before=start + 2 * HOUR,
            dispute_before=start + 3 * HOUR,
            decide_before=start + 4 * HOUR,
            nonce=bytes(16),
        )
        self.id = self.terms.id

    def offer(self) -> None:
        assert self.zone.submit(self.seller, "macro:offer", self.terms).decode() == self.id

    def pay(self) -> None:
        if not self.across:
            self.zone.submit(self.buyer, "macro:pay", self.id)
            return
        self.home.submit(self.buyer, "macro:lock_payment", self.terms)
        self.zone.submit(CLIENT, "macro:receive_payment", self.id, prove_outbound(self.home, f"macro.{self.id}"))
        receipt = prove_inbound(self.zone, self.home.name, f"macro.{self.id}")
        self.home.submit(CLIENT, "ledger:acknowledge", f"macro.{self.id}", receipt)

    def step(self, who: Identity, function: str) -> None:
        self.zone.submit(who, f"macro:{function}", self.id)

    def refund_arrives(self) -> None:
        """The price is on its way home from another zone: see it through."""
        if self.across:
            self.home.submit(CLIENT, "ledger:receive", self.zone.name, prove_outbound(self.zone, f"macro.{self.id}"))
            receipt = prove_inbound(self.home, self.zone.name, f"macro.{self.id}")
            self.zone.submit(CLIENT, "ledger:acknowledge", f"macro.{self.id}", receipt)

    @property
    def status(self) -> MacroStatus:
        return decode(Macro, self.zone.evaluate(CLIENT, "macro:macro", self.id)).status

    @property
    def money(self) -> tuple[int, int]:
        """(buyer's, seller's)"""
        return balance(self.home, self.buyer), balance(self.zone, self.seller)


@pytest.fixture(params=[False, True], ids=["inside", "across"])
def deal(request: pytest.FixtureRequest) -> Deal:
    return Deal(request.param)


def test_a_good_trade_pays_the_seller_and_is_recorded_in_full(deal: Deal) -> None:
    deal.offer()
    deal.pay()
    assert deal.money == (100, 0)
    deal.step(deal.seller, "deliver")
    deal.step(deal.buyer, "complete")
    assert (deal.status, deal.money) == (MacroStatus.COMPLETED, (100, 500))
    answer = deal.zone.evaluate(CLIENT, "macro:history", deal.id)
    history = decode(tuple[tuple[str, int, MacroStatus], ...], answer)
    assert [status.value for _, _, status in history] == ["offered", "paid", "delivered", "completed"]
    assert len({tx_id for tx_id, _, _ in history}) == 4
    assert pages(deal.zone, "macro:macros", Macro) == [Macro(deal.terms, MacroStatus.COMPLETED)]
    assert {event.name for event in deal.zone.events} >= {"macro"}


def test_a_silent_buyer_cannot_keep_the_sellers_money(deal: Deal) -> None:
    deal.offer()
    deal.pay()
    deal.step(deal.seller, "deliver")
    deal.world.net.now = deal.terms.dispute_before + MARGIN - 1
    refused(deal.zone, TooEarly, deal.seller, "macro:complete", deal.id)
    refused(deal.zone, TooLate, deal.buyer, "macro:dispute", deal.id)
    deal.world.net.advance(1)
    deal.step(deal.seller, "complete")
    assert deal.money == (100, 500)


def test_a_silent_seller_cannot_keep_the_buyers_money(deal: Deal) -> None:
    deal.offer()
    deal.pay()
    refused(deal.zone, TooEarly, deal.buyer, "macro:refund", deal.id)
    deal.world.net.now = deal.terms.deliver_before + MARGIN
    refused(deal.zone, TooLate, deal.seller, "macro:deliver", deal.id)
    deal.step(deal.buyer, "refund")
    deal.refund_arrives()
    assert (deal.status, deal.money) == (MacroStatus.REFUNDED, (600, 0))


@pytest.mark.parametrize(
    ("who", "function", "money"),
    [
        ("arbiter", "complete", (100, 500)),
        ("arbiter", "refund", (600, 0)),
        ("buyer", "complete", (100, 500)),
        ("seller", "refund", (600, 0)),
        ("nobody", "refund", (600, 0)),
    ],
)
def test_a_dispute_is_decided(deal: Deal, who: str, function: str, money: tuple[int, int]) -> None:
    deal.offer()
    deal.pay()
    deal.step(deal.seller, "deliver")
    deal.step(deal.buyer, "dispute")
    refused(deal.zone, NotAllowed, deal.seller, "macro:complete", deal.id)
    refused(deal.zone, TooEarly, deal.buyer, "macro:refund", deal.id)
    if who == "nobody":
        deal.world.net.now = deal.terms.decide_before + MARGIN
        refused(deal.zone, TooLate, deal.arbiter, "macro:complete", deal.id)
        who = "buyer"
    deal.step(getattr(deal, who), function)
    if function == "refund":
        deal.refund_arrives()
    assert deal.money == money
    for again in ("complete", "refund", "dispute", "deliver", "cancel"):
        refused(deal.zone, WrongPhase, deal.seller, f"macro:{again}", deal.id)


def test_of_deliver_and_refund_endorsed_together_one_commits(deal: Deal) -> None:
    deal.offer()
    deal.pay()
    deliver = deal.zone.endorse(deal.seller, "macro:deliver", deal.id)
    refund = deal.zone.endorse(deal.seller, "macro:refund", deal.id)
    assert [deal.zone.commit(deliver), deal.zone.commit(refund)] == [VALID, MVCC]


@pytest.mark.parametrize("ordered_first", [False, True])
def test_a_delivery_held_back_past_its_deadline_can_still_be_answered(deal: Deal, ordered_first: bool) -> None:
    deal.offer()
    deal.pay()
    held = deal.zone.endorse(deal.seller, "macro:deliver", deal.id)
    deal.world.net.now = deal.terms.deliver_before + MARGIN
    if ordered_first:
        assert deal.zone.commit(held) == VALID
        refused(deal.zone, NotAllowed, deal.buyer, "macro:refund", deal.id)
        deal.step(deal.buyer, "dispute")
        deal.step(deal.arbiter, "refund")
    else:
        deal.step(deal.buyer, "refund")
        assert deal.zone.commit(held) == MVCC
    deal.refund_arrives()
    assert deal.money == (600, 0)


def test_an_offer_is_made_once_by_a_registered_seller(deal: Deal) -> None:
    refused(deal.zone, NotAllowed, deal.buyer, "macro:offer", deal.terms)
    deal.offer()
    refused(deal.zone, AlreadyExists, deal.seller, "macro:offer", deal.terms)
    refused(deal.zone, NotFound, deal.seller, "macro:deliver", "0" * 64)
    refused(deal.zone, NotFound, CLIENT, "macro:history", "0" * 64)
    for stranger in (CLIENT, deal.arbiter, deal.seller):
        refused(deal.zone, NotAllowed, stranger, "macro:pay", deal.id)


def test_a_cancelled_offer_takes_no_money() -> None:
    deal = Deal(across=False)
    deal.offer()
    refused(deal.zone, NotAllowed, deal.buyer, "macro:cancel", deal.id)
    held = deal.zone.endorse(deal.buyer, "macro:pay", deal.id)
    deal.step(deal.seller, "cancel")
    assert deal.zone.commit(held) == MVCC
    refused(deal.zone, WrongPhase, deal.buyer, "macro:pay", deal.id)
    assert deal.money == (600, 0)


def test_an_offer_is_paid_in_time_and_with_enough() -> None:
    deal = Deal(across=False)
    deal.offer()
    deal.zone.submit(deal.buyer, "ledger:transfer", deal.seller.account, 101)
    refused(deal.zone, InsufficientFunds, deal.buyer, "macro:pay", deal.id)
    deal.world.net.now = deal.terms.pay_before
    refused(deal.zone, TooLate, deal.buyer, "macro:pay", deal.id)


def test_a_payment_for_a_cancelled_offer_comes_back() -> None:
    deal = Deal(across=True)
    deal.offer()
    outbound = decode(Outbound, deal.home.submit(deal.buyer, "macro:lock_payment", deal.terms))
    deal.step(deal.seller, "cancel")
    proof = prove_outbound(deal.home, outbound.id)
    refused(deal.zone, WrongPhase, CLIENT, "macro:receive_payment", deal.id, proof)
    refused(deal.zone, TooEarly, CLIENT, "ledger:tombstone", deal.home.name, proof)
    deal.world.net.now = deal.terms.pay_before + MARGIN
    deal.zone.submit(CLIENT, "ledger:tombstone", deal.home.name, proof)
    stone = prove_inbound(deal.zone, deal.home.name, outbound.id)
    deal.home.submit(CLIENT, "ledger:reclaim", outbound.id, stone)
    assert deal.money == (600, 0)


def test_a_payment_across_is_taken_once_and_in_time() -> None:
    deal = Deal(across=True)
    deal.offer()
    refused(deal.zone, NotAllowed, deal.buyer, "macro:pay", deal.id)
    deal.home.submit(deal.buyer, "macro:lock_payment", deal.terms)
    deal.home.submit(ISSUER, "ledger:issue", deal.buyer.account, 500)
    refused(deal.home, AlreadyExists, deal.buyer, "macro:lock_payment", deal.terms)
    proof = prove_outbound(deal.home, f"macro.{deal.id}")
    refused(deal.zone, BadProof, CLIENT, "ledger:receive", deal.home.name, proof)
    deal.world.net.now = deal.terms.pay_before
    refused(deal.zone, TooLate, CLIENT, "macro:receive_payment", deal.id, proof)
    deal.world.net.advance(-1)
    deal.zone.submit(CLIENT, "macro:receive_payment", deal.id, proof)
    refused(deal.zone, WrongPhase, CLIENT, "macro:receive_payment", deal.id, proof)
    deal.world.net.advance(HOUR)
    refused(deal.zone, AlreadyExists, CLIENT, "ledger:tombstone", deal.home.name, proof)


def test_other_money_does_not_pay() -> None:
    deal = Deal(across=True)
    deal.offer()
    sent = decode(
        Outbound,
        deal.home.submit(deal.buyer, "ledger:send", "zone-b", deal.seller.account, 500, deal.terms.pay_before),
    )
    refused(deal.zone, BadProof, CLIENT, "macro:receive_payment", deal.id, prove_outbound(deal.home, sent.id))
    unordered = prove(deal.home, CLIENT, "ledger:balance", deal.buyer.account)
    refused(deal.zone, BadProof, CLIENT, "macro:receive_payment", deal.id, unordered)


def test_nobody_else_can_lock_a_trades_payment_first() -> None:
    deal = Deal(across=True)
    mallory = deal.world.person("mallory", deal.home, 600)
    refused(deal.home, NotAllowed, mallory, "macro:lock_payment", deal.terms)
    refused(deal.zone, NotAllowed, deal.seller, "macro:lock_payment", deal.terms)


def test_the_refund_goes_home_once() -> None:
    deal = Deal(across=True)
    deal.offer()
    deal.pay()
    deal.step(deal.seller, "refund")
    deal.refund_arrives()
    proof_again = deal.world.outbound(deal.zone, f"macro.{deal.id}")
    assert proof_again.status is OutboundStatus.RECEIVED
    proof = prove_outbound(deal.zone, f"macro.{deal.id}")
    refused(deal.home, BadProof, CLIENT, "ledger:receive", deal.zone.name, proof)
    assert deal.money == (600, 0)
