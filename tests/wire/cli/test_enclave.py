"""``zoneshare enclave``: what a zone allows, and what it refuses."""

from pathlib import Path

from tests.wire.cli.command import Run

PROGRAM = "ab" * 32


def test_a_zone_allows_a_program_and_a_platform_and_later_hardware_only(here: Run, site: Path) -> None:
    assert "none were approved yet (zoneshare enclave init)" in here("enclave", "show", "carol").err
    made = here("enclave", "init", "carol", "--network", "net", "--json").json
    assert here("enclave", "init", "carol", "--network", "net", "--json").json == made
    assert here("enclave", "measure", "alice").out.strip() == made["measurement"]
    shown = here("enclave", "show", "alice").out
    assert made["measurement"] in shown
    assert "SIMULATED" in shown

    refused = here("enclave", "serve", "alice", "--port", "0")
    assert refused.code == 2
    assert "no simulated platform" in refused.err
    root = site / "devices/carol/simulated-platform/root.pem"
    allow = ("enclave", "allow", "carol", "--network", "net", "--root")
    assert "64 hex digits" in here(*allow, str(root), "--program", "3f").err
    assert "cannot read" in here(*allow, "nowhere.pem", "--program", PROGRAM).err
    (site / "junk.pem").write_text("no certificate")
    assert "not an X.509 certificate" in here(*allow, "junk.pem", "--program", PROGRAM).err

    assert here(*allow, str(root), "--program", PROGRAM, "--json").json["production"] is True
    shown = here("enclave", "show", "alice").out
    assert "SIMULATED" not in shown
    assert made["measurement"] not in shown
    refused = here("enclave", "init", "carol", "--network", "net")
    assert refused.code == 1
    assert "takes no simulated platform" in refused.err
