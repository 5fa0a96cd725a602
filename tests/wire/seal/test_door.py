"""The enclave's door on real TLS: what it answers, whom it refuses, and what it keeps on the disk."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contracts.seal.seal_world import Round, SealWorld, bid_for
from tests.support.memory_identity import Identity as Person
from tests.support.memory_identity import identity
from tests.support.memory_ledger import as_identity
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.enclave_client import EnclaveClient
from zoneshare.seal.enclave_messages import ENCLAVE, Prepared, Received
from zoneshare.seal.enclave_server import EnclaveFailed, EnclaveServer
from zoneshare.seal.enclave_store import FolderStore
from zoneshare.seal.sealing import seal_bid
from zoneshare.trade import wire
from zoneshare.trade.moment import Clock, SystemClock
from zoneshare.trade.peers import PeerBook
from zoneshare.trade.wire import PeerGone
from zoneshare_protocols.errors import BadSignature, Malformed, NotAllowed, NotFound
from zoneshare_protocols.sharing.records import Trust


class Door:
    """A world whose enclave is behind a real door, with a real folder."""

    def __init__(self, folder: Path) -> None:
        self.world = SealWorld()
        self.folder = folder
        self.peers = PeerBook([self.world.trust])
        self.port = 0

    def enclave(self) -> Enclave:
        return Enclave(self.world.platform, self.world.trust, FolderStore(self.folder), lambda: self.world.now)

    @asynccontextmanager
    async def opened(
        self, trusted: Callable[[], list[Trust]] | None = None, clock: Clock | None = None
    ) -> AsyncIterator[Enclave]:
        enclave = self.world.enclave = self.enclave()
        trusted = trusted or (lambda: [self.world.trust])
        server = EnclaveServer(
            enclave, as_identity(self.world.dora), trusted, clock or SystemClock(), [self.world.dora.account]
        )
        self.port = await server.start("127.0.0.1", 0)
        try:
            yield enclave
        finally:
            await server.stop()

    def client(self, who: Person) -> EnclaveClient:
        return EnclaveClient("127.0.0.1", self.port, as_identity(who), self.peers)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path / "enclave")


def test_from_the_notice_to_the_result(door: Door) -> None:
    world = door.world

    async def go() -> None:
        async with door.opened():
            opening = await door.client(world.dora).prepare(world.notice())
            one = Round(world, opening)
            for who, price in ((world.ann, 100), (world.bob, 150)):
                sealed = one.bid(who, bid_for((1, price), (2, price)), deliver=False)
                one.receipts[who.account] = await door.client(who).deliver(sealed, opening)
            one.close_bids()
            one.pay_in(world.ann, world.bob)
            one.close_deposits()
        async with door.opened():
            found = await door.client(world.cid).decide(one.order())
            one.record(found)

    asyncio.run(go())


def test_whom_it_refuses(door: Door) -> None:
    world = door.world

    async def go() -> None:
        async with door.opened():
            with pytest.raises(NotAllowed, match="not for your auctions"):
                await door.client(world.ann).prepare(world.notice())
            opening = await door.client(world.dora).prepare(world.notice())
            sealed = seal_bid(bid_for((1, 1)), opening.notice, opening.quote.quote, world.ann.account)
            with pytest.raises(NotAllowed, match="itself"):
                await door.client(world.bob).deliver(sealed, opening)
            stranger = identity("Org9MSP", "eve")
            with pytest.raises((NotAllowed, PeerGone)):
                await door.client(stranger).deliver(sealed, opening)
            talk = await wire.connect("127.0.0.1", door.port, as_identity(world.ann), door.peers, ENCLAVE)
            await talk.send(Received(b"r" * 64))
            with pytest.raises(Malformed, match="not for an enclave"):
                await talk.receive_one()
            await talk.close()

    asyncio.run(go())


def test_a_receipt_and_a_notice_that_are_not_ours(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    world = door.world

    async def go() -> None:
        async with door.opened() as enclave:
            opening = await door.client(world.dora).prepare(world.notice())
            sealed = seal_bid(bid_for((1, 1)), opening.notice, opening.quote.quote, world.ann.account)
            monkeypatch.setattr(enclave, "take", lambda *_: b"r" * 64)
            with pytest.raises(BadSignature):
                await door.client(world.ann).deliver(sealed, opening)
            monkeypatch.setattr(enclave, "prepare", lambda *_: opening)
            with pytest.raises(Exception, match="another auction"):
                await door.client(world.dora).prepare(world.notice(nonce=1))
            assert Prepared(opening).opening == opening

    asyncio.run(go())


def test_a_failure_inside_tells_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its text and its traceback could hold a bid."""
    world = door.world
    caplog.set_level(logging.DEBUG)

    def fail(*_: object) -> None:
        raise ValueError("price 7316294518")

    async def go() -> None:
        async with door.opened() as enclave:
            monkeypatch.setattr(enclave, "prepare", fail)
            with pytest.raises(EnclaveFailed) as refusal:
                await door.client(world.dora).prepare(world.notice())
            assert "7316294518" not in str(refusal.value)

    asyncio.run(go())
    assert "ValueError" in caplog.text
    assert "7316294518" not in caplog.text


def test_what_is_on_the_disk_and_what_is_not(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    world = door.world
    enclave = door.enclave()
    opening = enclave.prepare(world.notice(), world.dora.account)
    here = enclave._auctions[opening.notice.id]
    sealed = seal_bid(bid_for((1, 1)), opening.notice, opening.quote.quote, world.ann.account)
    receipt = enclave.take(sealed, world.ann.account)
    secret = (here.signing.private_bytes_raw(), here.sealing.private_bytes_raw())
    files = [path for path in door.folder.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert not [path for path in files for key in secret if key in path.read_bytes()]

    folder = door.folder / opening.notice.id.hex()
    (folder / ".torn.bid.half").write_bytes(b"torn")
    again = door.enclave()
    assert again.take(sealed, world.ann.account) == receipt
    (bid,) = folder.glob("*.bid")
    bid.write_bytes(b"damaged")
    assert door.enclave().take(sealed, world.ann.account) == receipt
    assert "no sealed bid" in caplog.text

    world.wait_until(opening.notice.timers.auction + 1)
    again.prepare(world.notice(nonce=1), world.dora.account)
    assert not folder.exists()
    with pytest.raises(NotFound):
        again.take(sealed, world.ann.account)
