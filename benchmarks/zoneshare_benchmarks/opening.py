"""How many messages the two devices exchange before a channel is open."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from unittest.mock import patch

from zoneshare.demo.stage import Stage
from zoneshare.trade.buyer import Order
from zoneshare.trade.messages import Buy
from zoneshare.trade.opening import Plan
from zoneshare.trade.wire import Connection
from zoneshare_benchmarks.figure import Figure, Sample

PLACES = ((37_765_000, -122_430_000), (37_805_000, -122_272_000))


@contextmanager
def _counted() -> Iterator[list[str]]:
    """The names of the messages that this process sends and receives, until it asks to buy."""
    seen: list[str] = []
    over: list[bool] = []
    send, receive = Connection.send, Connection.receive_many

    def note(messages: Any) -> None:
        for message in messages:
            over.extend([True] if isinstance(message, Buy) else [])
            if not over:
                seen.append(type(message).__name__)

    async def sending(self: Connection, *messages: Any) -> None:
        note(messages)
        await send(self, *messages)

    async def receiving(self: Connection, timeout: float | None = None) -> list[Any]:
        messages = await receive(self, timeout)
        note(messages)
        return messages

    with patch.object(Connection, "send", sending), patch.object(Connection, "receive_many", receiving):
        yield seen


async def _open() -> Sample:
    with TemporaryDirectory() as folder:
        async with Stage.open(Path(folder), 60_000) as stage:
            a, b = [await stage.device(name, *PLACES[n], 100) for n, name in enumerate(("alice", "bob"))]
            file = Path(folder) / "one-chunk"
            file.write_bytes(os.urandom(1_000))
            shop = await stage.seller(b, file)
            order = Order(shop.data, "127.0.0.1", shop.port, Path(folder) / "bought", 1)
            start = perf_counter()
            with _counted() as messages:
                async with stage.buyer(a, Plan()) as buyer:
                    await buyer.buy(order)
            return Sample(len(messages), {"a whole purchase of one chunk, s": perf_counter() - start})


FIGURES = (
    Figure(
        "channel.open.legs",
        "one-way messages between the two devices until a channel is open (the ledgers' own time apart)",
        "messages",
        "lower",
        lambda: asyncio.run(_open()),
        goal=5,
        runs=1,
    ),
)
