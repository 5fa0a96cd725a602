"""The worker process as the SDK sees it: calls and answers over a socket, from many threads at once."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Future
from typing import BinaryIO

from zoneshare.hfc.messages import (
    HEAD,
    INTERPRETER,
    Answer,
    Call,
    Cancel,
    Failed,
    Network,
    Next,
    Open,
    Reply,
    Request,
    Shut,
    Verdict,
    frame,
)
from zoneshare.transport import TransportFailure
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import Malformed, Misuse

START_S = 60.0
"""For a worker to load hfc, in seconds: pure-Python protobuf takes a few on a busy machine."""
GRACE_S = 2.0
"""How much later than the worker we give a call up."""
STOP_S = 5.0


class Worker:
    """A worker for ``network``, started at the first call, and again at the next one after it has died.

    Safe to use from many threads. What was under way when it died fails as UNAVAILABLE.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        with self._lock:
            return self._running.process.pid if self._running is not None and self._running.alive else None

    def call(self, request: Request, timeout: float | None) -> Answer | Verdict:
        """The worker's answer. Raises TransportFailure; Misuse where hfc is not installed.

        ``timeout`` is in seconds; None: as long as it takes.
        """
        running = self._start()
        future = running.send(request, timeout)
        return running.wait(future, timeout)

    def begin(self, request: Open, timeout: float) -> "Stream":
        """Blocks, as :meth:`call` would ask for them; they end with this run of the worker."""
        running = self._start()
        pending = running.send(request, timeout)
        running.wait(pending, timeout)
        return Stream(running, pending.number)

    def close(self) -> None:
        """End the process; what is under way fails as CANCELLED."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running is not None:
            running.stop()

    def _start(self) -> "_Running":
        with self._lock:
            if self._closed:
                raise TransportFailure("CANCELLED", "the connection was closed")
            if self._running is None or not self._running.alive:
                if self._running is not None:
                    self._running.stop()
                self._running = None
                started = _Running()
                try:
                    started.wait(started.send(self._network, START_S), START_S)
                except TransportFailure as failure:
                    started.stop()
                    if failure.code == "FAILED_PRECONDITION":
                        raise Misuse(failure.message) from failure
                    raise
                self._running = started
            return self._running


class Stream:
    """An open stream of blocks in one run of the worker."""

    def __init__(self, running: "_Running", number: int) -> None:
        self._running = running
        self._number = number

    def next(self) -> bytes:
        """The next common.Block, whenever it comes. Raises TransportFailure."""
        answer = self._running.wait(self._running.send(Next(self._number), None), None)
        if not isinstance(answer, Answer):
            raise TransportFailure("INTERNAL", "the hfc worker answered something else")
        return answer.parts[0]

    def shut(self) -> None:
        """From any thread: whoever waits for the next block gets CANCELLED."""
        self._running.tell(Shut(self._number))


class _Pending(Future[Answer | Verdict]):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _Running:
    """One run of the process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # A session of its own: an interrupt from the terminal is for us to handle, and closing the socket ends it.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "zoneshare.hfc.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, INTERPRETER: "python", "GRPC_VERBOSITY": "NONE"},
                start_new_session=True,
            )
        self.alive = True
        self._socket = ours
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._reader = threading.Thread(target=self._read, name="hfc-worker", daemon=True)
        self._reader.start()

    def send(self, request: Request, timeout: float | None) -> _Pending:
        pending = _Pending(next(self._numbers))
        with self._lock:
            self._pending[pending.number] = pending
            alive = self.alive
        if alive:
            limit = 0 if timeout is None else max(1, int(timeout * 1000))
            self._write(Call(pending.number, request, limit))
        else:
            self._settle(Reply(pending.number, _DIED))
        return pending

    def wait(self, pending: _Pending, timeout: float | None) -> Answer | Verdict:
        """Raises TransportFailure."""
        try:
            return pending.result(None if timeout is None else timeout + GRACE_S)
        except TimeoutError as cause:
            self.tell(Cancel(pending.number))
            raise TransportFailure("DEADLINE_EXCEEDED", "the hfc worker does not answer") from cause
        except CancelledError as cause:
            raise TransportFailure("CANCELLED", "the connection was closed") from cause
        finally:
            with self._lock:
                self._pending.pop(pending.number, None)

    def tell(self, request: Request) -> None:
        """What has no answer."""
        self._write(Call(next(self._numbers), request, 0))

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(STOP_S)
        self._socket.close()

    def _write(self, call: Call) -> None:
        # A dead worker is told of by the reader.
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(frame(call))

    def _read(self) -> None:
        with self._socket.makefile("rb") as file, contextlib.suppress(OSError, Malformed):
            while (reply := _reply(file)) is not None:
                self._settle(reply)
        with self._lock:
            self.alive = False
            left = tuple(self._pending)
        for number in left:
            self._settle(Reply(number, _DIED))

    def _settle(self, reply: Reply) -> None:
        with self._lock:
            pending = self._pending.pop(reply.number, None)
        if pending is None:
            return
        result = reply.result
        if isinstance(result, Failed):
            pending.set_exception(TransportFailure(result.code, result.message, result.details))
        else:
            pending.set_result(result)


_DIED = Failed("UNAVAILABLE", "the hfc worker has died")


def _reply(file: BinaryIO) -> Reply | None:
    """The next one; None at the end. Raises Malformed."""
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (size,) = HEAD.unpack(head)
    body = file.read(size)
    return decode(Reply, body) if len(body) == size else None
