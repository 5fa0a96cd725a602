"""Frames over mutually authenticated TLS 1.3: four bytes of length, then one canonical record."""

import asyncio
import contextlib
import errno
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from zoneshare.identity import Identity
from zoneshare.trade.frames import Frames
from zoneshare.trade.messages import Message, Refuse
from zoneshare.trade.peers import Peer, PeerBook
from zoneshare_protocols.codec import Record, decode, decode_loosely, encode_parts
from zoneshare_protocols.errors import (
    LedgerFailed,
    LimitExceeded,
    Malformed,
    Misuse,
    NotAllowed,
    RuleBroken,
    ZoneshareError,
    from_wire,
    to_wire,
)

log = logging.getLogger(__name__)

MAX_FRAME = 4 << 20
"""Bytes of one message; a longer one is refused by its length, before it is read."""
HANDSHAKE_S = 10.0
_TAKEN = (errno.EADDRINUSE, errno.EACCES)

M = TypeVar("M")


class Language(NamedTuple):
    """What is spoken on a connection: a union of records (Refuse among them), and bytes of one message at most.

    ``canonical``: only the one spelling of a message is taken; else any, for what carries matrices.
    """

    messages: Any
    max_frame: int
    canonical: bool = True


TRADE = Language(Message, MAX_FRAME)


class PeerGone(LedgerFailed):
    """The other device closed the connection, broke it off in a message, or did not answer in time."""

    retryable = True


class Connection:
    """One session with one account of the other zone. Any task may send; one at a time may receive."""

    def __init__(self, frames: Frames, peer: Peer, timeout: float = 60.0, *, language: Language = TRADE) -> None:
        self.peer = peer
        self._language = language
        self._frames = frames
        self._timeout = timeout
        self._ready: list[Any] = []

    async def send(self, *messages: Record) -> None:
        """Raises PeerGone."""
        bodies = [encode_parts(message) for message in messages]
        for size in (len(first) + len(rest) for first, rest in bodies):
            if size > self._language.max_frame:
                raise LimitExceeded("a message is too long to send", value=size, limit=self._language.max_frame)
        try:
            async with asyncio.timeout(self._timeout):
                await self._frames.send(bodies)
        except (OSError, TimeoutError) as cause:
            raise PeerGone("the other device is gone") from cause

    async def receive_many(self, timeout: float | None = None) -> list[Any]:
        """All messages at hand, at least one. Raises PeerGone, Malformed, LimitExceeded, or what the peer refused with.

        ``timeout`` in seconds; the connection's own when None.
        """
        messages, self._ready = self._ready, []
        if messages:
            return messages
        await self._wait(timeout)
        while (frame := self._frames.look()) is not None:
            message = _message(self._language, frame)
            if isinstance(message, Refuse):
                if messages:
                    break
                raise from_wire(message.error) or RuleBroken("the other device refused, and did not say why")
            self._frames.take()
            messages.append(message)
        return messages

    async def receive(self, kind: type[M], timeout: float | None = None) -> M:
        """The next message, which must be a ``kind``; raises as :meth:`receive_many`."""
        return expect(kind, await self.receive_one(timeout))

    async def receive_one(self, timeout: float | None = None) -> Message:
        """The next message; raises as :meth:`receive_many`."""
        first: Message
        first, *self._ready = await self.receive_many(timeout)
        return first

    async def close(self) -> None:
        self._frames.transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._frames.closed.wait()

    async def refuse(self, error: ZoneshareError) -> None:
        """Tell the other side why, if it still listens."""
        with contextlib.suppress(ZoneshareError):
            await self.send(Refuse(to_wire(error)[:4096]))

    async def _wait(self, timeout: float | None) -> None:
        if self._frames.look() is not None:
            return
        try:
            async with asyncio.timeout(timeout or self._timeout):
                await self._frames.wait()
        except TimeoutError as cause:
            raise PeerGone("the other device did not answer in time") from cause
        except EOFError as cause:
            inside = " in the middle of a message" if self._frames.inside else ""
            raise PeerGone(f"the other device closed the connection{inside}") from cause
        except ssl.SSLError as cause:
            raise NotAllowed("the other device does not take our certificate") from cause
        except OSError as cause:
            raise PeerGone("the other device is gone") from cause


def expect(kind: type[M], message: Message) -> M:
    """The message, which must be a ``kind``. Raises Malformed."""
    if not isinstance(message, kind):
        raise Malformed(f"expected {kind.__name__}, and got {type(message).__name__}")
    return message


async def connect(host: str, port: int, identity: Identity, book: PeerBook, language: Language = TRADE) -> Connection:
    """A session with whoever listens there. Raises PeerGone; NotAllowed when no trusted CA vouches for it."""
    context = book.context(identity, server=False)
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            _, frames = await asyncio.get_running_loop().create_connection(
                lambda: Frames(language.max_frame), host, port, ssl=context
            )
    except ssl.SSLCertVerificationError as cause:
        raise NotAllowed("the other device's certificate is of no zone that is trusted here") from cause
    except (OSError, TimeoutError) as cause:
        raise PeerGone(f"cannot reach a device at {host}:{port}") from cause
    try:
        return Connection(frames, _peer(frames, book), language=language)
    except ZoneshareError:
        frames.transport.close()
        raise


async def serve(
    host: str,
    port: int,
    identity: Identity,
    book: PeerBook,
    handle: Callable[[Connection], Awaitable[None]],
    *,
    language: Language = TRADE,
) -> asyncio.Server:
    """Listen; ``handle`` gets every session, and a zoneshare error it raises is told to the peer.

    Raises Misuse when the port is in use.
    """

    loop = asyncio.get_running_loop()
    sessions: set[asyncio.Task[None]] = set()

    def made(frames: Frames) -> None:
        session = loop.create_task(accepted(frames))
        sessions.add(session)
        session.add_done_callback(sessions.discard)

    async def accepted(frames: Frames) -> None:
        try:
            connection = Connection(frames, _peer(frames, book), language=language)
        except ZoneshareError as refused:
            log.warning("a device was turned away: %s", refused)
            frames.transport.close()
            return
        try:
            await handle(connection)
        except PeerGone:
            log.info("%s is gone", connection.peer.account)
        except ZoneshareError as refused:
            log.warning("%s was refused: %s", connection.peer.account, refused)
            await connection.refuse(refused)
        finally:
            await connection.close()

    context = book.context(identity, server=True)
    try:
        return await loop.create_server(
            lambda: Frames(language.max_frame, made), host, port, ssl=context, ssl_handshake_timeout=HANDSHAKE_S
        )
    except OSError as cause:
        # asyncio puts a sentence of its own around the system's.
        why = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or cause
        # Every command that listens has this option.
        other = "; say another port with --port, 0 for a free one" if cause.errno in _TAKEN else ""
        raise Misuse(f"cannot listen on {host}:{port}: {why}{other}") from cause


def _peer(frames: Frames, book: PeerBook) -> Peer:
    tls: ssl.SSLObject = frames.transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True)
    if certificate is None:
        raise NotAllowed("the other device showed no certificate")
    return book.identify(certificate)


def _message(language: Language, frame: bytes | memoryview) -> Any:
    try:
        if language.canonical:
            return decode(language.messages, bytes(frame))
        return decode_loosely(language.messages, frame)
    except Malformed as cause:
        raise Malformed("a frame from the other device is not a message") from cause
