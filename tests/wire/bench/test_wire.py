"""The figures of the wire: both sides do their work, and the turns add up. No speed is asserted."""

import pytest

from zoneshare_benchmarks import wire, wire_host, wire_process, wire_tls
from zoneshare_benchmarks.catalogue import figures
from zoneshare_protocols.errors import Misuse

PARTS = {
    "gateway.vs_node.32": {"ours/s", "Node/s", "ours cpu ms", "Node cpu ms"},
    "host.vs_node": {"ours/s", "theirs/s", "ours cpu ms", "theirs cpu ms"},
    "wire.tls": {"plain call ms", "TLS call ms", "plain connection ms", "TLS connection ms"},
}


@pytest.mark.parametrize("name", PARTS)
def test_both_sides_are_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (wire, wire_host):
        monkeypatch.setattr(module, "SECONDS", 0.2)
        monkeypatch.setattr(module, "TURNS", 1)
    monkeypatch.setattr(wire, "WARM_UP_S", 0.1)
    monkeypatch.setattr(wire_tls, "CALLS", 20)
    sample = figures()[name].measure()
    assert set(sample.parts) == PARTS[name]
    assert all(value > 0 for value in sample.parts.values())
    assert sample.value > 0


def test_a_program_that_does_not_start_is_one_line() -> None:
    with pytest.raises(Misuse, match="did not start"), wire_process.child("/bin/false"):
        pass
    with pytest.raises(Misuse, match="did not start"), wire_process.serving("127.0.0.1:1", "/bin/sleep", "0"):
        pass


def test_a_program_that_ends_is_told() -> None:
    with (
        wire_process.child("/bin/sh", "-c", "echo ready; read _") as ended,
        pytest.raises(Misuse, match="ended with 0"),
    ):
        ended.ask(at_once=1)


def test_without_the_repository_node_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_process, "NODE", wire_process.NODE / "nothing")
    with pytest.raises(Misuse, match="whole repository"):
        wire_process.node("client.js")
