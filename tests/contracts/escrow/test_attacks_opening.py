"""What a dishonest party, or anybody else, tries while a channel is opened and a trade committed to; a refusal leaves
the ledger as it was."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.escrow_world import (
    DEPOSIT,
    PRICE,
    EscrowWorld,
    make_goods,
    terms_of,
    with_payment,
)
from tests.support.memory_proofs import prove
from tests.support.memory_stub import MVCC
from tests.support.memory_world import CLIENT, MARGIN, balance, prove_inbound, prove_outbound, refused
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadAmount,
    BadProof,
    BadSignature,
    NotAllowed,
    NotFound,
    RuleBroken,
    TooEarly,
    TooLate,
)
from zoneshare_protocols.sharing.channel import initial_state
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.records import Payment, SignedState


@pytest.fixture
def e() -> EscrowWorld:
    return EscrowWorld().fund()


@pytest.fixture
def unfunded() -> EscrowWorld:
    world = EscrowWorld()
    world.world.a.submit(world.anna, "ledger:lock_outbound", world.terms)
    return world


# Opening


def test_a_funding_that_was_endorsed_and_never_ordered_proves_nothing() -> None:
    e = EscrowWorld()
    proof = prove(e.world.a, e.anna, "ledger:lock_outbound", e.terms)
    refused(e.b, BadProof, CLIENT, "escrow:fund", e.terms, e.refund(), proof)


def test_a_funding_proof_is_used_once(unfunded: EscrowWorld) -> None:
    e = unfunded
    proof = prove_outbound(e.world.a, f"channel.{e.id}")
    held = e.b.endorse(CLIENT, "escrow:fund", e.terms, e.refund(), proof)
    e.b.submit(CLIENT, "escrow:fund", e.terms, e.refund(), proof)
    assert e.b.commit(held) == MVCC
    refused(e.b, AlreadyExists, CLIENT, "escrow:fund", e.terms, e.refund(), proof)
    refused(e.b, BadProof, CLIENT, "ledger:receive", "zone-a", proof)


def test_a_funding_held_back_and_its_tombstone_exclude_each_other(unfunded: EscrowWorld) -> None:
    e = unfunded
    proof = prove_outbound(e.world.a, f"channel.{e.id}")
    held = e.b.endorse(CLIENT, "escrow:fund", e.terms, e.refund(), proof)
    refused(e.b, TooEarly, CLIENT, "ledger:tombstone", "zone-a", proof)
    e.turn_to(e.terms.fund_before)
    refused(e.b, TooLate, CLIENT, "escrow:fund", e.terms, e.refund(), proof)
    e.turn_to(e.terms.fund_before + MARGIN)
    e.b.submit(CLIENT, "ledger:tombstone", "zone-a", proof)
    assert e.b.commit(held) == MVCC
    home = prove_inbound(e.b, "zone-a", f"channel.{e.id}")
    e.world.a.submit(CLIENT, "ledger:reclaim", f"channel.{e.id}", home)
    assert balance(e.world.a, e.anna) == 5_000
    refused(e.b, NotFound, CLIENT, "escrow:channel", e.id)


def test_a_funding_too_late(unfunded: EscrowWorld) -> None:
    e = unfunded
    proof = prove_outbound(e.world.a, f"channel.{e.id}")
    e.turn_to(e.terms.fund_before)
    refused(e.b, TooLate, CLIENT, "escrow:fund", e.terms, e.refund(), proof)


def test_no_channel_without_the_payees_half_of_the_refund(unfunded: EscrowWorld) -> None:
    e = unfunded
    proof = prove_outbound(e.world.a, f"channel.{e.id}")
    state = initial_state(e.terms)
    one = with_payment(state, Payment(1, b"", 0, 0, 0))
    for refund, error in [
        (SignedState(state, sign(e.anna.signing, state), None), BadSignature),
        (SignedState(state, None, sign(e.anna.signing, state)), BadSignature),
        (SignedState(one, None, sign(e.ben.signing, one)), RuleBroken),
        (SignedState(e.state(1, 1), None, sign(e.ben.signing, e.state(1, 1))), RuleBroken),
    ]:
        refused(e.b, error, CLIENT, "escrow:fund", e.terms, refund, proof)


@pytest.mark.parametrize(
    "changes",
    [{"deposit": DEPOSIT + 1}, {"payee": "0" * 40}, {"nonce": b"\x01" * 16}, {"challenge": 1}, {"tick": 2}],
)
def test_other_terms_than_those_the_money_was_locked_for(unfunded: EscrowWorld, changes: dict[str, Any]) -> None:
    e = unfunded
    proof = prove_outbound(e.world.a, f"channel.{e.id}")
    e.terms = terms_of(e.anna, e.ben, e.now, **changes)
    error = NotFound if "payee" in changes else BadProof
    refused(e.b, error, CLIENT, "escrow:fund", e.terms, e.refund(), proof)


def test_money_for_an_account_opens_no_channel() -> None:
    e = EscrowWorld()
    args = ("zone-b", e.ben.account, DEPOSIT, e.terms.fund_before)
    e.world.a.submit(e.anna, "ledger:send", *args)
    id = next(key for key in e.world.a.snapshot() if "transfer." in key).split("\x00")[2]
    refused(e.b, BadProof, CLIENT, "escrow:fund", e.terms, e.refund(), prove_outbound(e.world.a, id))


def test_a_payee_whose_account_has_other_keys_or_zone(unfunded: EscrowWorld) -> None:
    e = unfunded
    proof = prove_outbound(e.world.a, f"channel.{e.id}")
    e.terms = terms_of(e.anna, e.ben, e.now, payee_key=e.world.person("eve", e.b).signing_key)
    refused(e.b, NotAllowed, CLIENT, "escrow:fund", e.terms, e.refund(), proof)
    e.terms = terms_of(e.anna, e.ben, e.now, payee_zone="zone-c")
    refused(e.b, RuleBroken, CLIENT, "escrow:fund", e.terms, e.refund(), proof)


# Committing


def test_a_commitment_nobody_asked_for(e: EscrowWorld) -> None:
    good = e.goods.commitment
    request = replace(good.request, price=PRICE + 1)
    foreign = make_goods(terms_of(e.anna, e.ben, e.now, nonce=b"\x02" * 16), e.anna).commitment
    for commitment, error in [
        (replace(good, request=request), BadSignature),
        (replace(good, request_signature=sign(e.ben.signing, good.request)), BadSignature),
        (foreign, NotFound),
        (make_goods(e.terms, e.anna, price=DEPOSIT + 1).commitment, BadAmount),
    ]:
        refused(e.b, error, e.ben, "escrow:commit", commitment)
    refused(e.b, NotAllowed, CLIENT, "escrow:commit", good)
    refused(e.b, BadAmount, e.ben, "escrow:commit", replace(good, bond=2**63 - DEPOSIT))
