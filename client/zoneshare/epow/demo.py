"""Act three of the demo: miners train a perceptron on the digits, blocks appear, and one miner lies."""

import asyncio
import time

from zoneshare.cli.epow_roles import Rules, party, set_up
from zoneshare.demo.show import Show
from zoneshare.demo.stage import Actor, Program, Stage
from zoneshare.epow import training
from zoneshare.epow.source import Source
from zoneshare_protocols.epow.ledger import MinerRecord
from zoneshare_protocols.epow.records import LspField, Mode

STEPS = 16
"""By then 8 bits are half a point from float; the weights' bits are those of local training from the first step on."""
BASIC = 64
PLACE = (37_765_000, -122_430_000)
MONEY = 20_000_000
PENALTY = 5_000
RULES = Rules(
    BASIC, block_time=3, draws=100, max_claim=20_000, block_reward=2_000, levy=10, margin=5, penalty=PENALTY,
    mode=Mode.COST,
)  # fmt: skip
"""The training has some 2,000 nsub-tasks, so that its draws make a dozen blocks or two.

The miners make no task-free loops: the training is mostly waiting for the ledger, and a hundred times as many loops of
that kind would fit into the gaps and win all blocks.
"""
DISPUTE_S = 3_600


async def play(stage: Stage, show: Show) -> None:
    """Three miners, one of whom lies, a coordinator and a source, each a process; the source is this one."""
    show.act("Miners train a perceptron on handwritten digits; the zone's blocks are won by its matrix products")
    names = ("cora", "ann", "ben", "lars", "sue")
    cora, ann, ben, lars, sue = [await stage.device(name, *PLACE, MONEY) for name in names]
    await asyncio.to_thread(set_up, stage.network, cora.folder, cora.account, RULES, DISPUTE_S)
    serving = await stage.program(
        "cora", "coordinator", "serve", str(cora.folder), "--port", "0", "--deposit", str(PENALTY)
    )
    port = int((await serving.line(" coordinates on ")).split(" (")[0].rpartition(":")[2])
    show.say("cora coordinates; ann, ben and lars mine; every sum that lars sends has one wrong cell")
    miners = [
        await _miner(stage, who, port, "zoneshare.epow.liar" if who is lars else "zoneshare")
        for who in (lars, ann, ben)
    ]
    began = time.perf_counter()
    with party(sue.folder) as me:
        source = Source(me.mining, me.identity, me.peers, ("127.0.0.1", port))
        digits = training.load_digits()

        def shown(step: int, loss: float) -> None:
            if step in (1, STEPS // 2, STEPS):
                show.say(f"step {step:>3} of {STEPS}: loss {loss:.3f}, {len(source.tasks)} products by the miners")

        mined = await training.train(digits, training.mined(source), STEPS, shown)
        seconds = time.perf_counter() - began
        products = len(source.tasks)
        await source.accept()
        await source.close()
        for miner in miners:
            await miner.stop()
        local = await training.train(digits, training.local, STEPS)
        real = await training.train_float(digits, STEPS)
        same = "the same bits" if mined.fingerprint == local.fingerprint else "NOT THE SAME"
        show.say(f"accuracy on {training.TEST} pictures it has not seen: {mined.accuracy:.1%} in {seconds:.1f} s")
        gap = 100 * abs(local.accuracy - real.accuracy)
        show.say(
            f"trained here with the same 8-bit products: {local.accuracy:.1%}, {same}; "
            f"in float {real.accuracy:.1%}, {gap:.1f} points away"
        )
        records = {who.name: await asyncio.to_thread(me.mining.miner, who.account) for who in (ann, ben, lars)}
        blocks = await asyncio.to_thread(lambda: list(me.mining.blocks()))
    _miners(show, records)
    useful = sum(isinstance(block.header.work, LspField) for block in blocks)
    show.say(f"{len(blocks)} blocks, {useful} of them won by a product of the training")
    caught = "caught by Freivalds' check and fined" if records["lars"].fakes else "NOT CAUGHT"
    show.say(f"lars is {caught}: {records['lars'].fakes * PENALTY} of its deposit went to the treasury")
    show.audit(await asyncio.to_thread(stage.audit))
    show.report["mining"] = {
        "accuracy": mined.accuracy,
        "local": local.accuracy,
        "float": real.accuracy,
        "same": mined.fingerprint == local.fingerprint,
        "products": products,
        "blocks": len(blocks),
        "useful_blocks": useful,
        "fakes": records["lars"].fakes,
        "seconds": round(seconds, 2),
    }


async def _miner(stage: Stage, who: Actor, port: int, module: str) -> Program:
    words = ("mine", str(who.folder), "--coordinator", f"127.0.0.1:{port}", "--deposit", str(2 * PENALTY))
    return await stage.program(who.name, *words, "--tasks-only", "--json", module=module)


def _miners(show: Show, records: dict[str, MinerRecord]) -> None:
    heads = ("miner", "nsub-tasks", "earned", "blocks", "fakes", "deposit")
    rows = [(name, r.verified, r.earned, r.blocks, r.fakes, r.deposit) for name, r in records.items()]
    show.table(heads, rows)
