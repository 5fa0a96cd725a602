"""Table 1: the four procedures of a trade of 100 kB chunks over one emulated link, setting by setting.

``python -m zoneshare_benchmarks.twolayer.table1`` runs one setting; a line of JSON in, one out.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from zoneshare.device_keys import DeviceKeys
from zoneshare.stores import Store
from zoneshare.trade import paying, seller, wares
from zoneshare.trade.buyer import DEFAULT_WINDOW
from zoneshare.trade.paying import Goods
from zoneshare.trade.wire import Connection
from zoneshare_benchmarks.links.kernel import cpu_share
from zoneshare_benchmarks.links.proxy import Forward
from zoneshare_benchmarks.twolayer.market import Links, Market, block_server, network
from zoneshare_benchmarks.twolayer.paper import TABLE1, Setting
from zoneshare_network import host
from zoneshare_protocols.errors import LedgerFailed

KEYS = 100


class Job(msgspec.Struct, frozen=True):
    """One setting, with so many chunks of 100 kB in one trade, and so many channels opened, each by a trade of its own;
    ``linked``: of those more with the ledger behind the link too."""

    setting: Setting
    chunks: int
    channels: int
    linked: int
    network: str
    store: int


class Measured(msgspec.Struct, frozen=True):
    """Milliseconds, each measurement by itself. ``create_all``: with the ledger behind the same link;
    nothing on a real network, which is not put behind one."""

    keygen_a: tuple[float, ...]
    keygen_b: tuple[float, ...]
    create: tuple[float, ...]
    create_all: tuple[float, ...]
    upload: tuple[float, ...]
    update: tuple[float, ...]
    """From the signed T_i to its countersignature and key; the paper's has the upload in it."""
    download: tuple[float, ...]
    pipelined: float
    """A chunk of the same trade with 16 under way: download, payment and key together."""
    cpu: str
    """Whether the share of the processor was applied."""


class _Watch:
    """When this process's connections sent and got messages, and what its stores took."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []
        self.put: list[float] = []
        self.got: list[float] = []
        self.encrypted: list[float] = []
        self.opened: list[float] = []

    def spans(self, first: str, last: str) -> list[float]:
        """Milliseconds from each ``first`` to the next ``last``."""
        found, begun = [], None
        for name, at in self.seen:
            if name == first:
                begun = at
            elif name == last and begun is not None:
                found.append((at - begun) * 1e3)
                begun = None
        return found

    @contextmanager
    def looking(self) -> Iterator[None]:
        send, receive, prepare, unlock = Connection.send, Connection.receive_many, wares.prepare, Goods.unlock

        async def sending(connection: Connection, *messages: Any) -> None:
            self._note("sent", messages)
            await send(connection, *messages)

        async def receiving(connection: Connection, timeout: float | None = None) -> list[Any]:
            messages = await receive(connection, timeout)
            self._note("got", messages)
            return messages

        def preparing(item: Any, *args: Any, **options: Any) -> Any:
            return _timed(self.encrypted, lambda: prepare(item, *args, **options), len(item.hashes))

        def unlocking(goods: Goods, index: int, key: bytes) -> Any:
            return _timed(self.opened, lambda: unlock(goods, index, key))

        with (
            patch.object(Connection, "send", sending),
            patch.object(Connection, "receive_many", receiving),
            patch.object(seller, "prepare", preparing),
            patch.object(Goods, "unlock", unlocking),
        ):
            yield

    def _note(self, how: str, messages: Any) -> None:
        now = time.perf_counter()
        self.seen += [(f"{how} {type(message).__name__}", now) for message in messages]

    def store(self, inner: Store) -> Store:
        return _TimedStore(inner, self)


class _TimedStore:
    def __init__(self, inner: Store, watch: _Watch) -> None:
        self._inner, self._watch = inner, watch

    def put(self, data: bytes) -> str:
        name: str = _timed(self._watch.put, lambda: self._inner.put(data))
        return name

    def get(self, name: str) -> bytes:
        data: bytes = _timed(self._watch.got, lambda: self._inner.get(name))
        return data

    def has(self, name: str) -> bool:
        return self._inner.has(name)


def _timed(into: list[float], work: Callable[[], Any], parts: int = 1) -> Any:
    start = time.perf_counter()
    done = work()
    into += [(time.perf_counter() - start) * 1e3 / parts] * parts
    return done


def _keys() -> tuple[float, ...]:
    """Ed25519 and X25519 keys of one device."""
    found: list[float] = []
    for _ in range(KEYS):
        _timed(found, lambda: _made(DeviceKeys(os.urandom(32))))
    return tuple(found)


def _made(keys: DeviceKeys) -> tuple[bytes, bytes]:
    return keys.signing_key, keys.envelope_key


async def _opened(job: Job, links: Links, channels: int) -> tuple[float, ...]:
    """Channels opened one after another, each by buying one chunk: a deposit that is spent is not taken up again."""
    async with Market.open(Path(job.network), job.store, links) as market:
        (pair,) = await market.pairs(1, 1, 1)
        watch = _Watch()
        with cpu_share(job.setting.cpu, os.getpid()), watch.looking():
            for number in range(channels):
                await pair.buyer.buy(pair.order(str(number)))
    return tuple(watch.spans("sent Ask", "got Opened"))


async def _traded(job: Job, links: Links) -> tuple[_Watch, float, str]:
    async with Market.open(Path(job.network), job.store, links) as market:
        watch = _Watch()
        (pair,) = await market.pairs(1, job.chunks, 1, wrap=watch.store)
        # With one fetcher a chunk's download is timed by itself.
        share, one_fetcher = cpu_share(job.setting.cpu, os.getpid()), patch.object(paying, "FETCHERS", 1)
        with share as said, watch.looking(), one_fetcher:
            await pair.buyer.buy(pair.order("one by one"))
        return watch, await _pipelined(market, job.chunks), said


async def _pipelined(market: Market, chunks: int) -> float:
    (pair,) = await market.pairs(1, chunks, DEFAULT_WINDOW)
    watch = _Watch()
    with watch.looking():
        await pair.buyer.buy(pair.order("pipelined"))
    first = next(at for name, at in watch.seen if name == "got Leaves")
    last = max(at for name, at in watch.seen if name == "got Key")
    return (last - first) * 1e3 / chunks


async def measure(job: Job) -> Measured:
    """One setting. Raises what roles, ledger and store raise."""
    forward = Forward(0, job.setting.delay, job.setting.mbit)
    create = await _opened(job, Links(forward), job.channels)
    embedded = host.announced(Path(job.network)) is not None
    create_all = await _opened(job, Links(forward, ledger=True), job.linked) if embedded else ()
    watch, pipelined, said = await _traded(job, Links(forward))
    return Measured(
        keygen_a=_keys(),
        keygen_b=_keys(),
        create=create,
        create_all=create_all,
        upload=tuple(a + b for a, b in zip(watch.encrypted, watch.put, strict=True)),
        update=tuple(watch.spans("sent Pay", "got Key")),
        download=tuple(a + b for a, b in zip(watch.got, watch.opened, strict=False)),
        pipelined=pipelined,
        cpu=said,
    )


def table(chunks: int, channels: int, linked: int, folder: Path | None = None) -> dict[Setting, Measured]:
    """All seven settings side by side, since they wait for their links, on a network's folder or a new embedded one.

    Raises LedgerFailed with the last words of a setting that failed.
    """
    with network(folder) as where, block_server() as store, ThreadPoolExecutor(len(TABLE1)) as threads:
        jobs = [Job(setting, chunks, channels, linked, str(where), store) for setting in TABLE1]
        return dict(zip(TABLE1, threads.map(_beside, jobs), strict=True))


def _beside(job: Job) -> Measured:
    words = (sys.executable, "-m", "zoneshare_benchmarks.twolayer.table1")
    done = subprocess.run(words, input=msgspec.json.encode(job), capture_output=True, check=False)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise LedgerFailed(f"Table 1, {job.setting.name}: {' '.join(last)}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Measured)


def main() -> None:
    """One job."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.write(msgspec.json.encode(asyncio.run(measure(job))).decode() + "\n")


if __name__ == "__main__":
    main()
