"""From a device's folder to its coordinator, miner or source, and running them."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoneshare import enrolment
from zoneshare.accounts import Accounts
from zoneshare.cli.common import plain
from zoneshare.device import Device
from zoneshare.epow.book import Book
from zoneshare.epow.coordinator import Coordinator
from zoneshare.epow.ledger import Mining as MiningLedger
from zoneshare.epow.memory import keep_memory
from zoneshare.epow.miner import Miner
from zoneshare.epow.setup import set_up_mining
from zoneshare.epow.show import Coordinating, Live, mining
from zoneshare.epow.source import Source
from zoneshare.identity import Identity
from zoneshare.trade.moment import Clock, SystemClock, answered
from zoneshare.trade.peers import PeerBook
from zoneshare_protocols.epow.exact import sum_limit
from zoneshare_protocols.epow.ledger import MiningZone, TaskRecord, TaskStatus
from zoneshare_protocols.epow.records import MiningRules, Mode
from zoneshare_protocols.errors import Misuse, NotFound, TooEarly
from zoneshare_protocols.sharing.records import Trust

NICE = 10
"""A miner is never idle: whatever else runs on its machine goes first."""


SWITCH_S = 0.0005
"""Small products are mostly Python: the connection must not wait for the engine's thread."""


class Rules(NamedTuple):
    """Of ``coordinator init``; ``block_time`` in seconds, ``levy`` and ``margin`` in percent."""

    basic: int
    block_time: float
    draws: int
    max_claim: int
    block_reward: int
    levy: float
    margin: float
    penalty: int
    mode: Mode


class Serving(NamedTuple):
    """Of ``coordinator serve``; ``patience`` in seconds, ``sample`` in percent of runs, ``spare`` in bytes."""

    host: str
    port: int
    deposit: int
    patience: float
    sample: float
    spare: int


class Mining(NamedTuple):
    """Of ``mine``; ``memory`` in bytes."""

    coordinator: tuple[str, int]
    claim: int | None
    deposit: int | None
    memory: int
    free_loops: bool
    seconds: float | None


class Party(NamedTuple):
    """A device on the mining ledger of its zone."""

    identity: Identity
    mining: MiningLedger
    trusted: Callable[[], Iterable[Trust]]
    """Asks the zone whom it trusts, and blocks."""

    @property
    def peers(self) -> PeerBook:
        """Whom the zone trusts now. Blocks."""
        return PeerBook(self.trusted())


@contextlib.contextmanager
def party(folder: Path) -> Iterator[Party]:
    """Blocks: asks the registry."""
    with Device.open(folder) as device:
        yield _party_of(device)


@contextlib.asynccontextmanager
async def lasting(folder: Path, clock: Clock) -> AsyncIterator[Party]:
    """A :func:`party` that waits for a registry that is away for a moment."""
    with Device.open(folder) as device:
        yield await answered(clock, lambda: _party_of(device))


def _party_of(device: Device) -> Party:
    ledger = device.ledger()
    return Party(device.identity, MiningLedger(ledger), Accounts(ledger).trusts)


def set_up(network: Path, folder: Path, coordinator: str, rules: Rules, dispute: int) -> MiningZone:
    """By the administrators of the network in a folder."""
    with Device.open(folder) as device:
        channel = device.ledger().channel
    made = MiningRules(
        1,
        basic=rules.basic,
        block_time=int(rules.block_time * 1000),
        initial=rules.draws << 16,
        mode=rules.mode,
        max_claim=rules.max_claim,
        least_claim=min(rules.max_claim, sum_limit(rules.basic)),
        block_reward=rules.block_reward,
        levy=int(rules.levy * 10_000),
        margin=int(rules.margin * 10_000),
        penalty=rules.penalty,
    )
    members = enrolment.organisations(network)
    with ExitStack() as opened:
        admins = [opened.enter_context(enrolment.operator(network, f"admin.{o}", o, "admin")) for o in members]
        return set_up_mining([admin.ledger(channel) for admin in admins], coordinator, made, dispute * 1000)


async def serve(folder: Path, options: Serving, ready: Callable[[int], None], *, quiet: bool) -> None:
    """Coordinate until SIGINT or SIGTERM; ``ready`` gets the port."""
    keep_memory()
    clock, shown = SystemClock(), Coordinating(folder.name, quiet)
    async with lasting(folder, clock) as me:
        with contextlib.closing(Book(folder / "coordinator", spare=options.spare)) as book:
            await _deposit(me, options.deposit, clock)
            coordinator = Coordinator(
                me.mining, me.identity, me.trusted, book,
                clock=clock, patience=options.patience, sample=round(options.sample * 10_000), told=shown.told,
            )  # fmt: skip
            shown.standing = coordinator.standing
            with shown.live:
                # Now, so that it writes above the table.
                logging.basicConfig(level=logging.WARNING, format="%(message)s")
                await _serve(coordinator, (options.host, options.port), ready)


async def _serve(coordinator: Coordinator, address: tuple[str, int], ready: Callable[[int], None]) -> None:
    stopping = asyncio.create_task(_signals().wait())
    try:
        starting = asyncio.create_task(coordinator.start(*address))
        if await _first(starting, stopping):
            ready(starting.result())
            await _first(asyncio.create_task(coordinator.wait()), stopping)
    finally:
        stopping.cancel()
        await coordinator.stop()


async def _first(work: asyncio.Task[Any], stopping: asyncio.Task[Any]) -> bool:
    """Whether the work is done; cancelled when it is to stop before. Raises what the work raises."""
    await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()
        return True
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return False


async def mine(folder: Path, options: Mining, *, quiet: bool) -> dict[str, Any]:
    """Mine until SIGINT, SIGTERM or its time is over; what came of it."""
    keep_memory()
    os.nice(NICE)
    sys.setswitchinterval(SWITCH_S)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    clock = SystemClock()
    async with lasting(folder, clock) as me:
        needed = (await answered(clock, me.mining.zone)).rules.penalty
        await _deposit(me, needed if options.deposit is None else options.deposit, clock)
        miner = Miner(
            me.mining, me.identity, me.trusted, options.coordinator,
            clock=clock, wanted=options.claim, memory=options.memory, free_loops=options.free_loops,
        )  # fmt: skip
        stop = _signals()
        loop = asyncio.get_running_loop()
        if options.seconds is not None:
            loop.call_later(options.seconds, stop.set)
        running = asyncio.create_task(miner.run())
        stopping = asyncio.create_task(stop.wait())
        with Live(lambda: mining(folder.name, miner), quiet):
            await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        miner.stop()
        stopping.cancel()
        await running
    return summary(miner)


def summary(miner: Miner) -> dict[str, Any]:
    """What came of the mining, in values."""
    if miner.engine is None:
        raise Misuse("the miner never began")
    meter = miner.engine.meter
    return {
        "verified": miner.tally.verified,
        "blocks": miner.tally.blocks,
        "stale": miner.tally.stale,
        "taken": len(miner.tally.taken),
        "useful": meter.useful,
        "rate": (meter.nsubs + meter.free_loops) / max(meter.elapsed, 1e-9),
        "product": meter.product,
        "busy": meter.busy,
        "product_cpu": meter.product_cpu,
        "busy_cpu": meter.busy_cpu,
        "idle": meter.idle,
        "involved": meter.involved,
        "free": meter.free,
        "nsubs": meter.nsubs,
        "seconds": meter.elapsed,
    }


LeftOpen = Callable[[TaskRecord], None]
"""Called with a task that is offered and not done when its source breaks off."""


@contextlib.asynccontextmanager
async def _sourcing(
    folder: Path, address: tuple[str, int], left_open: LeftOpen
) -> AsyncIterator[tuple[MiningLedger, Source]]:
    with party(folder) as me:
        source = Source(me.mining, me.identity, me.peers, address)
        try:
            yield me.mining, source
        except BaseException:
            if source.offered is not None:
                left_open(source.offered)
            raise
        finally:
            await source.close()


async def multiply(
    folder: Path,
    address: tuple[str, int],
    factors: list[Path],
    out: Path,
    fee: int | None,
    *,
    left_open: LeftOpen,
) -> dict[str, Any]:
    """The product of .npy files into another. Raises Misuse for files that cannot be read or written."""
    if not out.absolute().parent.is_dir():
        raise Misuse(f"there is no folder {out.absolute().parent}")
    if out.is_dir():
        raise Misuse(f"{out} is a folder: name a file for the result")
    if out.resolve() in {path.resolve() for path in factors}:
        raise Misuse(f"{out} is a factor: name another file for the result")
    matrices = [read_matrix(path) for path in factors]
    began = time.perf_counter()
    async with _sourcing(folder, address, left_open) as (mining, source):
        result = await source.multiply(matrices, fee=fee)
        task = source.tasks[-1]
        with out.open("wb") as file:  # to a path numpy adds .npy
            np.save(file, result, allow_pickle=False)
        await source.accept()
        record = await asyncio.to_thread(mining.task, task)
    return {
        "out": str(out),
        "rows": result.shape[0],
        "columns": result.shape[1],
        "task": task.hex(),
        "nsubs": record.verified,
        "fee": record.task.fee,
        "seconds": time.perf_counter() - began,
    }


def withdraw(folder: Path) -> list[tuple[str, int, int, bool]]:
    """Take back what is held for a device's tasks that were not done in time: (task, held, until in ms, taken back) of
    all that are open."""
    rows = []
    with party(folder) as me:
        for record in me.mining.tasks():
            if (record.task.source, record.status) == (me.identity.account, TaskStatus.OPEN):
                taken = False
                with contextlib.suppress(TooEarly):
                    me.mining.withdraw(record.task.id)
                    taken = True
                rows.append((record.task.id.hex(), record.escrow + record.margin, record.until, taken))
    return rows


async def train(
    folder: Path, address: tuple[str, int], steps: int, fee: int | None, *, left_open: LeftOpen
) -> dict[str, Any]:
    """Train by the miners, locally with the same bits, and in float."""
    from zoneshare.epow import training

    began = time.perf_counter()
    digits = training.load_digits()
    async with _sourcing(folder, address, left_open) as (_, source):
        mined = await training.train(digits, training.mined(source, fee), steps)
        products = len(source.tasks)
        await source.accept()
    local = await training.train(digits, training.local, steps)
    return {
        "mined": mined.accuracy,
        "local": local.accuracy,
        "same": mined.fingerprint == local.fingerprint,
        "real": (await training.train_float(digits, steps)).accuracy,
        "products": products,
        "seconds": time.perf_counter() - began,
    }


def look(folder: Path, what: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Heads and rows of what the ledger has. Raises Misuse."""
    with party(folder) as me:
        match what:
            case "zone":
                zone, pool, tip = me.mining.zone(), me.mining.pool(), me.mining.tip()
                values = {
                    "zone": zone.zone,
                    "coordinator": zone.coordinator,
                    "dispute_time": zone.dispute_time,
                    **plain(zone.rules),
                    **plain(pool),
                    "height": tip.height,
                    "difficulty": tip.difficulty / 65536,
                }
                return ("name", "value"), list(values.items())
            case "blocks":
                heads = ("height", "miner", "loop", "reward", "difficulty", "hash")
                kinds = {True: "task-involved", False: "task-free"}
                return heads, [
                    (b.tip.height, b.header.miner, kinds[hasattr(b.header.work, "task")], b.reward,
                     round(b.difficulty * b.scale / 2**48, 2), b.hash.hex()[:16])
                    for b in me.mining.blocks()
                ]  # fmt: skip
            case "tasks":
                heads = ("task", "source", "status", "verified", "fee", "held")
                return heads, [
                    (t.task.id.hex(), t.task.source, t.status.value, t.verified, t.task.fee, t.escrow + t.margin)
                    for t in me.mining.tasks()
                ]
            case "miners":
                heads = ("miner", "verified", "earned", "blocks", "fakes", "deposit")
                return heads, [
                    (m.account, m.verified, m.earned, m.blocks, m.fakes, m.deposit) for m in me.mining.miners()
                ]
    raise Misuse(f"not zone, blocks, tasks or miners: {what!r}")


def read_matrix(path: Path) -> NDArray[Any]:
    """A .npy file's array. Raises Misuse; what is in it, the rules judge."""
    try:
        found: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError as cause:
        raise Misuse(f"no such file: {path}") from cause
    except (ValueError, OSError, EOFError) as cause:
        raise Misuse(f"{path} is no .npy file of numbers") from cause
    return found


async def _deposit(me: Party, amount: int, clock: Clock) -> None:
    """Bring the deposit up to ``amount``, and register."""
    try:
        present = (await answered(clock, lambda: me.mining.miner(me.identity.account))).deposit
    except NotFound:
        await asyncio.to_thread(me.mining.register, amount)
        return
    if present < amount:
        await asyncio.to_thread(me.mining.register, amount - present)


def _signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
