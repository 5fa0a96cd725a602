"""The demo from its first line to its last."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from zoneshare.demo import frauds, honest
from zoneshare.demo.goods import digits
from zoneshare.demo.show import Show
from zoneshare.demo.stage import Actor, Stage
from zoneshare.epow import demo as mining
from zoneshare.seal import demo as auctions
from zoneshare_protocols.errors import Misuse

TOLERANCE_MS = 2_500
"""All processes are on one machine: their clocks agree."""
PLACES = ((37_765_000, -122_430_000), (37_805_000, -122_272_000))
"""San Francisco and Oakland: near zone-a, near zone-b."""
MONEY = 10_000
PATIENCE_S = 180
"""A scene takes about half a minute; a machine that is busy may take longer."""


async def play(show: Show, file: Path | None, keep: Path | None, quick: bool) -> None:
    """Runs the demo in ``keep``, or in a folder that is gone afterwards. ``quick``: only the honest trade.

    Raises Misuse for a file that cannot be sold, or a folder that is there already.
    """
    goods = None if file is None else _readable(file)
    if keep is not None and keep.exists():
        raise Misuse(f"{keep} is there already: nothing was changed")
    folder = Path(tempfile.mkdtemp(prefix="zoneshare-demo-")) if keep is None else keep
    folder.mkdir(parents=True, exist_ok=True)
    try:
        await _play(show, goods, folder, quick)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


async def _play(show: Show, file: Path | None, folder: Path, quick: bool) -> None:
    goods = file or digits(folder)
    show.act("A network, for development: two organisations, a peer each, three channels (embedded Fabric)")
    async with Stage.open(folder, TOLERANCE_MS) as stage:

        async def place(name: str, zone: int) -> Actor:
            return await stage.device(name, *PLACES[zone], MONEY)

        a, b = await asyncio.gather(place("alice", 0), place("bob", 1))
        for actor, (latitude, longitude) in zip((a, b), PLACES, strict=True):
            show.say(
                f"{actor.name} at {latitude / 1e6:.3f}, {longitude / 1e6:.3f}: the registry puts it in {actor.zone}"
            )
        show.act(f"alice of {a.zone} buys a file from bob of {b.zone}")
        await honest.play(stage, show, a, b, goods)
        if not quick:
            await _frauds(stage, show, place, goods if file is None else digits(folder))
            await mining.play(stage, show)
            await auctions.play(stage, show)
            found = await asyncio.to_thread(stage.audit)
            show.report["held"], show.report["issued"] = found.held, found.issued
    show.say()


async def _frauds(stage: Stage, show: Show, place: frauds.Place, file: Path) -> None:
    show.act(
        f"Four things go wrong with {file.name}, at the same time; M is 24 s away, so that one can watch the locks"
    )
    casts = [await frauds.cast(stage, scene, n, place, file) for n, scene in enumerate(frauds.SCENES, 1)]
    for scene in frauds.SCENES:
        show.say(f"… {scene.title}")
    played = [asyncio.ensure_future(scene.play(cast)) for scene, cast in zip(frauds.SCENES, casts, strict=True)]
    outcomes = {}
    for scene, cast, playing in zip(frauds.SCENES, casts, played, strict=True):
        async with asyncio.timeout(PATIENCE_S):
            outcomes[scene.title] = await playing
        show.act(scene.title)
        show.say(outcomes[scene.title])
        show.say(_balances(cast, *await asyncio.to_thread(stage.balances, cast.a, cast.b)))
    show.act("Nothing was made or lost")
    show.audit(await asyncio.to_thread(stage.audit))
    show.report["frauds"] = outcomes


def _balances(cast: frauds.Cast, a: int, b: int) -> str:
    return f"balances: {cast.a.name} {MONEY} -> {a}, {cast.b.name} {MONEY} -> {b}"


def _readable(file: Path) -> Path:
    if not file.exists():
        raise Misuse(f"no such file: {file}")
    if not file.is_file():
        raise Misuse(f"{file} is no regular file")
    if file.stat().st_size == 0:
        raise Misuse(f"{file} is empty: there is nothing to sell")
    return file.absolute()
