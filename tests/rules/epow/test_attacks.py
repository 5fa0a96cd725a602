"""Attacks on the proof of work, each by its name, at the level of the rules."""

from random import Random

import numpy as np
import pytest
from msgspec.structs import replace

from tests.rules.epow.test_products import total as total_of
from tests.rules.epow.twin import twin
from tests.rules.epow.zone import EASY, HARD, RULES, SEED, Loop, loop, random_int8
from zoneshare_benchmarks import epow_sim as sim
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.assignment import pick_miner
from zoneshare_protocols.epow.blocks import check_commitment, check_free, check_involved, check_reveal, check_sum
from zoneshare_protocols.epow.claims import close_claim, count_verified, mark_fake, open_claim
from zoneshare_protocols.epow.difficulty import SCALE_ONE, scale_factor
from zoneshare_protocols.epow.draw import (
    draw,
    fixed_nonce,
    free_header,
    free_left,
    free_right,
    involved_header,
    lsp_field,
)
from zoneshare_protocols.epow.exact import multiply
from zoneshare_protocols.epow.hashing import matrix_hash, product_hash
from zoneshare_protocols.epow.merge import Merger
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.records import BlockHeader, Claim, FreeLoop, LspField, MiningRules, Mode, RunResult, Tip
from zoneshare_protocols.epow.rewards import PPM, draw_value, fee_floor, share
from zoneshare_protocols.epow.verify import Freivalds, freivalds
from zoneshare_protocols.errors import AlreadyExists, FakeResult, LimitExceeded, Malformed, NotAllowed, NotWon, StaleTip

RNG = np.random.default_rng(3)
TASK = SubTask(random_int8(RNG, 20, 20), random_int8(RNG, 20, 20), 8, SEED)


def count(done: Loop, tip: Tip = EASY, verified: bytes | None = b"") -> None:
    """Whether it counts; ``verified`` empty stands for what the loop itself shows."""
    shown = done.verified if verified == b"" else verified
    check_involved(done.header, tip, RULES, claim=done.claim, assignment=done.assignment, verified=shown)


def test_an_honest_loop_counts_and_only_when_it_wins_and_is_verified_whole() -> None:
    count(loop(TASK, EASY))
    with pytest.raises(NotWon):
        count(loop(TASK, HARD), HARD)
    with pytest.raises(FakeResult):
        count(loop(TASK, EASY), verified=None)
    with pytest.raises(FakeResult):
        count(loop(TASK, EASY), verified=loop(TASK, EASY, nsub=1).verified)


def test_grinding_a_loop_has_one_draw() -> None:
    """Whatever can be varied in a header without a new product is refused or draws the same."""
    done = loop(TASK, EASY)
    lsp = done.header.work
    assert isinstance(lsp, LspField)
    for nonce in (0, 1, done.header.nonce + 1):
        with pytest.raises(NotAllowed, match="fixed"):
            count(Loop(replace(done.header, nonce=nonce), done.claim, done.assignment, done.result))
    for other in (replace(lsp, task=b"x" * 32), replace(lsp, sub_task=9), replace(lsp, nsub_task=4)):
        header = involved_header(8, EASY.hash, "ann", other)
        assert draw(header) == draw(done.header)
    for other in (replace(lsp, result_hash=b"x" * 32), replace(lsp, nsub_hash=b"x" * 32)):
        forged = Loop(involved_header(8, EASY.hash, "ann", other), done.claim, done.assignment, done.result)
        assert draw(forged.header) != draw(done.header)
        with pytest.raises(FakeResult):
            count(forged, verified=done.verified)


def test_stored_results_give_no_draws_at_a_later_tip() -> None:
    done = loop(TASK, EASY)
    later = replace(EASY, height=8, hash=b"q" * 32)
    with pytest.raises(StaleTip) as stale:
        count(done, later)
    assert stale.value.values == {"height": 8, "tip_height": 8}
    lsp = done.header.work
    assert isinstance(lsp, LspField)
    again = involved_header(9, later.hash, "ann", lsp)
    assert draw(again) != draw(done.header)
    with pytest.raises(NotAllowed, match="only at the tip"):
        count(Loop(again, replace(done.claim, height=8), done.assignment, done.result), later)
    with pytest.raises(NotAllowed, match="only at the tip"):
        count(Loop(again, done.claim, replace(done.assignment, tip=later.hash), done.result), later)


def test_left_overs_come_back_as_new_draws() -> None:
    first, later = loop(TASK, EASY), loop(TASK, replace(EASY, height=8, hash=b"q" * 32))
    count(later, replace(EASY, height=8, hash=b"q" * 32))
    assert product_hash(first.result) == product_hash(later.result)
    assert draw(first.header) != draw(later.header)


def test_results_copied_from_others_count_for_nobody_else() -> None:
    done = loop(TASK, EASY, "ann")
    lsp = done.header.work
    assert isinstance(lsp, LspField)
    stolen = involved_header(8, EASY.hash, "bob", lsp)
    assert draw(stolen) != draw(done.header)
    with pytest.raises(NotAllowed, match="another miner"):
        count(Loop(stolen, replace(done.claim, miner="bob"), done.assignment, done.result))
    with pytest.raises(NotAllowed, match="fixed"):
        count(Loop(replace(done.header, miner="bob"), done.claim, done.assignment, done.result))


@pytest.mark.parametrize("change", [{"task": b"x" * 32}, {"sub_task": 1}, {"first": 1}, {"count": 1, "first": 5}])
def test_an_nsub_task_outside_the_assignment_does_not_count(change: dict[str, object]) -> None:
    done = loop(TASK, EASY)
    with pytest.raises(NotAllowed, match="not in the assignment"):
        count(Loop(done.header, done.claim, replace(done.assignment, **change), done.result))


def test_results_sent_twice_are_merged_and_counted_once() -> None:
    merger, claim = Merger(TASK.layout), Claim("ann", 7, 600, 3)
    merger.add(0)
    with pytest.raises(AlreadyExists):
        merger.add(0)
    claim = count_verified(claim, 3)
    with pytest.raises(LimitExceeded):
        count_verified(claim, 1)


def test_same_matrices_under_new_ids_draw_the_same() -> None:
    one, two = loop(TASK, EASY, task_id=b"1" * 32), loop(TASK, EASY, task_id=b"2" * 32)
    assert one.verified != two.verified
    assert draw(one.header) == draw(two.header)
    left = random_int8(RNG, 8, 8)
    same = SubTask(np.vstack([left, left]), left, 8, SEED)
    assert draw(loop(same, EASY, nsub=0).header) == draw(loop(same, EASY, nsub=1).header)


def test_self_made_tasks_gain_nothing_at_the_fee_floor_even_with_all_assignments() -> None:
    """Zeros, permuted or known products: draws for a hash. The levy on them costs at least what they draw."""
    rules = MiningRules(1, block_reward=30_000, levy=50_000)
    difficulty = 3_125 << 16
    floor = fee_floor(rules, difficulty)
    assert draw_value(rules, difficulty) == pytest.approx(9.6)
    assert floor == 192
    for assigned in (0.05, 0.5, 1.0):
        kept = (PPM - rules.levy) / PPM * floor
        gain = assigned * (draw_value(rules, difficulty) + kept) - floor
        assert gain <= 1e-9
    below = floor // 2
    assert draw_value(rules, difficulty) + 0.95 * below - below > 0


def test_levies_of_the_expected_draws_pay_the_block_reward() -> None:
    rules = MiningRules(1, block_reward=30_000, levy=50_000)
    difficulty = 3_125 << 16
    levies = share(fee_floor(rules, difficulty), 3_125, rules).treasury
    assert levies >= rules.block_reward


def test_self_made_tasks_without_a_floor_win_more_than_their_share() -> None:
    """What the floor is for: known products make a loop, and so a draw, a hundred times cheaper."""
    cheat = sim.Miner(600, task_seconds=0.005)
    won = sim.share_of_first([cheat, sim.Miner(600), sim.Miner(600)], sim.FAIR, 600, Random(1))
    assert won > 0.45
    assert sim.share_of_first([sim.Miner(600)] * 3, sim.FAIR, 600, Random(1)) == pytest.approx(1 / 3, abs=0.07)


def test_source_cannot_choose_its_miner() -> None:
    claims = [Claim("ann", 7, 600, 100), Claim("bob", 7, 600, 300), Claim("cid", 7, 600, 50, fake=True)]
    picked = [pick_miner(claims, EASY.hash, b"t" * 32, 0, run) for run in range(2000)]
    assert picked == [pick_miner(claims[::-1], EASY.hash, b"t" * 32, 0, run) for run in range(2000)]
    assert picked.count("bob") / 2000 == pytest.approx(0.75, abs=0.04)
    assert "cid" not in picked
    other = [pick_miner(claims, b"q" * 32, b"t" * 32, 0, run) for run in range(2000)]
    assert other != picked


def test_task_free_loop_is_a_product_that_others_repeat() -> None:
    header = free_header(8, EASY.hash, "ann", 5, 8)
    check_free(header, EASY, RULES)
    left, right = free_left(EASY.hash, "ann", 5, 8), free_right(EASY.hash, "ann", 8)
    assert header.work == FreeLoop(product_hash(multiply(left, right)))
    for forged in (replace(header, nonce=6), replace(header, miner="bob"), replace(header, work=FreeLoop(bytes(32)))):
        with pytest.raises(FakeResult):
            check_free(forged, EASY, RULES)
    with pytest.raises(NotWon):
        check_free(free_header(8, HARD.hash, "ann", 5, 8), HARD, RULES)
    with pytest.raises(Malformed):
        check_free(loop(TASK, EASY).header, EASY, RULES)
    done = loop(TASK, EASY)
    with pytest.raises(Malformed):
        count(Loop(header, done.claim, done.assignment, done.result))
    assert draw(free_header(8, EASY.hash, "ann", 6, 8)) != draw(header)


def test_easy_target_is_for_loops_that_carry_work_only() -> None:
    """Paper mode: a 600-claimer's factor never reaches its task-free loops, and comes from the record."""
    rules = MiningRules(1, basic=8, mode=Mode.PAPER)
    tip = replace(EASY, difficulty=600 << 16)
    eased = lost = 0
    for nonce in range(300):
        header = free_header(8, tip.hash, "ann", nonce, 8)
        try:
            check_free(header, tip, rules)
            eased += 1
        except NotWon:
            lost += 1
    assert lost > 290
    done = loop(TASK, tip)
    claimed = replace(done.claim, claimed=600)
    check_involved(
        done.header, tip, rules, claim=claimed, assignment=done.assignment, verified=done.verified
    )  # 600 draws at 1/600: certain
    assert eased + lost == 300


def test_claiming_without_working_wins_no_more_than_its_share_and_shrinks_the_claim() -> None:
    idle = sim.Miner(600, works=False)
    won = sim.share_of_first([idle, sim.Miner(600), sim.Miner(600)], sim.FAIR, 1500, Random(2))
    assert won == pytest.approx(1 / 3, abs=0.05)
    claim = open_claim(None, "ann", 0, 600, MiningRules(1))
    closed = close_claim(claim, MiningRules(1), 300_000)
    assert closed.limit == 1
    assert close_claim(claim, MiningRules(1, least_claim=262), 300_000).limit == 262


def test_paper_factor_is_unfair_and_the_default_is_not() -> None:
    paper = sim.Reading("paper", MiningRules(1, mode=Mode.PAPER, claim_unit=200), sim.LOOP_SECONDS)
    pair = [sim.Miner(600), sim.Miner(200)]
    assert sim.share_of_first(pair, paper, 1500, Random(3)) > 0.6
    assert sim.share_of_first(pair, sim.FAIR, 1500, Random(3)) == pytest.approx(0.5, abs=0.05)
    of_600, of_200 = (scale_factor(paper.rules, claim) for claim in (600, 200))
    assert of_200 == pytest.approx(3 * of_600, rel=1e-6)
    assert scale_factor(sim.FAIR.rules, 600) == scale_factor(sim.FAIR.rules, 200) == SCALE_ONE


def test_cheap_loops_beside_dear_ones_have_the_same_chance_per_second() -> None:
    """A task-involved loop that costs twice a task-free one has half the difficulty."""
    rules = MiningRules(1, free_cost=100, task_cost=200)
    assert scale_factor(rules, 1) == SCALE_ONE // 2
    reading = sim.Reading("dear", rules, sim.LOOP_SECONDS / 2)
    network = [sim.Miner(600), sim.Miner(0), sim.Miner(0)]
    assert sim.share_of_first(network, reading, 1500, Random(4)) == pytest.approx(1 / 3, abs=0.05)
    hashing = sim.Reading("hash", MiningRules(1), sim.HASH_SECONDS)
    assert sim.share_of_first(network, hashing, 500, Random(4)) < 0.25


@pytest.mark.parametrize("identities", [2, 10])
def test_many_identities_win_no_more_than_their_power(identities: int) -> None:
    network = [*sim.split(sim.Miner(600), identities), sim.Miner(600), sim.Miner(600)]
    won = sim.share_of_first(network, sim.FAIR, 1200, Random(5), last=identities)
    assert won == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize("seed", range(12))
def test_no_random_strategy_wins_more_than_its_power(seed: int) -> None:
    """A search: power, claims, names, idling and the others' claims at random; the win rate stays at the power."""
    rng = Random(seed)
    identities, power = rng.randint(1, 6), rng.uniform(0.3, 3)
    one = sim.Miner(rng.choice([0, 1, 50, 200, 600]), speed=power, works=rng.random() < 0.7)
    rest = [sim.Miner(rng.randint(0, 600), speed=rng.uniform(0.5, 2)) for _ in range(rng.randint(1, 4))]
    won = sim.share_of_first([*sim.split(one, identities), *rest], sim.FAIR, 800, rng, last=identities)
    fair = power / (power + sum(miner.speed for miner in rest))
    assert won == pytest.approx(fair, abs=4 * (fair * (1 - fair) / 800) ** 0.5)


@pytest.mark.parametrize("power", [0.1, 0.3, 0.45, 0.6])
def test_withholding_blocks_never_pays_on_a_ledger_that_does_not_reorganise(power: float) -> None:
    assert sim.withholding(power, 40_000, Random(6)) < power


def test_withheld_results_shrink_the_claim_and_go_to_others() -> None:
    rules = MiningRules(1)
    claim = count_verified(open_claim(None, "ann", 0, 600, rules), 30)
    closed = close_claim(claim, rules, 300_000)
    assert closed.limit == 37
    assert open_claim(closed, "ann", 1, 600, rules).claimed == 570
    assert open_claim(closed, "ann", 2, 600, rules).claimed == 37


def test_a_claim_of_a_billion_is_refused_and_wins_nothing() -> None:
    for mode in Mode:
        rules = MiningRules(1, mode=mode)
        with pytest.raises(LimitExceeded):
            open_claim(None, "ann", 0, 10**9, rules)
        with pytest.raises(LimitExceeded):
            scale_factor(rules, 10**9)


def test_liar_loses_draws_and_nsub_tasks_of_this_block_time_and_the_next() -> None:
    rules = MiningRules(1)
    claim, others = mark_fake(count_verified(open_claim(None, "ann", 7, 600, rules), 100))
    assert others == 500
    done = loop(TASK, EASY)
    with pytest.raises(NotAllowed, match="fake"):
        count(Loop(done.header, claim, done.assignment, done.result))
    with pytest.raises(NotAllowed):
        count_verified(claim, 1)
    with pytest.raises(NotAllowed):
        open_claim(claim, "ann", 8, 1, rules)
    assert open_claim(claim, "ann", 9, 600, rules).claimed == 600


def test_committed_hashes_bind_what_is_revealed() -> None:
    """One changed cell: the sum check catches it, and so does the reveal of the nsub-result that won."""
    done = loop(TASK, EASY)
    run = TASK.layout.run(0)
    products = [multiply(a, b) for a, b in TASK.run_blocks(run)]
    total = total_of(products)
    result = RunResult(digest(done.assignment), tuple(product_hash(p) for p in products), matrix_hash(total))
    check_commitment(result, done.assignment)
    check_sum(result, total)
    check_reveal(result, done.assignment, 1, products[1])
    wrong = products[1].copy()
    wrong[2, 2] += 1
    with pytest.raises(FakeResult):
        check_reveal(result, done.assignment, 1, wrong)
    with pytest.raises(FakeResult):
        check_sum(result, total + 1)
    with pytest.raises(NotAllowed):
        check_reveal(result, done.assignment, run.count, wrong)
    with pytest.raises(Malformed):
        check_commitment(replace(result, hashes=result.hashes[1:]), done.assignment)
    with pytest.raises(Malformed):
        check_commitment(result, replace(done.assignment, miner="bob"))
    lying = replace(result, hashes=(product_hash(wrong), *result.hashes[1:]))
    check_reveal(lying, done.assignment, 0, wrong)
    assert not Freivalds(TASK, SEED).check_nsub(0, wrong)


@pytest.mark.parametrize("basic", [16, 64, 500])
def test_another_matrix_of_a_products_hash_is_refused_all_the_same(basic: int) -> None:
    rng = np.random.default_rng(basic)
    left, right = (random_int8(rng, basic, basic) for _ in range(2))
    right_one = multiply(left, right)
    wrong = twin(right_one)
    assert (wrong != right_one).sum() == 8
    assert product_hash(wrong) == product_hash(right_one)
    assert freivalds(left, right, right_one, SEED)
    assert not freivalds(left, right, wrong, SEED)


def test_cells_changed_so_that_the_sum_stays_right_are_caught_when_revealed() -> None:
    run = TASK.layout.run(0)
    products = [multiply(a, b) for a, b in TASK.run_blocks(run)]
    products[0][1, 1] += 5
    products[1][1, 1] -= 5
    check = Freivalds(TASK, SEED)
    assert check.check_run(run, total_of(products))
    assert not check.check_nsub(0, products[0])


def test_header_of_another_miner_has_another_nonce() -> None:
    lsp = lsp_field(b"t" * 32, 0, 0, left=b"a" * 32, right=b"b" * 32, result=np.ones((8, 8), np.int32))
    assert fixed_nonce(b"p" * 32, "ann", lsp) != fixed_nonce(b"p" * 32, "bob", lsp)
    assert isinstance(involved_header(1, b"p" * 32, "ann", lsp), BlockHeader)


@pytest.mark.parametrize(("power", "draws"), [(0.2, 0.3), (0.33, 0.6), (0.45, 0.98)])
def test_own_runs_held_back_bring_less_than_a_draw_for_a_levy_below_45_percent(power: float, draws: float) -> None:
    """With a patience of a fifth of a block time, as the defaults have it."""
    assert sim.held_back(power, 0.2, 40_000, Random(7)) == pytest.approx(draws, rel=0.05)
