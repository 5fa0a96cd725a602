"""The worker process: what it has loaded, that it may die at any time, and that it ends with its owner."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.wire.ledger.harness import CHANNEL, Site
from zoneshare.gateway import Deadlines, GatewayLedger, Retries
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.hfc.messages import INTERPRETER, Await, Evaluate, Expect
from zoneshare.hfc.process import Worker
from zoneshare.ledger import CommitUnknown, LedgerUnavailable
from zoneshare.transport import TransportFailure
from zoneshare_protocols.errors import Misuse

LOADED = """
from zoneshare.hfc import worker
from zoneshare.hfc.shim import prepare
prepare()
from zoneshare.hfc import nodes, verdicts
import sys
from google.protobuf.internal import api_implementation
strangers = [name for name in sys.modules if name.startswith(("fabric_protos", "zoneshare_protocols.fabric"))]
print(api_implementation.Type(), strangers, "hfc.protos.peer.proposal_pb2" in sys.modules)
"""


def _run(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


def _kill(worker: Worker) -> int:
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def test_the_worker_has_hfcs_messages_and_no_others() -> None:
    assert _run(LOADED, **{INTERPRETER: "python"}).stdout.split() == ["python", "[]", "True"]


def test_hfc_is_not_loaded_beside_the_other_runtime() -> None:
    refused = _run(LOADED, **{INTERPRETER: "upb"})
    assert "Misuse" in refused.stderr
    assert "a process of its own" in refused.stderr


def test_one_clear_line_where_hfc_is_not_installed(
    running: Site, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hfc").mkdir()
    (tmp_path / "hfc" / "__init__.py").write_text("raise ImportError('no hfc here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(Misuse, match=r"not installed \(no hfc here\): pip install zoneshare\[hfc\]"):
        running.ledger(HfcTransport(worker, running.identity())).evaluate("get", b"a")
    monkeypatch.undo()
    assert running.ledger(HfcTransport(worker, running.identity())).evaluate("get", b"a") == b""


def test_killed_while_a_call_waits(worker: Worker, running: Site) -> None:
    transport = HfcTransport(worker, running.identity())
    worker.call(Expect(CHANNEL, "f" * 64, transport.seek(CHANNEL, None)), 20)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(worker.call, Await(CHANNEL, "f" * 64), 60)
        with pytest.raises(TransportFailure, match="DEADLINE_EXCEEDED"):  # the first call has arrived by now
            worker.call(Await(CHANNEL, "f" * 64), 0.05)
        _kill(worker)
        with pytest.raises(TransportFailure, match="UNAVAILABLE: the hfc worker has died"):
            waiting.result(20)


def test_the_next_call_after_a_death_has_a_new_worker(ledger: GatewayLedger, worker: Worker) -> None:
    ledger.submit("put", b"kept", b"1")
    dead = _kill(worker)
    psutil.Process(dead).wait(10)
    answer = None
    while answer is None:
        try:
            answer = ledger.evaluate("get", b"kept")
        except LedgerUnavailable:  # the death is told of a moment later
            continue
    assert answer == b"1"
    assert worker.pid != dead


def test_killed_while_transactions_are_under_way_nothing_is_done_twice(worker: Worker, running: Site) -> None:
    deadlines, retries = Deadlines(inquiry=0.5), Retries(conflicts=300, unclear=3, pause=0.002, longest=0.05)
    ledger = running.ledger(HfcTransport(worker, running.identity()), deadlines=deadlines, retries=retries)
    ledger.submit("put", b"counted", b"0")
    some = threading.Event()

    def increment(number: int) -> str:
        if number == 8:
            some.set()
        try:
            return ledger.submit("incr", b"counted").tx_id
        except CommitUnknown as unknown:
            return unknown.tx_id
        except LedgerUnavailable:
            return ""

    with ThreadPoolExecutor(4) as pool:
        going = pool.map(increment, range(24))
        assert some.wait(30)
        _kill(worker)
        ids = [tx_id for tx_id in going if tx_id]
    done = [tx_id for tx_id in ids if (found := running.network.commit_status(CHANNEL, tx_id, 0.2)) and found.flag == 0]
    assert ledger.evaluate("get", b"counted") == str(len(done)).encode()
    assert len(set(done)) == len(done) >= 16


def test_events_go_on_after_a_death_where_they_stopped(ledger: GatewayLedger, worker: Worker) -> None:
    first = ledger.submit("event", b"one", b"1")
    stream = ledger.events(first.block)
    assert next(stream).tx_id == first.tx_id
    dead = _kill(worker)
    psutil.Process(dead).wait(10)
    second = None
    while second is None:
        try:
            second = ledger.submit("event", b"two", b"2")
        except LedgerUnavailable:
            continue
    assert next(stream).tx_id == second.tx_id
    stream.close()


def test_closing_ends_the_process_and_what_waits_for_it(running: Site) -> None:
    worker = Worker(running.hfc_network())
    ledger = running.ledger(HfcTransport(worker, running.identity()), sleep=lambda _: None)
    ledger.evaluate("get", b"a")
    pid = worker.pid
    assert pid is not None
    stream = ledger.events(running.network.channel(CHANNEL).height)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(list, stream)
        worker.close()
        with pytest.raises(LedgerUnavailable):
            waiting.result(20)
    assert not psutil.pid_exists(pid)
    with pytest.raises(LedgerUnavailable, match="closed"):
        ledger.evaluate("get", b"a")


def test_an_orphan_ends_itself(running: Site) -> None:
    code = (
        "import sys\nfrom zoneshare.hfc.messages import *\nfrom zoneshare.hfc.process import Worker\n"
        "from zoneshare.transport import TransportFailure\n"
        "worker = Worker(Network(((Node('p', '127.0.0.1:1', b'', ''),),), ()))\n"
        "try:\n    worker.call(Evaluate(b''), 5)\nexcept TransportFailure:\n    pass\n"
        "print(worker.pid, flush=True)\nimport os\nos._exit(0)"
    )
    pid = int(_run(code).stdout)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(20)


def test_a_call_that_the_worker_cannot_read_fails_alone(worker: Worker) -> None:
    with pytest.raises(TransportFailure, match="INTERNAL: DecodeError"):
        worker.call(Evaluate(b"\xff\xff"), 20)
    assert worker.pid is not None
