import hashlib
from collections.abc import Sequence
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.errors import BadProof, LimitExceeded, Malformed, NotFound, WrongPhase
from zoneshare_protocols.seal.hashchain import (
    ChainMeta,
    Claim,
    check_commit,
    check_payword,
    claimed,
    due,
    keccak256,
    make_chain,
    meta,
)
from zoneshare_protocols.seal.records import Award
from zoneshare_protocols.seal.tasks import SoldTask, TaskState

AUCTION, SEED = b"a" * 32, b"s" * 32
PRICES = [30, 0, 70, 5]
CHAIN = make_chain(AUCTION, 7, SEED, PRICES)
META = meta(7, CHAIN)
RELEASED, FAILED, OPEN, PROVED = TaskState.RELEASED, TaskState.FAILED, TaskState.OPEN, TaskState.PROVED


def test_the_hash_is_keccak_and_not_sha3() -> None:
    assert keccak256().hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"a", b"bc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    assert keccak256(b"abc") != hashlib.sha3_256(b"abc").digest()


def test_every_payword_folds_back_to_the_root_by_the_formula() -> None:
    assert ChainMeta(7, 4, CHAIN[0]) == META
    head = AUCTION + (7).to_bytes(8, "big")
    assert CHAIN[4] == keccak256(b"zoneshare/seal-payseed/1", head, SEED)
    for k, price in enumerate(PRICES):
        again = keccak256(b"zoneshare/seal-payword/1", head, CHAIN[k + 1], price.to_bytes(8, "big"))
        assert again == CHAIN[k]
    for index, payword in enumerate(CHAIN):
        check_payword(META, AUCTION, PRICES, index, payword)


def test_a_payword_is_worth_nothing_elsewhere() -> None:
    cases = [
        (META, AUCTION, PRICES, 3, CHAIN[2]),
        (META, AUCTION, PRICES, 1, CHAIN[2]),
        (META, b"b" * 32, PRICES, 2, CHAIN[2]),
        (ChainMeta(8, 4, CHAIN[0]), AUCTION, PRICES, 2, CHAIN[2]),
        (META, AUCTION, [31, 0, 70, 5], 2, CHAIN[2]),
        (META, AUCTION, [0, 30, 70, 5], 2, CHAIN[2]),
        (META, AUCTION, PRICES, 2, bytes(32)),
    ]
    for chain, auction, prices, index, payword in cases:
        with pytest.raises(BadProof):
            check_payword(chain, auction, prices, index, payword)
    with pytest.raises(NotFound):
        check_payword(META, AUCTION, PRICES, 5, CHAIN[4])
    with pytest.raises(NotFound):
        check_payword(META, AUCTION, PRICES, -1, CHAIN[4])
    with pytest.raises(Malformed, match="another length"):
        check_payword(META, AUCTION, PRICES[:3], 2, CHAIN[2])


def test_chains_of_the_wrong_kind_are_refused() -> None:
    for seed, prices in ((b"short", PRICES), (SEED, [-1]), (SEED, [2**63])):
        with pytest.raises(Malformed):
            make_chain(AUCTION, 1, seed, prices)
    with pytest.raises(Malformed):
        make_chain(b"short", 1, SEED, PRICES)
    with pytest.raises(LimitExceeded):
        make_chain(AUCTION, 1, SEED, [])
    check_commit([META], {7: 4})
    for chains, tasks in (([META], {7: 3}), ([META], {8: 4}), ([META], {7: 4, 8: 1}), ([META, META], {7: 4})):
        with pytest.raises(Malformed):
            check_commit(chains, tasks)


def test_two_winners_with_one_seed_have_no_payword_in_common() -> None:
    assert not set(CHAIN) & set(make_chain(AUCTION, 8, SEED, PRICES))


def sold(*states: TaskState, prices: Sequence[int] = PRICES, published: bool = False) -> list[SoldTask]:
    awards = [Award(number, 7, price, 1000) for number, price in enumerate(prices)]
    return [
        SoldTask(award, 1000, state, True, None, published and state is RELEASED)
        for award, state in zip(awards, states, strict=True)
    ]


def test_a_claim_pays_what_was_released_in_time_and_nothing_by_implication() -> None:
    assert due(sold(*[RELEASED] * 4), 4) == 105
    assert due(sold(FAILED, RELEASED, RELEASED, FAILED), 4) == 70
    assert due(sold(*[FAILED] * 4), 4) == 0
    assert due(sold(*[RELEASED] * 4, published=True), 0) == 105, "a result on the ledger needs no payword"
    assert due(sold(*[RELEASED] * 4), 0) == 0, "a key alone may be of a result that the drone never got"
    for undecided in (OPEN, PROVED):
        with pytest.raises(WrongPhase) as refusal:
            due(sold(RELEASED, undecided, FAILED, FAILED), 1)
        assert refusal.value.values["task"] == 2


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans()), min_size=1, max_size=20), st.data())
def test_no_payword_changes_what_is_due_for_published_results(
    tasks: list[tuple[int, bool]], data: st.DataObject
) -> None:
    prices = [price for price, _ in tasks]
    states = [RELEASED if done else FAILED for _, done in tasks]
    chain = make_chain(AUCTION, 7, SEED, prices)
    index = data.draw(st.integers(0, len(prices)))
    claim = Claim(AUCTION, 7, index, chain[index])
    worth = claimed(meta(7, chain), claim, AUCTION, sold(*states, prices=prices, published=True))
    assert worth == sum(price for price, done in tasks if done)
    plain = claimed(meta(7, chain), claim, AUCTION, sold(*states, prices=prices))
    assert plain == sum(price for price, done in tasks[:index] if done)


def test_claims_of_others_are_refused() -> None:
    for claim in (Claim(AUCTION, 8, 4, CHAIN[4]), Claim(b"b" * 32, 7, 4, CHAIN[4])):
        with pytest.raises(BadProof, match="another"):
            claimed(META, claim, AUCTION, sold(*[RELEASED] * 4))


def test_a_claim_of_a_thousand_paywords_is_one_quick_call() -> None:
    prices = [index % 97 for index in range(1000)]
    chain = make_chain(AUCTION, 7, SEED, prices)
    claim = Claim(AUCTION, 7, 1000, chain[1000])
    tasks = sold(*[RELEASED] * 1000, prices=prices)
    began = perf_counter()
    assert claimed(meta(7, chain), claim, AUCTION, tasks) == sum(prices)
    assert perf_counter() - began < 0.5, "8 ms by itself"
