"""The emulator as a process: its delays within a millisecond, and a connection's bytes, end and refusal through it."""

import socket
import subprocess
import sys
import threading
from pathlib import Path
from statistics import median

import pytest

from zoneshare_benchmarks.links import kernel
from zoneshare_benchmarks.links.model import OVERHEAD
from zoneshare_benchmarks.links.probe import probe
from zoneshare_benchmarks.links.proxy import Forward, emulated
from zoneshare_protocols.errors import Misuse


def test_one_way_delays_are_within_a_millisecond() -> None:
    """The smallest of many: what a busy machine adds is not the link's."""
    for delay in (20.0, 100.0):
        seen = probe(Forward(0, delay, 20.0), probes=40)
        wanted = delay + (8 + OVERHEAD) * 8 / 20e3
        assert wanted - 0.1 <= min(seen.delays) <= wanted + 1.0
        assert median(seen.delays) <= wanted + 20


def test_bandwidth_is_kept() -> None:
    seen = probe(Forward(0, 5.0, 40.0, slow_start=False), probes=1)
    assert 0.19 <= seen.bulk <= 0.35, "a megabyte at 40 Mb/s and its headers is 0.21 s"


def test_bytes_and_the_end_come_through_both_ways() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        threading.Thread(target=echo, daemon=True).start()
        forward = Forward(server.getsockname()[1], 2.0, 100.0, loss=0.02)
        with emulated([forward]) as (port,), socket.create_connection(("127.0.0.1", port)) as client:
            sent = bytes(range(256)) * 400
            threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
            got = bytearray()
            client.settimeout(30)
            while len(got) < len(sent):
                got += client.recv(1 << 16)
            assert bytes(got) == sent


def test_nobody_behind_the_link_is_a_connection_that_breaks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with emulated([Forward(free)]) as (port,), socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(10)
        with pytest.raises(ConnectionResetError):
            _ = client.recv(1) or pytest.fail("closed, and not broken")


def test_a_link_that_cannot_be_starts_nothing() -> None:
    with pytest.raises(Misuse), emulated([Forward(1, loss=2.0)]):
        pass


def test_the_kernel_says_what_it_has() -> None:
    assert kernel.netem() == "" or kernel.netem().startswith("netem: ")
    with pytest.raises(Misuse), kernel.cpu_share(0.0):
        pass


def test_a_share_of_the_processor_is_given_or_said_not_to_be() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        group = Path(f"/proc/{process.pid}/cgroup")
        with kernel.cpu_share(0.5, process.pid) as said:
            assert said.startswith("CPU share 0.5: ")
            assert ("zoneshare-bench" in group.read_text()) == ("not applied" not in said)
        assert "zoneshare-bench" not in group.read_text()
        process.kill()
