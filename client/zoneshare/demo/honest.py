"""Act one: A of zone A buys a file from B of zone B, chunk by chunk."""

import asyncio
import hashlib
import time
from pathlib import Path

from zoneshare.accounts import Accounts
from zoneshare.demo import record
from zoneshare.demo.goods import chunk_size
from zoneshare.demo.show import Show
from zoneshare.demo.stage import Actor, Stage
from zoneshare.trade.buyer import Order
from zoneshare.trade.opening import Plan
from zoneshare_protocols.sharing.records import SignedState

PRICE = 5
BOND = 100
MORE = 50
"""Deposited above the price, so that there is a rest to come home."""
LINES = 6
"""About so many lines tell of the chunks."""


async def play(stage: Stage, show: Show, a: Actor, b: Actor, file: Path) -> None:
    """``b`` sells ``file`` to ``a``; shows what came, what it cost, and what the ledgers were asked to write."""
    length = file.stat().st_size
    size = chunk_size(length)
    chunks = -(-length // size)
    before = await asyncio.to_thread(stage.balances, a, b)
    words = ("--price", str(PRICE), "--chunk-size", str(size), "--bond", str(BOND))
    shop = await stage.seller(b, file, *words)
    show.say(
        f"{b.name} offers {file.name}: {length:,} bytes, {chunks} chunks at {PRICE}, as D = {shop.data.hex()[:16]}…"
    )
    got = stage.folder / "bought" / file.name
    got.parent.mkdir()
    order = Order(shop.data, "127.0.0.1", shop.port, got, PRICE, PRICE * chunks + MORE)
    started_ms, started = time.time_ns() // 1_000_000, time.perf_counter()

    shown, told, funded = 0, 0, False

    def progress(done: int, newest: SignedState | None) -> None:
        nonlocal shown, told, funded
        if newest is not None and not funded:
            _show_funding(stage, show, a, b, newest.state.channel)
            funded = True
        if newest is not None and (done == chunks or done - shown >= chunks / LINES):
            show.state(shown + 1, done, chunks, newest if newest.state.version > told else None, started_ms)
            shown, told = done, newest.state.version

    async with stage.buyer(a, Plan()) as buyer:
        receipt = await buyer.buy(order, progress)
        settled = await buyer.close(receipt.channel)
    seconds = time.perf_counter() - started
    show.say(f"settled in {seconds:.1f} s: {settled.paid - BOND} to {b.name}, {settled.returned} home to {a.name}")
    hashes = [await asyncio.to_thread(_sha256, path) for path in (file, got)]
    show.say(f"SHA-256 at {b.name}:   {hashes[0]}")
    show.say(f"SHA-256 at {a.name}: {hashes[1]}{'  the same' if hashes[0] == hashes[1] else '  NOT THE SAME'}")
    written = await asyncio.to_thread(_written, stage, a, b, receipt.channel)
    show.act(f"What {chunks} chunks cost the ledgers: {sum(map(len, written.values()))} transactions, none a chunk")
    show.table(("zone", "transaction"), [(zone, line) for zone, lines in written.items() for line in lines])
    after = await asyncio.to_thread(stage.balances, a, b)
    show.act("Balances")
    names = (f"{a.name}, {a.zone}", f"{b.name}, {b.zone}")
    show.table(("", "before", "after"), zip(names, before, after, strict=True))
    show.audit(await asyncio.to_thread(stage.audit))
    show.report["trade"] = {
        "chunks": chunks,
        "paid": settled.paid - BOND,
        "returned": settled.returned,
        "seconds": round(seconds, 2),
        "sha256": hashes,
        "writes": written,
        "before": before,
        "after": after,
    }


def _show_funding(stage: Stage, show: Show, a: Actor, b: Actor, channel: str) -> None:
    """The two records of tx3, as the two ledgers have them."""
    id = f"channel.{channel}"
    with stage.ledgers() as ledgers:
        out, into = Accounts(ledgers[a.zone]).outbound(id), Accounts(ledgers[b.zone]).inbound(a.zone, id)
    short = f"channel {channel[:12]}…"
    show.say(f"tx3^A, recorded in {b.zone}: {into.amount} from {a.zone} {into.status.value} into {short}")
    show.say(f"tx3^B, recorded in {a.zone}: {out.amount} to {out.dest_zone} {out.status.value} into {short}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(stage: Stage, a: Actor, b: Actor, channel: str) -> dict[str, list[str]]:
    with stage.ledgers() as ledgers:
        return {
            a.zone: record.home_writes(ledgers[a.zone], channel),
            b.zone: record.abroad_writes(ledgers[b.zone], channel),
        }
