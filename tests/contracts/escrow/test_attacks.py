"""What a dishonest party, or anybody else, tries on the escrow; every refusal leaves the ledger as it was."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.escrow_world import (
    BOND,
    CHALLENGE,
    DEPOSIT,
    NO_KEYS,
    PRICE,
    EscrowWorld,
    make_goods,
    terms_of,
    with_payment,
)
from tests.support.memory_proofs import prove
from tests.support.memory_stub import MVCC, VALID
from tests.support.memory_world import CLIENT, HOUR, MARGIN, balance, prove_inbound, prove_outbound, refused
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadAmount,
    BadProof,
    BadSignature,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    NotNewer,
    RuleBroken,
    TooEarly,
    TooLate,
    WrongPhase,
)
from zoneshare_protocols.sharing.channel import final_state, initial_state, next_state
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.records import Evidence, Payment, Phase, SignedState


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


# Old states, and states that were never agreed


def test_an_old_state_is_answered_by_the_newest(e: EscrowWorld) -> None:
    goods = e.commit()
    e.close(e.signed(1, 1, 0))
    e.begin()
    e.b.submit(CLIENT, "escrow:challenge", e.signed(5, 5, 3), goods.evidence(3, 4))
    assert e.channel().phase is Phase.CLOSING
    refused(e.b, NotNewer, CLIENT, "escrow:challenge", e.signed(2, 2, 2), NO_KEYS)
    e.begin()
    assert e.settle().paid == 5 * PRICE + BOND


def test_an_answer_in_the_last_moment_gets_a_window_of_its_own(e: EscrowWorld) -> None:
    e.commit()
    e.close(e.signed(1, 1, 0))
    e.begin()
    e.turn_to(e.now + CHALLENGE + MARGIN)
    e.b.submit(CLIENT, "escrow:challenge", e.signed(3, 3, 3), NO_KEYS)
    e.begin()
    refused(e.b, TooEarly, CLIENT, "escrow:settle", e.id)
    e.turn_to(e.now + CHALLENGE + MARGIN - 1)
    refused(e.b, TooEarly, CLIENT, "escrow:settle", e.id)
    e.turn_to(e.now + 1)
    assert e.settle().paid == 3 * PRICE + BOND


def test_a_lower_or_equal_version_never_wins(e: EscrowWorld) -> None:
    e.commit()
    e.close(e.signed(3, 3, 2))
    for phase in (Phase.CLOSING, Phase.CHALLENGE):
        assert e.channel().phase is phase
        for signed in (e.signed(0), e.signed(2, 2, 2), e.signed(3, 3, 2), e.signed(3, 3, 3)):
            refused(e.b, NotNewer, CLIENT, "escrow:challenge", signed, NO_KEYS)
        if phase is Phase.CLOSING:
            e.begin()


def test_a_state_alone_before_its_lock(e: EscrowWorld) -> None:
    e.commit()
    signed = e.signed(4, 4, 4)
    e.turn_to(signed.state.lock - 1)
    refused(e.b, TooEarly, CLIENT, "escrow:close", signed, NO_KEYS)
    e.turn_to(signed.state.lock)
    e.b.submit(CLIENT, "escrow:close", signed, NO_KEYS)


@pytest.mark.parametrize("lock", [0, 1, 2**62])
def test_a_lock_that_is_not_its_versions(e: EscrowWorld, lock: int) -> None:
    e.commit()
    risen = e.both(replace(e.state(4, 4, 4), lock=lock))
    refused(e.b, RuleBroken, CLIENT, "escrow:close", risen, NO_KEYS)
    e.close(e.signed(1, 1, 1))
    refused(e.b, RuleBroken, CLIENT, "escrow:challenge", risen, NO_KEYS)


def test_a_version_beyond_the_locks(e: EscrowWorld) -> None:
    e.commit()
    state = replace(e.state(1, 1, 1), version=2**62, lock=0)
    refused(e.b, LimitExceeded, CLIENT, "escrow:close", e.both(state), NO_KEYS)


def test_a_state_of_another_channel(e: EscrowWorld) -> None:
    e.commit()
    twin = EscrowWorld(e.world, {"nonce": b"\x03" * 16}).fund()
    foreign = twin.signed(9, 5, 5)
    forged = replace(foreign, state=replace(foreign.state, channel=e.id))
    e.turn_to(foreign.state.lock)
    refused(e.b, BadSignature, CLIENT, "escrow:close", forged, NO_KEYS)
    refused(e.b, NotFound, CLIENT, "escrow:close", replace(foreign, state=replace(foreign.state, channel="x")), NO_KEYS)
    e.close(e.signed(1, 1, 1))
    refused(e.b, BadSignature, CLIENT, "escrow:challenge", forged, NO_KEYS)


def test_one_signature_is_not_two(e: EscrowWorld) -> None:
    e.commit()
    both = e.signed(4, 4, 4)
    e.turn_to(both.state.lock)
    for signed in (
        replace(both, payee_signature=None),
        replace(both, payer_signature=None),
        replace(both, payee_signature=both.payer_signature),
        replace(both, payer_signature=bytes(64)),
    ):
        refused(e.b, BadSignature, CLIENT, "escrow:close", signed, NO_KEYS)
    final = e.final(5, 4, 4)
    for signed in (replace(final, payee_signature=None), replace(final, payer_signature=both.payer_signature)):
        refused(e.b, BadSignature, CLIENT, "escrow:settle_final", signed)
    e.close(both)
    refused(e.b, BadSignature, CLIENT, "escrow:challenge", replace(e.signed(5, 5, 5), payee_signature=None), NO_KEYS)


def test_a_final_state_is_only_for_settle_final_and_the_others_never(e: EscrowWorld) -> None:
    e.commit()
    refused(e.b, RuleBroken, CLIENT, "escrow:close", e.final(5, 4, 4), NO_KEYS)
    refused(e.b, RuleBroken, CLIENT, "escrow:settle_final", e.signed(4, 4, 4))
    with_lock = e.both(replace(final_state(e.state(4, 4, 4), Payment(0, e.goods.trade, PRICE, 4, 4)), lock=5))
    refused(e.b, RuleBroken, CLIENT, "escrow:settle_final", with_lock)
    e.close(e.signed(1, 1, 1))
    refused(e.b, RuleBroken, CLIENT, "escrow:challenge", e.final(5, 4, 4), NO_KEYS)
    e.b.submit(CLIENT, "escrow:challenge", e.signed(5, 5, 5), NO_KEYS)
    refused(e.b, NotNewer, CLIENT, "escrow:settle_final", e.final(5, 4, 4))
    e.b.submit(CLIENT, "escrow:settle_final", e.final(6, 5, 5))


def test_an_application_nobody_knows_and_bytes_that_are_no_state(e: EscrowWorld) -> None:
    e.turn_to(e.terms.refund_from)
    refused(e.b, NotFound, CLIENT, "escrow:close", e.both(replace(e.state(1, 1), app="chess")), NO_KEYS)
    refused(e.b, Malformed, CLIENT, "escrow:close", e.both(replace(e.state(1, 1), app_state=b"?")), NO_KEYS)
    refused(e.b, Malformed, CLIENT, "escrow:close", b"?", NO_KEYS)


# Endorsed now, ordered later


def test_a_close_held_back_has_not_used_its_window_up(e: EscrowWorld) -> None:
    goods = e.commit()
    e.turn_to(e.state(1, 1).lock)
    held = e.b.endorse(CLIENT, "escrow:close", e.signed(1, 1, 0), NO_KEYS)
    refused(e.b, WrongPhase, CLIENT, "escrow:begin_challenge", e.id)
    e.turn_to(e.now + 3 * HOUR)
    assert e.b.commit(held) == VALID
    refused(e.b, WrongPhase, CLIENT, "escrow:settle", e.id)
    e.begin()
    refused(e.b, TooEarly, CLIENT, "escrow:settle", e.id)
    e.b.submit(CLIENT, "escrow:challenge", e.signed(2, 2, 0), goods.evidence(0, 1))
    e.begin()
    assert e.settle().paid == 2 * PRICE + BOND


def test_a_window_begun_in_secret_is_void_once_the_close_was_answered(e: EscrowWorld) -> None:
    e.commit()
    e.close(e.signed(1, 1, 1))
    held = e.b.endorse(CLIENT, "escrow:begin_challenge", e.id)
    e.turn_to(e.now + CHALLENGE)
    e.b.submit(CLIENT, "escrow:challenge", e.signed(3, 3, 3), NO_KEYS)
    assert e.b.commit(held) == MVCC


def test_a_settlement_held_back_loses_to_a_challenge(e: EscrowWorld) -> None:
    e.commit()
    e.close(e.signed(1, 1, 1))
    e.begin()
    e.turn_to(e.now + CHALLENGE + MARGIN)
    held = e.b.endorse(CLIENT, "escrow:settle", e.id)
    e.b.submit(CLIENT, "escrow:challenge", e.signed(3, 3, 3), NO_KEYS)
    assert e.b.commit(held) == MVCC
    e.begin()
    assert e.settle().paid == 3 * PRICE + BOND


def test_a_commit_held_back_over_the_close_takes_no_bond(e: EscrowWorld) -> None:
    held = e.b.endorse(e.ben, "escrow:commit", e.goods.commitment)
    e.close(e.signed(0))
    assert e.b.commit(held) == MVCC
    assert balance(e.b, e.ben) == 500


def test_settling_twice(e: EscrowWorld) -> None:
    e.commit()
    final = e.final(6, 5, 5)
    twice = [e.b.endorse(CLIENT, "escrow:settle_final", final) for _ in range(2)]
    assert [e.b.commit(each) for each in twice] == [VALID, MVCC]
    refused(e.b, WrongPhase, CLIENT, "escrow:settle_final", final)
    assert balance(e.b, e.ben) == 500 + 5 * PRICE


# Keys as evidence


def test_the_same_version_with_all_keys_wins_once(e: EscrowWorld) -> None:
    goods = e.commit()
    e.close(e.signed(4, 4, 1))
    e.begin()
    refused(e.b, NotNewer, CLIENT, "escrow:challenge", e.signed(4, 4, 1), NO_KEYS)
    refused(e.b, NotNewer, CLIENT, "escrow:challenge", e.signed(4, 4, 1), goods.evidence(1, 2))
    e.b.submit(CLIENT, "escrow:challenge", e.signed(4, 4, 1), goods.evidence(1, 2, 3))
    assert e.channel().phase is Phase.CLOSING
    refused(e.b, NotNewer, CLIENT, "escrow:challenge", e.signed(4, 4, 1), goods.evidence(1, 2, 3))
    e.begin()
    assert e.settle().paid == 4 * PRICE + BOND


def test_a_key_shown_once_counts_beside_a_newer_state_too(e: EscrowWorld) -> None:
    goods = e.commit()
    e.close(e.signed(4, 4, 1), goods.evidence(1, 2, 3))
    e.b.submit(CLIENT, "escrow:challenge", e.signed(5, 5, 2), NO_KEYS)
    e.begin()
    assert e.settle().paid == 4 * PRICE + BOND


def test_a_key_of_an_older_trade_does_not_count_for_the_next(e: EscrowWorld) -> None:
    first = e.commit()
    old = e.signed(3, 3, 2)
    e.commit(make_goods(e.terms, e.anna, name="next"))
    e.close(old, first.evidence(2))
    e.b.submit(CLIENT, "escrow:challenge", e.signed(5, 1, 0, earned=3 * PRICE), NO_KEYS)
    e.begin()
    assert e.settle().paid == 3 * PRICE + 2 * BOND


@pytest.mark.parametrize("indexes", [(0,), (2,), (1, 3), (2, 1), (1, 1), (1, 2, 3, 4), (4,)])
def test_keys_out_of_the_run_that_is_owed(e: EscrowWorld, indexes: tuple[int, ...]) -> None:
    goods = e.commit()
    signed = e.signed(4, 4, 1)
    e.turn_to(signed.state.lock)
    refused(e.b, LimitExceeded, CLIENT, "escrow:close", signed, goods.evidence(*indexes))


def test_keys_over_the_window_are_not_even_read(e: EscrowWorld) -> None:
    goods = e.commit(make_goods(e.terms, e.anna, chunks=66, price=1))
    signed = e.signed(65, 65, 0)
    e.turn_to(signed.state.lock)
    refused(e.b, Malformed, CLIENT, "escrow:close", signed, goods.evidence(*range(65)))
    e.b.submit(CLIENT, "escrow:close", signed, goods.evidence(*range(64)))


def test_a_key_for_the_wrong_leaf_trade_or_tree(e: EscrowWorld) -> None:
    goods = e.commit()
    other = make_goods(e.terms, e.anna, name="other")
    signed = e.signed(4, 4, 1)
    e.turn_to(signed.state.lock)
    lying = replace(goods.leaves[1], key_hash=other.leaves[1].key_hash)
    for revealed in (
        goods.reveal(1, key=goods.keys[2]),
        goods.reveal(1, path=()),
        goods.reveal(1, path=goods.reveal(2).path),
        other.reveal(1),
        goods.reveal(1, leaf=lying, key=other.keys[1]),
    ):
        refused(e.b, BadProof, CLIENT, "escrow:close", signed, Evidence((revealed,)))


def test_keys_for_a_trade_never_committed_to(e: EscrowWorld) -> None:
    signed = e.signed(2, 2, 1)
    e.turn_to(signed.state.lock)
    refused(e.b, BadProof, CLIENT, "escrow:close", signed, e.goods.evidence(1))
    refund = e.signed(0)
    e.turn_to(refund.state.lock)
    refused(e.b, BadProof, CLIENT, "escrow:close", refund, e.goods.evidence(0))
    e.close(signed)
    e.begin()
    assert e.settle().paid == PRICE


def test_a_state_of_a_trade_of_another_channel_earns_no_keys(e: EscrowWorld) -> None:
    twin = EscrowWorld(e.world, {"nonce": b"\x04" * 16}).fund()
    theirs = twin.commit()
    payment = Payment(0, theirs.trade, PRICE, 2, 0)
    signed = e.both(next_state(e.terms, e.id, 2, payment))
    e.turn_to(signed.state.lock)
    refused(e.b, BadProof, CLIENT, "escrow:close", signed, theirs.evidence(0, 1))


def test_shown_keys_open_nothing_for_who_lacks_the_secret(e: EscrowWorld) -> None:
    goods = e.commit()
    e.close(e.signed(2, 2, 1), goods.evidence(1))
    stored = b"".join(e.b.snapshot().values())
    assert goods.keys[1] in stored
    assert goods.secret.secret not in stored
    assert goods.secret.salt not in stored
    assert decode(type(goods.commitment), e.b.evaluate(CLIENT, "escrow:trade", e.id, goods.trade)) == goods.commitment
