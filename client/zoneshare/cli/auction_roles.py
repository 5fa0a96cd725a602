"""From a device's folder to its drone or vehicle, and running them."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from zoneshare.cli.common import when
from zoneshare.cli.enclave_roles import administrators
from zoneshare.cli.trade_roles import open_journal
from zoneshare.device import Device
from zoneshare.seal import proving_keys
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Bidder, Policy
from zoneshare.seal.enclave_client import EnclaveClient
from zoneshare.seal.journey import Journey, Plan, Visit
from zoneshare.seal.outcomes import Settled
from zoneshare.seal.party import Party, found
from zoneshare.seal.planning import Spans
from zoneshare.seal.prover import Prover
from zoneshare.seal.setup import allow_proof_keys
from zoneshare.seal.traffic import Generated, Traced, Traffic, read_traces
from zoneshare.seal.work import Batches
from zoneshare.trade.journal import Journal
from zoneshare.trade.moment import Clock, SystemClock, answered
from zoneshare.trade.peers import renewed
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.seal.ledger import SealZone
from zoneshare_protocols.seal.records import Local, Terms
from zoneshare_protocols.seal.synthetic import MEGA, paper_terms

R = TypeVar("R")
DRONE_JOURNAL, VEHICLE_JOURNAL = "auctioneer.db", "bidder.db"
SYNTHETIC = "synthetic"
Told = Callable[[str], None]
Ready = Callable[[], None]


class Flying(NamedTuple):
    """Of ``auction run``; spans in seconds, ``sample`` and ``reserve`` in percent."""

    enclave: tuple[str, int]
    address: tuple[str, int]
    rounds: int
    tasks: int
    pictures: int
    route: str
    seed: int
    bidding: float
    deposits: float
    deadline: float
    slack: float
    grace: float | None
    claiming: float
    sample: float
    reserve: float
    disputable: bool


class Driving(NamedTuple):
    """Of ``bid serve``; no drones: what is under way only."""

    drones: list[tuple[str, int]]
    policy: Policy
    keys: Path | None


def set_up(network: Path, folder: Path, keys: Path | None) -> SealZone:
    """Allow proving keys in the device's zone, the development keys or a folder's, and put them on its ledger."""
    chosen = proving_keys.development() if keys is None else proving_keys.folder(keys)
    with Device.open(folder) as device:
        with administrators(network, device.ledger().channel) as admins:
            zone = allow_proof_keys(admins, [key.record for key in chosen])
        claims = Party(device.identity, device.ledger()).claims
        for key in chosen:
            if found(partial(claims.key, key.hash)) is None:
                claims.bring_key(key.verifying)
    return zone


def digit_terms(slack_ms: int, reserve: float) -> Terms:
    """The paper's (Table IV), with half the processor on the drone, so that little stays local."""
    terms = replace(paper_terms(slack=slack_ms), local=Local(500 * MEGA, 20_000))
    return replace(terms, reserve=round(reserve * 10_000))


@contextlib.asynccontextmanager
async def joined(folder: Path, name: str, clock: Clock) -> AsyncIterator[tuple[Party, Journal]]:
    """A party whose margin is known, and its journal ``name``. Waits for a ledger that is away for a moment."""
    with Device.open(folder) as device, open_journal(folder / name) as journal:
        me = Party(device.identity, await answered(clock, device.ledger))
        await answered(clock, lambda: me.margin)
        yield me, journal


async def fly(
    folder: Path, options: Flying, ready: Callable[[int], None], told: Told
) -> tuple[list[Visit], list[Settled]]:
    """The whole route; ``ready`` gets the port where vehicles find the drone."""
    _log()
    traffic = _traffic(options)
    clock = SystemClock()
    async with (
        joined(folder, DRONE_JOURNAL, clock) as (me, journal),
        renewed(me.accounts.trusts, clock) as peers,
    ):
        if not (await answered(clock, me.auctions.zone)).proof_keys:
            raise Misuse("no key to prove results with is allowed in this zone yet: run zoneshare auction init first")
        enclave = EnclaveClient(*options.enclave, me.identity, peers)
        auctioneer = Auctioneer(
            me,
            enclave,
            options.enclave,
            journal,
            clock=clock,
            spans=_spans(options, me.margin),
            sample=options.sample / 100,
            disputable=options.disputable,
            told=told,
        )
        batches = Batches(options.pictures, deadline=(int(options.deadline * 1000),) * 2)
        plan = Plan(options.rounds, options.seed, (options.tasks, options.tasks), batches)
        terms = digit_terms(int(options.slack * 1000), options.reserve)
        try:
            ready(await auctioneer.start(*options.address))
            journey = Journey(auctioneer, journal, plan, terms, traffic=traffic, told=told)
            visits = await until_signal(journey.fly())
            _say_until(auctioneer, me, "all stops are behind", told)
            return visits, await until_signal(auctioneer.settled())
        finally:
            await auctioneer.stop()


async def finish(folder: Path, enclave: tuple[str, int], address: tuple[str, int], told: Told) -> list[Settled]:
    """Auctions of before, to their ends, as they were begun; no new ones."""
    _log()
    clock = SystemClock()
    async with (
        joined(folder, DRONE_JOURNAL, clock) as (me, journal),
        renewed(me.accounts.trusts, clock) as peers,
    ):
        client = EnclaveClient(*enclave, me.identity, peers)
        auctioneer = Auctioneer(me, client, enclave, journal, clock=clock, told=told)
        try:
            await auctioneer.start(*address)
            _say_until(auctioneer, me, "auctions are seen to their ends", told)
            for held in auctioneer.unfinished():
                await until_signal(auctioneer.take_up(held))
            return await until_signal(auctioneer.settled())
        finally:
            await auctioneer.stop()


async def bid(folder: Path, options: Driving, ready: Ready, told: Told) -> None:
    """Bid until SIGINT or SIGTERM; without a drone, until all that is under way is over."""
    _log()
    chosen = proving_keys.development() if options.keys is None else proving_keys.folder(options.keys)
    clock = SystemClock()
    async with joined(folder, VEHICLE_JOURNAL, clock) as (me, journal):
        proving_keys.check_allowed(chosen, await answered(clock, me.auctions.zone))
        async with Prover(chosen) as prover:
            bidder = Bidder(me, prover, journal, clock=clock, policy=options.policy, told=told)
            try:
                await bidder.start()
                ready()
                if options.drones:
                    await until_signal(asyncio.gather(*map(bidder.look, options.drones)))
                else:
                    await until_signal(bidder.settled())
            except asyncio.CancelledError:
                return
            finally:
                await bidder.stop()


def _spans(options: Flying, margin: int) -> Spans:
    """``margin`` in ms. Raises Misuse for a grace time that is not longer."""
    grace = None if options.grace is None else int(options.grace * 1000)
    if grace is not None and grace <= margin:
        raise Misuse(f"the grace time must be longer than the zone's margin: --grace {margin // 1000 + 1} at least")
    return Spans(
        bidding=int(options.bidding * 1000),
        deposits=int(options.deposits * 1000),
        grace=grace,
        claiming=int(options.claiming * 1000),
    )


def _say_until(auctioneer: Auctioneer, me: Party, what: str, told: Told) -> None:
    last = max((held.notice.timers.claim for held in auctioneer.unfinished()), default=None)
    if last is not None:
        told(f"{what}; deposits are locked until {when(last + me.margin)} at the latest")


def _traffic(options: Flying) -> Traffic:
    if options.route == SYNTHETIC:
        return Generated(options.seed)
    path = Path(options.route)
    if not path.exists():
        raise Misuse(f"no such file or folder: {path}; say {SYNTHETIC}, or where traces are")
    return Traced(read_traces(path), options.rounds)


async def until_signal(work: Awaitable[R]) -> R:
    """What ``work`` gives. Raises CancelledError after SIGINT or SIGTERM."""
    doing = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, doing.cancel)
    try:
        return await doing
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def new_seed() -> int:
    return int.from_bytes(os.urandom(4), "big")


def _log() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
