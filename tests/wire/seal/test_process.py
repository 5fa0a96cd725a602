"""A whole auction over the embedded Fabric's servers, with the enclave in a process of its own; and what gets out."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.rules.seal.market import BARE, task
from zoneshare.cli.main import run
from zoneshare.device import Device
from zoneshare.seal.enclave_client import EnclaveClient
from zoneshare.seal.ledger import Auctions
from zoneshare.seal.sealing import seal_bid
from zoneshare.seal.setup import make_notice
from zoneshare.trade import wire
from zoneshare.trade.peers import PeerBook
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.errors import NotAllowed
from zoneshare_protocols.seal.attestation import check_opening
from zoneshare_protocols.seal.bids import Agreement, Notice, SealedBid
from zoneshare_protocols.seal.hashchain import Commit, make_chain, meta
from zoneshare_protocols.seal.ledger import Observed, Opening
from zoneshare_protocols.seal.phases import Phase, Timers
from zoneshare_protocols.seal.records import Bid, Item

PROGRAM = [sys.executable, "-m", "tests.wire.cli.command"]
ROOT = Path(__file__).parents[3]
STEP_MS = 5_000
PATIENCE_S = 60.0
TERMS = msgspec.structs.replace(BARE, cap=10**12, stall=7, slack=500)
TASKS = (task(1, size=1_000_000, deadline=3_000), task(2, size=1_000_000, deadline=3_000))
BIDS = {
    "ann": Bid(7_310_250_413, (Item(1, 3_141_592_653, 817_364_529_171), Item(2, 2_718_281_828, 629_174_358_213))),
    "bob": Bid(6_120_730_559, (Item(1, 2_236_067_977, 904_518_273_649), Item(2, 1_732_050_807, 718_293_645_107))),
}
"""No number here is met by chance."""


class Site:
    """A network with its zones, dora the drone, ann and bob in one zone, and dora's enclave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), "ZONESHARE_HOME": str(folder / "devices")}
        self.processes: list[subprocess.Popen[str]] = []
        self.logs = folder / "logs"
        self.logs.mkdir()

    def start(self, log: str, *words: str) -> subprocess.Popen[str]:
        """What it prints goes to a file, stderr too."""
        with (self.logs / log).open("a") as file:
            process = subprocess.Popen([*PROGRAM, *words], cwd=self.folder, env=self.env, stdout=file, stderr=file,
                                       text=True)  # fmt: skip
        self.processes.append(process)
        return process

    def until(self, log: str, text: str) -> str:
        end = time.monotonic() + PATIENCE_S
        while text not in (found := (self.logs / log).read_text()):
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found

    def enclave(self) -> tuple[subprocess.Popen[str], int]:
        log = f"enclave{len(self.processes)}"
        process = self.start(log, "enclave", "serve", "dora", "--port", "0", "--json")
        found: int = json.loads(self.until(log, "}"))["port"]
        return process, found

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(PATIENCE_S)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.chdir(tmp_path)
    made = Site(tmp_path)
    monkeypatch.setenv("ZONESHARE_HOME", made.env["ZONESHARE_HOME"])
    try:
        made.start("network", "network", "up", "--dir", "net", "--port", "0", "--batch-timeout", "2")
        made.until("network", "ready")
        command("zones init --network net")
        for name in ("dora", "ann", "bob"):
            command(f"device new {name} --network net --at 37.76,-122.43")
            command(f"account issue {name} {10**13} --network net")
        command("enclave init dora --network net")
        yield made
    finally:
        made.close()


def command(line: str) -> None:
    assert run(line.split()) == 0, line


class Party:
    def __init__(self, device: Device, port: int) -> None:
        self.device, self.account = device, device.account
        ledger = device.ledger()
        self.auctions = Auctions(ledger)
        self.peers = PeerBook(device.accounts().trusts())
        self.enclave = EnclaveClient("127.0.0.1", port, device.identity, self.peers)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def wait_until(moment: int) -> None:
    await asyncio.sleep(max(0, moment + 1 - now_ms()) / 1000)


def new_notice(dora: Party) -> Notice:
    begin = now_ms()
    timers = Timers(
        begin + STEP_MS, begin + 2 * STEP_MS, begin + 60_000, begin + 120_000, begin + 150_000, STEP_MS
    )  # fmt: skip
    measurement = dora.auctions.zone().measurements[0]
    return make_notice(
        dora.account, TASKS, TERMS, timers, measurement=measurement, nonce=os.urandom(16), budget=10**13
    )  # fmt: skip


async def bid(who: Party, id: bytes, offer: Bid) -> tuple[SealedBid, bytes]:
    """As a vehicle does it: look at the quote first."""
    opening = who.auctions.opening(id)
    check_opening(opening, who.auctions.zone(), now_ms())
    sealed = seal_bid(offer, opening.notice, opening.quote.quote, who.account)
    who.auctions.bid(id, sealed.hash)
    return sealed, await who.enclave.deliver(sealed, opening)


async def pay_in(dora: Party, id: bytes, opening: Opening, bidders: dict[str, tuple[Party, bytes]]) -> None:
    dora.auctions.advance(id)
    bids, quote = dora.auctions.bids(id), digest(opening.quote.quote)
    dora.auctions.fund(id, Observed(quote, digest(bids.hashes), (60_000,) * len(bids.bids)))
    for who, receipt in bidders.values():
        who.auctions.deposit(id)
        who.auctions.agree(id, Agreement(quote, digest(bids.hashes), who.account), receipt=receipt)


def spellings(bid: Bid) -> Iterator[bytes]:
    """The bid, and its numbers, in every encoding that one could think of; each too long to be met by chance."""
    yield encode(bid)
    for number in (bid.free, *(n for item in bid.items for n in (item.resource, item.price))):
        text = str(number).encode()
        real = msgspec.msgpack.encode(float(number))[1:]
        yield from (text, f"{number:,}".encode(), f"{number:_}".encode(), f"{number:.6e}"[:8].encode())
        yield from (text[::-1], text.decode().encode("utf-16-le"), text.hex().encode(), real[:6], real[::-1][2:])
        yield from (hex(number)[2:].encode(), hex(number)[2:].upper().encode(), oct(number)[2:].encode())
        yield from base64s(text)
        for raw in (number.to_bytes(8, "big").lstrip(b"\0"), number.to_bytes(8, "little").rstrip(b"\0")):
            yield from (raw, raw.hex().encode(), raw.hex().upper().encode(), *base64s(raw))


def base64s(data: bytes) -> Iterator[bytes]:
    """What can be seen of ``data`` in the base64 of something longer, wherever in it it stands."""
    for before in range(3):
        first, last = -(-before * 4 // 3), (before + len(data)) * 4 // 3
        found = base64.b64encode(bytes(before) + data)[first:last]
        yield from (found, found.replace(b"+", b"-").replace(b"/", b"_"))


def everything(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def test_a_whole_auction_and_no_bid_gets_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    decode_frame = wire._message

    def listen(messages: Any, frame: memoryview) -> Any:
        heard.append(bytes(frame))
        return decode_frame(messages, frame)

    monkeypatch.setattr(wire, "_message", listen)
    process, port = site.enclave()
    with ExitStack() as opened:
        devices = {n: opened.enter_context(Device.open(site.folder / "devices" / n)) for n in ("dora", "ann", "bob")}
        parties = {name: Party(device, port) for name, device in devices.items()}
        id = asyncio.run(whole(parties, site, process))
        closing = parties["dora"].auctions
        assert closing.auction(id).phase is Phase.EXCHANGE
        (winner,) = closing.winners(id)
        assert winner.bidder == parties["ann"].account
        assert all(paid > item.price for paid, item in zip(winner.prices, BIDS["ann"].items, strict=True))
    command("zones audit --network net")
    site.close()
    assert len(heard) >= 4
    places = [*everything(site.folder), *((Path("heard"), frame) for frame in heard)]
    assert any(id in data for path, data in places if path.is_relative_to(site.folder / "net"))
    for spelling in {spelling for offer in BIDS.values() for spelling in spellings(offer)}:
        assert len(spelling) >= 4
        assert [path for path, data in places if spelling in data] == []


async def whole(parties: dict[str, Party], site: Site, process: subprocess.Popen[str]) -> bytes:
    """Up to the commit; the enclave is killed before it decides, and goes on where it stopped."""
    dora = parties["dora"]
    notice = new_notice(dora)
    with pytest.raises(NotAllowed):
        await parties["ann"].enclave.prepare(notice)
    opening = await dora.enclave.prepare(notice)
    id = dora.auctions.open(opening).id
    receipts = {}
    for name, offer in BIDS.items():
        receipts[name] = (parties[name], (await bid(parties[name], id, offer))[1])
    await wait_until(notice.timers.init)
    await pay_in(dora, id, opening, receipts)
    process.kill()
    process.wait()
    _, port = site.enclave()
    await wait_until(notice.timers.deposit)
    dora.auctions.advance(id)
    again = EnclaveClient("127.0.0.1", port, dora.device.identity, dora.peers)
    found = await again.decide(dora.auctions.prove_ready(id))
    assert found == await again.decide(dora.auctions.prove_ready(id))
    dora.auctions.record(found.result, found.signature)
    (seat,) = found.result.outcome.winners
    chain = make_chain(id, seat, os.urandom(32), [award.payment for award in found.result.outcome.of(seat)])
    dora.auctions.commit(Commit(id, dora.account, (meta(seat, chain),), notice.timers.claim))
    return id
