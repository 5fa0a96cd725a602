"""Keys shown as evidence that are not owed, not those committed to, or come twice: a refusal leaves the ledger as it
was."""

import pytest
from msgspec.structs import replace

from tests.support.escrow_world import (
    BOND,
    NO_KEYS,
    PRICE,
    EscrowWorld,
    make_goods,
)
from tests.support.memory_world import CLIENT, refused
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import (
    BadProof,
    LimitExceeded,
    Malformed,
    NotNewer,
)
from zoneshare_protocols.sharing.channel import next_state
from zoneshare_protocols.sharing.records import Evidence, Payment, Phase


@pytest.fixture
def e() -> EscrowWorld:
    return EscrowWorld().fund()


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


def test_the_end_is_drawn_out_at_most_twice_for_every_newer_state_and_once_by_the_keys(e: EscrowWorld) -> None:
    """Who holds w newer states than the one posted gets 2 w + 1 more windows out of them, and no more."""
    goods = e.commit()
    shown = {2: (1,), 3: (1, 2), 4: (1, 2, 3)}
    e.close(e.signed(2, 2, 1))
    answers = 0
    for version, keys in shown.items():
        for evidence in (NO_KEYS, goods.evidence(*keys)):
            if version == 2 and evidence is NO_KEYS:
                continue
            e.begin()
            e.b.submit(CLIENT, "escrow:challenge", e.signed(version, version, 1), evidence)
            assert e.channel().phase is Phase.CLOSING, "its own window is to come"
            answers += 1
    assert answers == 2 * 2 + 1
    e.begin()
    for version, keys in shown.items():
        for evidence in (NO_KEYS, goods.evidence(*keys)):
            refused(e.b, NotNewer, CLIENT, "escrow:challenge", e.signed(version, version, 1), evidence)
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
