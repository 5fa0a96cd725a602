"""Difficulty, claims, rewards, tasks of several matrices."""

from random import Random
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.rules.epow.test_products import SEED, mine
from zoneshare_benchmarks import epow_sim as sim
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.epow import plan
from zoneshare_protocols.epow.assignment import pick_miner
from zoneshare_protocols.epow.claims import close_claim, count_verified, left_over, open_claim
from zoneshare_protocols.epow.difficulty import (
    DIFFICULTY_ONE,
    SCALE_ONE,
    extend,
    final,
    retarget,
    scale_factor,
    target,
)
from zoneshare_protocols.epow.exact import as_integers
from zoneshare_protocols.epow.records import BlockHeader, Claim, FreeLoop, MatrixInfo, MiningRules, Mode, Task, Tip
from zoneshare_protocols.epow.rewards import adjust_fee, block_reward, fee_floor, penalty_floor, share
from zoneshare_protocols.errors import BadAmount, DataCorrupt, LimitExceeded, Malformed, Misuse, NotAllowed

RULES = MiningRules(1)


def a_task(*matrices: np.ndarray, basic: int = 4, fee: int = 3) -> Task:
    return Task("src", tuple(plan.describe(m) for m in matrices), basic, fee, bytes(16))


@given(st.integers(DIFFICULTY_ONE, 2**63 - 1))
def test_target_is_the_inverse_of_difficulty(difficulty: int) -> None:
    chance = target(difficulty) / 2**256
    assert chance == pytest.approx(DIFFICULTY_ONE / difficulty)
    assert target(difficulty) <= 2**256


@given(st.sampled_from(Mode), st.integers(0, 600), st.integers(1, 10**6), st.integers(1, 10**6))
def test_scale_factor_is_in_0_1_and_1_without_a_claim(mode: Mode, claim: int, free: int, task: int) -> None:
    rules = MiningRules(1, mode=mode, free_cost=free, task_cost=task)
    assert 1 <= scale_factor(rules, claim) <= SCALE_ONE
    assert scale_factor(rules, 0) == SCALE_ONE
    assert DIFFICULTY_ONE <= final(400 << 16, scale_factor(rules, claim)) <= 400 << 16
    if mode is Mode.COST and claim:
        assert scale_factor(rules, claim) == scale_factor(rules, 1)


def test_retarget_follows_the_rate_within_its_step() -> None:
    old = 1000 << 16
    assert retarget(old, RULES, 9 * 300_000) == old
    assert retarget(old, RULES, 9 * 150_000) == 2 * old
    assert retarget(old, RULES, 9 * 600_000) == old // 2
    assert retarget(old, RULES, 0) == 4 * old
    assert retarget(old, RULES, 10**12) == old // 4
    assert retarget(DIFFICULTY_ONE, RULES, 10**12) == DIFFICULTY_ONE


def test_retarget_is_unbiased() -> None:
    """A window's block times are exponential: the mean of the next window's expected time is the target."""
    rng = Random(7)
    following = []
    for _ in range(20_000):
        elapsed = sum(rng.expovariate(1 / 300_000) for _ in range(10))
        following.append(retarget(1 << 32, RULES, int(elapsed)) / 2**32)
    assert fmean(following) == pytest.approx(1, abs=0.01)


def test_difficulty_changes_at_the_end_of_a_window_only() -> None:
    tip = Tip(0, bytes(32), 1000 << 16, 0)
    for height in range(1, 10):
        tip = extend(tip, RULES, bytes([height]) * 32, height * 100_000)
        assert (tip.height, tip.difficulty, tip.window_began) == (height, 1000 << 16, 0)
    tip = extend(tip, RULES, bytes(32), 1_350_000)
    assert (tip.difficulty, tip.window_began) == (2000 << 16, 1_350_000)


@pytest.mark.parametrize("kind", list(sim.CLAIMS))
def test_block_time_is_the_target_for_every_type(kind: str) -> None:
    """A smaller run of what ``python -m zoneshare_benchmarks.epow_sim 1000`` does."""
    got = sim.average(kind, 4, sim.FAIR, 150, Random(8))
    assert got["block_time"] == pytest.approx(300, rel=0.05)


def test_paper_reading_steadies_block_times_with_more_tasks() -> None:
    """Fig. 4: less fluctuation from type I to IV; Fig. 6: more useful work, whatever the network's size."""
    got = [sim.average(kind, 4, sim.PAPER, 20, Random(9)) for kind in ("I", "II", "III", "IV")]
    deviations = [one["deviation"] for one in got]
    assert deviations == sorted(deviations, reverse=True)
    assert got[0]["useful"] == 0
    assert got[1]["useful"] < got[2]["useful"] < got[3]["useful"]
    assert sim.average("IV", 2, sim.PAPER, 20, Random(9))["useful"] == pytest.approx(got[3]["useful"], abs=0.02)


def test_paper_initial_difficulty_is_corrected_within_two_windows() -> None:
    outcome = [sim.run(sim.paper_network("II", 5), RULES, 70, Random(seed)) for seed in range(60)]
    assert fmean(fmean(o.times[:10]) for o in outcome) < 60
    assert fmean(fmean(o.times[20:]) for o in outcome) == pytest.approx(300, rel=0.05)


@given(st.integers(0, 600), st.integers(0, 600), st.integers(0, 600), st.integers(0, 10**7))
def test_left_overs_are_part_of_the_next_claim(wanted: int, done: int, then: int, elapsed: int) -> None:
    first = count_verified(open_claim(None, "ann", 3, wanted, RULES), min(wanted, done))
    closed = close_claim(first, RULES, elapsed)
    following = open_claim(closed, "ann", 4, then, RULES)
    assert left_over(first) <= following.claimed <= max(left_over(first), min(then, closed.limit))
    assert 1 <= closed.limit <= RULES.max_claim
    assert open_claim(closed, "ann", 9, then, RULES).claimed == min(then, closed.limit)


def test_limits_fall_with_what_was_not_done_and_grow_back() -> None:
    claim = count_verified(open_claim(None, "ann", 0, 600, RULES), 100)
    assert close_claim(claim, RULES, 37_499).limit == 600
    assert close_claim(claim, RULES, 50_000).limit == 600
    shrunk = close_claim(claim, RULES, 300_000)
    assert shrunk.limit == 125
    all_done = replace(shrunk, height=1, claimed=125, done=125)
    assert close_claim(all_done, RULES, 300_000).limit == 250


def test_claims_out_of_order_or_range_are_refused() -> None:
    claim = open_claim(None, "ann", 3, 10, RULES)
    for previous, miner, height in ((claim, "bob", 4), (claim, "ann", 3)):
        with pytest.raises(Malformed):
            open_claim(previous, miner, height, 1, RULES)
    with pytest.raises(Malformed):
        open_claim(None, "ann", 3, -1, RULES)
    with pytest.raises(LimitExceeded):
        open_claim(None, "ann", 3, 601, RULES)
    with pytest.raises(LimitExceeded):
        count_verified(claim, 11)
    with pytest.raises(Malformed):
        scale_factor(RULES, -1)
    with pytest.raises(Misuse):
        pick_miner([Claim("ann", 1, 5, 5, 5)], bytes(32), bytes(32), 0, 0)


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 500_000), st.integers(0, 500_000))
def test_shares_add_up(fee: int, nsubs: int, levy: int, margin: int) -> None:
    parts = share(fee, nsubs, MiningRules(1, levy=levy, margin=margin))
    assert sum(parts) == fee * nsubs
    assert min(parts) >= 0


def test_amounts_out_of_range_are_refused() -> None:
    for fee, nsubs in ((-1, 1), (1, -1), (2**62, 2)):
        with pytest.raises(BadAmount):
            share(fee, nsubs, RULES)
    with pytest.raises(BadAmount):
        share(1, 1, MiningRules(1, levy=600_000, margin=600_000))
    with pytest.raises(BadAmount):
        fee_floor(MiningRules(1, block_reward=1, levy=0), DIFFICULTY_ONE)
    with pytest.raises(BadAmount):
        penalty_floor(1, 0)
    with pytest.raises(BadAmount):
        adjust_fee(1, 1, 1, 2, 1)
    assert fee_floor(RULES, DIFFICULTY_ONE) == 0


@given(st.integers(1, 10**9), st.integers(DIFFICULTY_ONE, 2**40), st.integers(1, 1_000_000))
def test_levy_at_the_fee_floor_is_never_below_a_draws_value(reward: int, difficulty: int, levy: int) -> None:
    rules = MiningRules(1, block_reward=reward, levy=levy)
    floor = fee_floor(rules, difficulty)
    assert floor * levy * difficulty >= reward * DIFFICULTY_ONE * 1_000_000
    assert (floor - 1) * levy * difficulty < reward * DIFFICULTY_ONE * 1_000_000


def test_an_eased_target_needs_a_higher_fee_and_rewards_end_with_the_treasury() -> None:
    rules = MiningRules(1, mode=Mode.PAPER, block_reward=1000, levy=100_000)
    basic = 1000 << 16
    assert fee_floor(rules, basic) == 10
    assert fee_floor(rules, final(basic, scale_factor(rules, 600))) == pytest.approx(6000, rel=1e-3)
    assert (block_reward(rules, 5000), block_reward(rules, 7)) == (1000, 7)


@pytest.mark.parametrize("sampled", [10_000, 500_000, 1_000_000])
def test_penalty_floor_makes_faking_lose(sampled: int) -> None:
    fee, chance = 100, sampled / 1_000_000
    assert (1 - chance) * fee - chance * penalty_floor(fee, sampled) < 0


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6))
def test_fee_moves_towards_the_gap_by_an_eighth_at_most(fee: int, offered: int, claimed: int) -> None:
    after = adjust_fee(fee, offered, claimed, 0, 10**10)
    assert abs(after - fee) <= max(1, fee // 8)
    assert (after - fee) * (offered - claimed) >= 0


def test_fees_settle_where_claims_meet_the_offered_work() -> None:
    """200 miners of different cost; the offered work doubles half way."""
    rng = Random(10)
    costs = [rng.lognormvariate(10, 0.7) for _ in range(200)]
    offers = [40_000] * 80 + [80_000] * 40
    history = sim.settle(costs, offers, 1000, 600)
    for begin, end, offered in ((50, 80, 40_000), (105, 120, 80_000)):
        claims = [claimed for _, claimed in history[begin:end]]
        assert fmean(claims) == pytest.approx(offered, rel=0.01)
        assert max(abs(claimed - offered) for claimed in claims) < 0.05 * offered
    assert history[79][0] < history[-1][0]


@pytest.mark.parametrize("shapes", [((3, 5), (5, 2)), ((7, 3), (3, 9), (9, 4)), ((1, 6), (6, 1), (1, 5), (5, 2))])
def test_a_task_of_any_number_of_matrices(shapes: tuple[tuple[int, int], ...]) -> None:
    rng = np.random.default_rng(11)
    matrices = [rng.integers(-128, 128, shape) for shape in shapes]
    task = a_task(*matrices)
    result, exact = matrices[0], matrices[0].astype(object)
    for index, (right, worst) in enumerate(zip(matrices[1:], plan.worst_case(task), strict=True)):
        part = plan.sub_task(task, index, result, right, SEED)
        assert part.layout.nsubs <= worst.nsubs
        result, exact = mine(part), exact @ right.astype(object)
        assert (result.astype(object) == exact).all()
    assert plan.escrow(task) == 3 * sum(layout.nsubs for layout in plan.worst_case(task))
    assert decode(Task, encode(task)) == task
    assert len(task.id) == 32


def test_a_chain_that_outgrows_64_bits_ends_at_the_sub_task_where_it_does() -> None:
    big = np.full((2, 2), 2**20)
    task = a_task(big, big, big, big)
    assert plan.worst_case(task)[-1].left_limbs == 9
    result = big
    for index in range(2):
        result = mine(plan.sub_task(task, index, result, big, SEED))
    with pytest.raises(LimitExceeded) as refused:
        plan.sub_task(task, 2, result, big, SEED)
    assert refused.value.values["sub_task"] == 2


def test_bad_tasks_are_refused() -> None:
    with pytest.raises(Malformed, match="conform"):
        plan.escrow(a_task(np.ones((2, 3)), np.ones((2, 3))))
    with pytest.raises(Malformed, match="at least two"):
        plan.check_chain([plan.describe(np.ones((2, 3)))])
    for shapes in (((2**14, 2), (2, 2**14 + 1)), ((2**14, 2), (2, 2), (2, 2**14 + 1)), ((2**5, 2**26), (2**26, 2))):
        with pytest.raises(LimitExceeded, match="too many cells"):
            plan.check_chain([MatrixInfo(*shape, 1, bytes(32)) for shape in shapes])
    for limbs, side in ((1, 2**4), (2, 2**2)):
        plan.check_chain([MatrixInfo(side, 2**26, limbs, bytes(32)), MatrixInfo(2**26, side, limbs, bytes(32))])
    wide = [MatrixInfo(2**14, 2**14, 2, bytes(32))] * 3
    plan.check_chain(wide[:2])
    with pytest.raises(LimitExceeded, match="too large"):
        plan.check_chain(wide)
    named = plan.describe(np.ones((2, 3)))
    plan.check_named(np.ones((2, 3), np.int8), named)
    for other in (np.zeros((2, 3)), np.ones((3, 2))):
        with pytest.raises(DataCorrupt):
            plan.check_named(other, named)
    with pytest.raises(LimitExceeded):
        plan.escrow(a_task(np.ones((2, 3)), np.ones((3, 2)), fee=2**63 - 1, basic=2))
    with pytest.raises(Malformed):
        decode(Task, encode(a_task(np.ones((2, 3)), np.ones((3, 2))))[:-1])
    assert as_integers(np.ones((1, 1), np.float32)).dtype == np.int8


def test_headers_round_trip_and_hash_by_content() -> None:
    header = BlockHeader(1, bytes(32), "ann", 0, FreeLoop(b"r" * 32))
    assert decode(BlockHeader, encode(header)) == header
    assert header.hash != replace(header, nonce=1).hash
    with pytest.raises(NotAllowed):
        open_claim(Claim("ann", 1, 5, 5, fake=True), "ann", 2, 1, RULES)
