"""Act two: four things go wrong, and nobody loses. Each has a buyer and a seller of its own; all run at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from zoneshare.demo.goods import chunk_size
from zoneshare.demo.honest import BOND, MORE, PRICE
from zoneshare.demo.stage import Actor, Program, Shop, Stage
from zoneshare.trade.buyer import Order
from zoneshare.trade.moment import SystemClock, ensure
from zoneshare.trade.opening import Plan, bring_home
from zoneshare.trade.party import Zone
from zoneshare.trade.paying import Garbage
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import ZoneshareError
from zoneshare_protocols.sharing.records import Channel, Evidence, Payment, Phase, SignedState

PLAN = Plan(lifetime=24_000, tick=50, challenge=3_000, funding=12_000)
"""Short locks, so that one can watch: M is 24 s away, the window 3 s."""
SELLER = ("--min-challenge", "2", "--bond", str(BOND), "--price", str(PRICE))
OLD = 3
"""The chunk whose T_i the cheat of the third scene posts."""
Place = Callable[[str, int], Awaitable[Actor]]
"""Makes the device of this name near zone A (0) or zone B (1)."""


@dataclass(frozen=True)
class Scene:
    """One fraud: what it is, who plays, and how it is played."""

    title: str
    play: Callable[["Cast"], Awaitable[str]]
    module: str = "zoneshare"
    tower: bool = False


@dataclass(frozen=True)
class Cast:
    """Everything one scene needs."""

    stage: Stage
    a: Actor
    b: Actor
    shop: Shop
    chunks: int
    tower: Program | None

    @property
    def half(self) -> int:
        return self.chunks // 2

    @property
    def order(self) -> Order:
        path = self.stage.folder / "bought" / f"{self.a.name}.csv"
        return Order(self.shop.data, "127.0.0.1", self.shop.port, path, PRICE, PRICE * self.chunks + MORE)


class _Vanished(ZoneshareError):
    """The buyer of a scene stops here and never comes back."""


async def seller_stops(cast: Cast) -> str:
    """B's process is killed half way; A ends the channel alone."""
    came = _Count(cast.half, cast.shop.program.kill)
    async with cast.stage.buyer(cast.a, PLAN) as buyer:
        await _until(buyer.buy(cast.order, came), ZoneshareError)
        channel = buyer.book.channels()[-1].terms.channel
        settled = await buyer.close_alone(channel)
    paid = settled.paid - settled.bond
    return f"A has {came.done} chunks and paid {paid}; {settled.returned} came home, and B's bond went back to B"


async def buyer_stops(cast: Cast) -> str:
    """A stops half way and never comes back; B ends the channel alone and is paid for what it released."""
    came = _Count(cast.half, _vanish)
    async with cast.stage.buyer(cast.a, PLAN) as buyer:
        await _until(buyer.buy(cast.order, came), _Vanished)
        channel = buyer.book.channels()[-1].terms.channel
        settled = await _settled(cast, channel)
        # Much later: A looks again, and what is left of its deposit still waits for it.
        await _home(cast, settled)
    paid = settled.paid - settled.bond
    return f"B was paid {paid} for the {paid // PRICE} keys it had released; A's {settled.returned} waited for A"


async def old_state(cast: Cast) -> str:
    """A posts the T_i of chunk OLD while B sleeps (its process is killed); B's watchtower answers with the newest."""
    came = _Count(cast.half, _vanish, keep=OLD)
    async with cast.stage.buyer(cast.a, PLAN) as buyer:
        await _until(buyer.buy(cast.order, came), _Vanished)
        await cast.shop.program.kill()
        old, channel = came.kept, buyer.book.channels()[-1].terms.channel
        await _post(cast, old)
        settled = await _settled(cast, channel)
        await _home(cast, settled)
    paid, tried = settled.paid - settled.bond, _paid_by(old)
    posted = settled.posted.state.version if settled.posted else 0
    return f"A posted T_{old.state.version}, worth {tried}; the watchtower answered with T_{posted}: B was paid {paid}"


async def garbage(cast: Cast) -> str:
    """B's third chunk does not open to what it committed to; A's complaint is checked by the contract."""
    async with cast.stage.buyer(cast.a, PLAN) as buyer:
        found = await _until(buyer.buy(cast.order), Garbage)
        channel = buyer.book.channels()[-1].terms.channel
        await cast.shop.program.kill()
        settled = await buyer.close_alone(channel)
    paid = settled.paid - (settled.bond - BOND)
    index = found.values["index"]
    return f"the contract upheld A's complaint about chunk {index}: B was paid {paid} and lost its bond of {BOND} to A"


SCENES = (
    Scene("B stops half way", seller_stops),
    Scene("A stops half way", buyer_stops),
    Scene("A posts an old T_i while B sleeps", old_state, tower=True),
    Scene("B sells a chunk that is not what it committed to", garbage, module="zoneshare.demo.liar"),
)


async def cast(stage: Stage, scene: Scene, number: int, place: Place, file: Path) -> Cast:
    """Devices, the seller's process, and the watchtower's where the scene has one."""
    a, b = await asyncio.gather(place(f"a{number}", 0), place(f"b{number}", 1))
    size = chunk_size(file.stat().st_size)
    options = [*SELLER, "--chunk-size", str(size)]
    tower = None
    if scene.tower:
        tower, port = await stage.watchtower(await place(f"w{number}", 1))
        options += ["--watchtower", f"127.0.0.1:{port}"]
    shop = await stage.seller(b, file, *options, module=scene.module)
    return Cast(stage, a, b, shop, -(-file.stat().st_size // size), tower)


class _Count:
    """Progress of a purchase: at ``stop`` chunks, ``then``; the state signed by both at ``keep`` chunks is kept."""

    def __init__(self, stop: int, then: Callable[[], Awaitable[None] | None], keep: int = 0) -> None:
        self._stop, self._then, self._keep = stop, then, keep
        self._tasks: set[asyncio.Future[None]] = set()
        self._kept: SignedState | None = None
        self._over = False
        self.done = 0
        """Chunks that came."""

    @property
    def kept(self) -> SignedState:
        if self._kept is None:
            raise _Vanished("the trade ended before there was an old state to keep")
        return self._kept

    def __call__(self, done: int, newest: SignedState | None) -> None:
        self.done = done
        if self._kept is None and newest is not None and done >= self._keep > 0:
            self._kept = newest
        if done >= self._stop and not self._over:
            self._over = True
            if (pending := self._then()) is not None:
                self._tasks.add(asyncio.ensure_future(pending))


def _vanish() -> None:
    raise _Vanished("the buyer stops here")


async def _until(buying: Awaitable[object], kind: type[ZoneshareError]) -> ZoneshareError:
    """The refusal that ends a purchase of this kind. Raises ZoneshareError when it came to a good end instead."""
    try:
        await buying
    except kind as ended:
        return ended
    raise ZoneshareError("the trade ended well, though somebody was to cheat: the file is too small")


async def _post(cast: Cast, old: SignedState) -> None:
    clock = SystemClock()
    await clock.wait(max(0, old.state.lock - clock.now_ms()))
    with cast.stage.ledgers() as ledgers:
        escrow = Zone(cast.b.zone, ledgers[cast.b.zone]).escrow

        def posted() -> Channel | None:
            found = escrow.channel(old.state.channel)
            return None if found.phase is Phase.OPEN else found

        await ensure(clock, posted, lambda: escrow.close(old, Evidence(())))


async def _settled(cast: Cast, channel: str) -> Channel:
    """The channel, once somebody has settled it. Fails by time-out when nobody does."""
    with cast.stage.ledgers() as ledgers:
        escrow = Zone(cast.b.zone, ledgers[cast.b.zone]).escrow
        async with asyncio.timeout(120):
            while (found := await asyncio.to_thread(escrow.channel, channel)).phase is not Phase.SETTLED:
                await asyncio.sleep(0.5)
    return found


async def _home(cast: Cast, settled: Channel) -> None:
    with cast.stage.ledgers() as ledgers:
        home, abroad = (Zone(zone, ledgers[zone]) for zone in (cast.a.zone, cast.b.zone))
        await bring_home(settled, home, abroad, SystemClock())


def _paid_by(signed: SignedState) -> int:
    payment = decode(Payment, signed.state.app_state)
    return payment.earned + payment.price * payment.count
