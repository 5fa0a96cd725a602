"""Act four of the demo: vehicles read pictures for drones, for money; one keeps its key, and one drone does not pay."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from zoneshare.cli import auction_roles, enclave_roles
from zoneshare.cli.auction import result_rows
from zoneshare.demo.show import Show
from zoneshare.demo.stage import Actor, Program, Stage
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.enclave_client import EnclaveClient
from zoneshare.seal.journey import Journey, Plan, Visit
from zoneshare.seal.liar import NeverPays
from zoneshare.seal.outcomes import Settled
from zoneshare.seal.planning import Spans
from zoneshare.seal.traffic import Generated
from zoneshare.seal.work import Batches
from zoneshare.trade.moment import SystemClock
from zoneshare.trade.peers import renewed

PLACE = (37_765_000, -122_430_000)
MONEY = 100_000
SLACK_MS = 5_000
QUOTE_AGE_S = 3_600
BATCHES = Batches(deadline=(4_000, 4_000), intensity=(60_000, 100_000))
DRONES = {"dora": (2, Auctioneer), "dina": (1, Auctioneer), "dirk": (1, NeverPays)}
"""Stops, and how it deals."""
VEHICLES = {"vera": ("dora", "dirk"), "viktor": ("dora",), "vince": ("dina",)}
"""At which drones each bids; vince keeps its keys."""
COSTS = ("--free", "8", "--unit-cost", "30", "--fixed-cost", "10", "--batch", "1")
"""Cheaper than the cloud; a proof for each task."""
SEED = 4


async def play(stage: Stage, show: Show) -> None:
    """Three drones (this process), three vehicles and a SIMULATED enclave, each a process."""
    # dirk's refusals are part of the play.
    logging.getLogger("zoneshare.trade.wire").setLevel(logging.ERROR)
    show.act("Drones have digits read by vehicles: sealed bids, an auction in a SIMULATED enclave, results for money")
    began = time.perf_counter()
    names = (*DRONES, *VEHICLES)
    actors = dict(zip(names, [await stage.device(name, *PLACE, MONEY) for name in names], strict=True))
    dora = actors["dora"]
    await asyncio.to_thread(enclave_roles.set_up, stage.network, dora.folder, QUOTE_AGE_S)
    await asyncio.to_thread(auction_roles.set_up, stage.network, dora.folder, None)
    words = [word for name in DRONES for word in ("--for", str(actors[name].folder))]
    serving = await stage.program("enclave", "enclave", "serve", str(dora.folder), "--port", "0", *words)
    enclave = ("127.0.0.1", int((await serving.line("enclave on ")).split(":")[1]))
    show.say("the enclave is SIMULATED: whoever runs its machine could read the bids; traffic is generated")
    show.say(
        "dora flies over two places; vince computes for dina and keeps its key; dirk takes results and does not pay"
    )
    async with contextlib.AsyncExitStack() as opened:
        drones = {name: await opened.enter_async_context(_drone(actors[name], enclave)) for name in DRONES}
        ports = {name: port for name, (_, _, port) in drones.items()}
        await asyncio.gather(
            *(_vehicle(stage, actors[name], [ports[drone] for drone in at]) for name, at in VEHICLES.items())
        )
        flown = await asyncio.gather(*(_fly(*drones[name][:2]) for name in DRONES))
    found = dict(zip(DRONES, flown, strict=True))
    await _show(stage, show, actors, found)
    show.report["auctions"] = {
        "seconds": round(time.perf_counter() - began, 2),
        "paid": {name: sum(one.paid for one in settled) for name, (_, settled) in found.items()},
        "balances": dict(zip(names, await asyncio.to_thread(stage.balances, *actors.values()), strict=True)),
        "results": {name: sum(len(_done(visit)) for visit in visits) for name, (visits, _) in found.items()},
    }


@contextlib.asynccontextmanager
async def _drone(actor: Actor, enclave: tuple[str, int]) -> AsyncIterator[tuple[Auctioneer, Journey, int]]:
    """A drone that listens, its way, and its port."""
    stops, kind = DRONES[actor.name]
    clock = SystemClock()
    async with (
        auction_roles.joined(actor.folder, auction_roles.DRONE_JOURNAL, clock) as (me, journal),
        renewed(me.accounts.trusts, clock) as peers,
    ):
        grace = me.margin + 1_000
        spans = Spans(bidding=3_000, deposits=3_000, deciding=10_000, committing=5_000, grace=grace, claiming=5_000)
        auctioneer = kind(
            me,
            EnclaveClient(*enclave, me.identity, peers),
            enclave,
            journal,
            clock=clock,
            spans=spans,
            sample=0.5,
            disputable=False,
        )
        plan = Plan(stops, SEED + len(actor.name), (2, 2), BATCHES)
        terms = auction_roles.digit_terms(SLACK_MS, 100)
        journey = Journey(auctioneer, journal, plan, terms, traffic=Generated(SEED))
        try:
            yield auctioneer, journey, await auctioneer.start("127.0.0.1", 0)
        finally:
            await auctioneer.stop()


async def _vehicle(stage: Stage, actor: Actor, ports: list[int]) -> Program:
    words = [word for port in ports for word in ("--drone", f"127.0.0.1:{port}")]
    module = "zoneshare.seal.liar" if actor.name == "vince" else "zoneshare"
    program = await stage.program(actor.name, "bid", "serve", str(actor.folder), *words, *COSTS, module=module)
    await program.line(" bids at ")
    return program


async def _fly(auctioneer: Auctioneer, journey: Journey) -> tuple[list[Visit], list[Settled]]:
    visits = await journey.fly()
    return visits, await auctioneer.settled()


async def _show(
    stage: Stage, show: Show, actors: dict[str, Actor], found: dict[str, tuple[list[Visit], list[Settled]]]
) -> None:
    rows = [(name, *row) for name, (visits, _) in found.items() for visit in visits for row in result_rows(visit)]
    show.table(("drone", "stop", "task", "by", "payment", "right", "checked"), rows)
    for name, (visits, settled) in found.items():
        sold = sum(len(visit.stop.outcome.awards) for visit in visits)
        here = sum(done.where == "vehicle" for visit in visits for done in _done(visit))
        show.say(f"{name}: {sold} tasks sold, {here} results of them here, {sum(one.paid for one in settled)} paid")
    balances = await asyncio.to_thread(stage.balances, *actors.values())
    show.table(("", "before", "after"), [(name, MONEY, now) for name, now in zip(actors, balances, strict=True)])
    after = dict(zip(actors, balances, strict=True))
    show.say(f"vince kept its key: it was not paid, and {MONEY - after['vince']} of its deposit went to dina")
    show.say(
        f"dirk gave no payword: result and key went on the ledger, and {MONEY - after['dirk']} were paid all the same"
    )
    show.audit(await asyncio.to_thread(stage.audit))


def _done(visit: Visit) -> tuple[Any, ...]:
    return () if visit.decided is None else visit.decided.results
