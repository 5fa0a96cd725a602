"""Frames over TLS: what is not a message, what is too long, who is gone, and who is not who it should be."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_identity import Identity as Person
from tests.support.memory_identity import authority, identity
from tests.support.memory_proofs import trust_in
from zoneshare.identity import Identity
from zoneshare.ledger import LedgerUnavailable
from zoneshare.trade.listener import Listener
from zoneshare.trade.messages import Ask, Message, Opened, Refuse
from zoneshare.trade.moment import SystemClock
from zoneshare.trade.peers import RENEWED_MS, PeerBook, renewing
from zoneshare.trade.wire import MAX_FRAME, Connection, PeerGone, connect, serve
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import (
    LimitExceeded,
    Malformed,
    Misuse,
    NotAllowed,
    NotFound,
    RuleBroken,
    ZoneshareError,
    to_wire,
)
from zoneshare_protocols.sharing.records import Trust

ALICE = identity("Org1MSP", "alice")
BOB = identity("Org2MSP", "bob")
BOOK = PeerBook([trust_in("zone-b", ("Org1MSP", "Org2MSP"))])
ASK = Ask(bytes(32))


def own(person: Person) -> Identity:
    return Identity(person.mspid, person.certificate, person.key)


@asynccontextmanager
async def served(
    handle: Callable[[Connection], Awaitable[None]], person: Person = BOB, book: PeerBook = BOOK
) -> AsyncIterator[int]:
    server = await serve("127.0.0.1", 0, own(person), book, handle)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def answer_to(raw: bytes) -> ZoneshareError:
    """What a server says to these bytes."""
    errors: list[ZoneshareError] = []

    async def handle(connection: Connection) -> None:
        try:
            while True:
                await connection.receive_many(5.0)
        except ZoneshareError as error:
            errors.append(error)
            raise

    async with served(handle) as port:
        context = BOOK.context(own(ALICE), server=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(raw)
        await writer.drain()
        if len(raw) >= 4:
            told = await asyncio.wait_for(reader.read(4096), 5)
            refused = decode(Refuse, told[4:])
            assert type(errors[0]).__name__ in refused.error
        writer.close()
        while not errors:
            await asyncio.sleep(0.001)
    return errors[0]


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


SPELLED_LONGER = b"\xdc\x00" + bytes([encode(ASK)[0] & 0x0F]) + encode(ASK)[1:]
"""The same message, with two bytes for its number of fields."""


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"hello", b"\x93\xa3ask", encode(ASK) + b"\x00", encode(["ask/1", b"short"]), SPELLED_LONGER],
)
def test_what_is_no_message(body: bytes) -> None:
    assert isinstance(asyncio.run(answer_to(frame(body))), Malformed)


@pytest.mark.parametrize("size", [MAX_FRAME + 1, 2**31, 2**32 - 1])
def test_too_long_is_refused_by_its_length(size: int) -> None:
    error = asyncio.run(answer_to(size.to_bytes(4, "big")))
    assert isinstance(error, LimitExceeded)
    assert error.values["value"] == size


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(body: bytes) -> None:
    try:
        decode(Message, body)  # type: ignore[arg-type]  # a union of records is no class
    except Malformed:
        return


def test_gone_in_the_middle_of_a_message() -> None:
    async def play() -> None:
        context = BOOK.context(own(BOB), server=True)

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(frame(encode(ASK)) + frame(encode(ASK))[:-1])
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(half, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        connection = await connect("127.0.0.1", port, own(ALICE), BOOK)
        assert await connection.receive(Ask) == ASK
        with pytest.raises(PeerGone, match="in the middle"):
            await connection.receive(Ask)
        await connection.close()
        server.close()

    asyncio.run(play())


def test_many_messages_in_one_read_and_one_in_many() -> None:
    async def play() -> None:
        async def echo(connection: Connection) -> None:
            while True:
                await connection.send(*await connection.receive_many())

        async with served(echo) as port:
            connection = await connect("127.0.0.1", port, own(ALICE), BOOK)
            asked = [Ask(bytes([n]) * 32) for n in range(100)]
            await connection.send(*asked)
            assert [await connection.receive(Ask) for _ in asked] == asked
            await connection.send(ASK)
            with pytest.raises(Malformed, match="expected Opened"):
                await connection.receive(Opened)
            await connection.close()

    asyncio.run(play())


def test_a_refusal_comes_across_as_the_error_it_is_after_what_came_before() -> None:
    async def play() -> None:
        async def refuse(connection: Connection) -> None:
            await connection.receive(Ask)
            await connection.send(ASK, Refuse(to_wire(NotFound("no such data", data="00"))))

        async with served(refuse) as port:
            connection = await connect("127.0.0.1", port, own(ALICE), BOOK)
            await connection.send(ASK)
            assert await connection.receive_many() == [ASK]
            with pytest.raises(NotFound, match="no such data"):
                await connection.receive_many()
            await connection.close()

    asyncio.run(play())


def test_an_error_without_a_known_form_is_still_a_refusal() -> None:
    async def play() -> None:
        async def refuse(connection: Connection) -> None:
            await connection.send(Refuse("gibberish"))

        async with served(refuse) as port:
            connection = await connect("127.0.0.1", port, own(ALICE), BOOK)
            with pytest.raises(RuleBroken, match="did not say why"):
                await connection.receive_many()

    asyncio.run(play())


def test_the_session_is_bound_to_the_account() -> None:
    seen: list[str] = []

    async def play() -> None:
        async def look(connection: Connection) -> None:
            seen.append(connection.peer.account)
            await connection.receive(Ask)

        async with served(look) as port:
            connection = await connect("127.0.0.1", port, own(ALICE), BOOK)
            assert connection.peer.account == BOB.account
            assert connection.peer.zones == frozenset({"zone-b"})
            await connection.send(ASK)
            with pytest.raises(PeerGone):
                await connection.receive_many()
            await connection.close()

    asyncio.run(play())
    assert seen == [ALICE.account]


GOT_IN: list[str] = []


async def never(connection: Connection) -> None:
    GOT_IN.append(connection.peer.account)


async def shut_out(port: int, who: Person) -> None:
    """The handshake, or the first read after it, fails; and the server's handler never sees the client."""
    GOT_IN.clear()
    with pytest.raises((NotAllowed, PeerGone)):
        await first_word(port, who)
    assert GOT_IN == []


async def first_word(port: int, who: Person) -> None:
    connection = await connect("127.0.0.1", port, own(who), BOOK)
    await connection.receive_many(5.0)


STRANGER = authority("Org9MSP").issue("eve")
IMPOSTOR = authority("Org1MSP", 1).issue("alice")


@pytest.mark.parametrize("who", [STRANGER, IMPOSTOR], ids=["stranger", "impostor"])
def test_a_client_of_no_trusted_ca(who: Person) -> None:
    async def play() -> None:
        async with served(never) as port:
            await shut_out(port, who)

    asyncio.run(play())


@pytest.mark.parametrize("who", [STRANGER, IMPOSTOR], ids=["stranger", "impostor"])
def test_a_server_of_no_trusted_ca(who: Person) -> None:
    async def play() -> None:
        async with served(never, who) as port:
            with pytest.raises(NotAllowed, match="no zone that is trusted"):
                await connect("127.0.0.1", port, own(ALICE), BOOK)

    asyncio.run(play())


def test_a_revoked_certificate() -> None:
    crl = authority("Org1MSP").revoke(ALICE)
    book = PeerBook([trust_in("zone-b", ("Org1MSP", "Org2MSP"), revoked=(crl,))])

    async def play() -> None:
        async with served(never, BOB, book) as port:
            await shut_out(port, ALICE)

    asyncio.run(play())


def test_what_is_trusted_later() -> None:
    """A book renewed while the server runs: a new CA's device comes in, a revoked one and one of no CA any more not."""
    book = PeerBook([trust_in("zone-b", ("Org2MSP",))])
    crl = authority("Org1MSP").revoke(ALICE)

    async def play() -> None:
        async with served(never, BOB, book) as port:
            await shut_out(port, ALICE)
            book.renew([trust_in("zone-b", ("Org1MSP", "Org2MSP"))])
            with pytest.raises(PeerGone):
                await first_word(port, ALICE)
            assert len(GOT_IN) == 1
            book.renew([trust_in("zone-b", ("Org1MSP", "Org2MSP"), revoked=(crl,))])
            await shut_out(port, ALICE)
            book.renew([trust_in("zone-b", ("Org2MSP",))])
            await shut_out(port, ALICE)

    asyncio.run(play())


def told_in_turn(answers: list[LedgerUnavailable | Trust]) -> Callable[[], tuple[Trust, ...]]:
    """A ledger that answers so, one after the other."""

    def trusted() -> tuple[Trust, ...]:
        answer = answers.pop(0)
        if isinstance(answer, LedgerUnavailable):
            raise answer
        return (answer,)

    return trusted


def test_a_role_asks_anew_whom_it_trusts() -> None:
    book = PeerBook([trust_in("zone-b", ("Org2MSP",))])
    answers: list[LedgerUnavailable | Trust] = [LedgerUnavailable("away"), trust_in("zone-b", ("Org1MSP",))]

    class Turning(SystemClock):
        async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
            if not answers:
                raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(renewing(book, told_in_turn(answers), Turning()))
    certificate = x509.load_pem_x509_certificate(ALICE.certificate).public_bytes(Encoding.DER)
    assert book.identify(certificate).zones == {"zone-b"}


def test_a_listener_waits_for_its_ledger_and_asks_it_anew() -> None:
    """Away at the start; then nobody of Org1's is trusted, and a minute later everybody."""
    answers: list[LedgerUnavailable | Trust] = [LedgerUnavailable("away")]
    answers += [trust_in("zone-b", ("Org2MSP",)), trust_in("zone-b", ("Org1MSP", "Org2MSP"))]
    minute, renewed = asyncio.Event(), asyncio.Event()

    class Turning(SystemClock):
        async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
            if span_ms == RENEWED_MS:
                if not answers:
                    renewed.set()
                await minute.wait()
                minute.clear()

    async def play() -> None:
        listener = Listener(own(BOB), told_in_turn(answers), Turning())
        port = await listener.start("127.0.0.1", 0, never)
        await shut_out(port, ALICE)
        minute.set()
        await renewed.wait()
        with pytest.raises(PeerGone):
            await first_word(port, ALICE)
        assert len(GOT_IN) == 1
        with pytest.raises(Misuse, match="cannot listen"):
            await Listener(own(BOB), lambda: [trust_in("zone-b", ("Org2MSP",))], Turning()).start(
                "127.0.0.1", port, never
            )
        await listener.stop()
        with pytest.raises(PeerGone, match="cannot reach"):
            await connect("127.0.0.1", port, own(ALICE), BOOK)

    asyncio.run(asyncio.wait_for(play(), 30))


def test_a_client_without_a_certificate_or_with_an_old_tls() -> None:
    async def play() -> None:
        async with served(never) as port:
            GOT_IN.clear()
            bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            bare.check_hostname = False
            bare.verify_mode = ssl.CERT_NONE
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=bare)
            try:
                heard = await reader.read(1)
            except OSError:
                heard = b""
            assert heard == b""
            writer.close()
            assert GOT_IN == []
            old = BOOK.context(own(ALICE), server=False)
            old.minimum_version = ssl.TLSVersion.TLSv1_2
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", port, ssl=old)

    asyncio.run(play())


def test_nobody_listens_and_a_port_in_use() -> None:
    async def play() -> None:
        async with served(never) as port:
            with pytest.raises(Misuse) as taken:
                await serve("127.0.0.1", port, own(BOB), BOOK, never)
        other = "say another port with --port, 0 for a free one"
        assert str(taken.value) == f"cannot listen on 127.0.0.1:{port}: Address already in use; {other}"
        with pytest.raises(Misuse, match=r"cannot listen on 192\.0\.2\.1:7400: Cannot assign requested address$"):
            await serve("192.0.2.1", 7400, own(BOB), BOOK, never)
        with pytest.raises(PeerGone, match="cannot reach"):
            await connect("127.0.0.1", 1, own(ALICE), BOOK)

    asyncio.run(play())


def test_a_message_too_long_is_not_sent() -> None:
    async def play() -> None:
        async def wait(connection: Connection) -> None:
            await connection.receive_many()

        async with served(wait) as port:
            connection = await connect("127.0.0.1", port, own(ALICE), BOOK)
            with pytest.raises(LimitExceeded):
                await connection.send(Refuse("x" * (MAX_FRAME + 1)))
            with pytest.raises(PeerGone, match="in time"):
                await connection.receive_many(0.01)
            await connection.close()

    asyncio.run(play())


def test_trusting_nobody() -> None:
    with pytest.raises(Misuse):
        PeerBook([])
