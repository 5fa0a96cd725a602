"""Old states, states that were never agreed, and transactions endorsed now and ordered later: a refusal leaves the
ledger as it was."""

import pytest
from msgspec.structs import replace

from tests.support.escrow_world import (
    BOND,
    CHALLENGE,
    NO_KEYS,
    PRICE,
    EscrowWorld,
)
from tests.support.memory_stub import MVCC, VALID
from tests.support.memory_world import CLIENT, HOUR, MARGIN, balance, refused
from zoneshare_protocols.errors import (
    BadSignature,
    LimitExceeded,
    Malformed,
    NotFound,
    NotNewer,
    RuleBroken,
    TooEarly,
    WrongPhase,
)
from zoneshare_protocols.sharing.channel import final_state
from zoneshare_protocols.sharing.records import Payment, Phase


@pytest.fixture
def e() -> EscrowWorld:
    return EscrowWorld().fund()


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
