"""A newcomer's walk by hand, over a real socket, and every command's refusals on a running network."""

import json
import shutil
from pathlib import Path

import pytest

from tests.wire.cli.command import Run, zoneshare


def test_set_up_again_does_nothing(here: Run) -> None:
    assert here("zones", "init", "--network", "net").out == "nothing to do: all was approved before\n"
    found = here("zones", "list", "--network", "net", "--json").json
    assert [zone["zone"] for zone in found] == ["zone-a", "zone-b"]


def test_devices_are_where_they_should_be(here: Run) -> None:
    assert here("device", "show", "alice", "--json").json["zone"] == "zone-a"
    assert here("device", "show", "bob", "--json").json["zone"] == "zone-b"
    assert "zone          zone-a" in here("device", "show", "carol").out


def test_a_device_is_not_made_twice(here: Run) -> None:
    found = here("device", "new", "alice", "--network", "net", "--at", "37.76,-122.43")
    assert found.code == 2
    assert "is a device of zone zone-a already: nothing was changed" in found.err


def test_money_in_a_zone_and_across(here: Run) -> None:
    start = here("account", "show", "alice", "--json").json["balances"]["zone-a"]
    assert here("account", "transfer", "alice", "carol", "5", "--json").json["balance"] == start - 5
    sent = here("account", "send", "alice", "bob", "30", "--json").json
    assert (sent["status"], sent["from"], sent["to"], sent["balance"]) == ("received", "zone-a", "zone-b", start - 35)
    again = here("account", "finish", "alice", sent["id"])
    assert again.out == f"{sent['id']}: 30 received\n"
    audit = here("zones", "audit", "--network", "net", "--json").json
    assert audit["issued"] == audit["held"]


def test_a_large_trade_by_hand(here: Run) -> None:
    trade = here("macro", "offer", "bob", "alice", "50", "maps", "--arbiter", "carol", "--json").json["id"]
    assert here("macro", "pay", "alice", trade).out == f"{trade}: paid\n"
    assert here("macro", "pay", "alice", trade).code == 0
    assert here("macro", "deliver", "bob", trade).code == 0
    assert here("macro", "complete", "alice", trade, "--json").json["status"] == "completed"
    history = [status for _, _, status in here("macro", "show", "carol", trade, "--json").json["history"]]
    assert history == ["offered", "paid", "delivered", "completed"]
    refused = here("macro", "cancel", "bob", trade)
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "phase=completed" in refused.err
    assert trade in here("macro", "list", "alice").out


def test_a_refund_is_collected(here: Run) -> None:
    before = here("account", "show", "alice", "--json").json["balances"]["zone-a"]
    trade = here("macro", "offer", "bob", "alice", "20", "maps", "--arbiter", "carol", "--json").json["id"]
    here("macro", "pay", "alice", trade)
    here("macro", "refund", "bob", trade)
    assert "20 from zone-b, received" in here("account", "collect", "alice").out
    assert here("account", "collect", "alice").out == "nothing waits\n"
    assert here("account", "show", "alice", "--json").json["balances"]["zone-a"] == before


def test_no_channels_yet(here: Run) -> None:
    assert here("channel", "list", "carol").out == "carol has no channels\n"
    assert here("channel", "list", "carol", "--json").json == []
    assert "no such channel in any zone" in here("channel", "show", "carol", "f" * 64).err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("account transfer alice carol 0", "an amount is 1 to 2^63 - 1 (amount=0)"),
        ("account transfer alice carol -- -5", "amount=-5"),
        ("account transfer alice carol 9223372036854775808", "amount=9223372036854775808"),
        ("account transfer alice carol 1000000", "the balance is too small"),
        ("account send alice bob 1000000", "the balance is too small"),
        (f"account transfer alice {'0' * 40} 5", "no such account in this zone"),
        (f"account send alice {'0' * 40} 5", "no such device"),
        (f"account issue {'0' * 40} 5 --network net", "no such device"),
        ("account show alice --zone zone-x", "no such zone in the registry"),
        (f"macro pay alice {'f' * 64}", "no such trade in any zone"),
        ("macro offer bob alice 0 maps --arbiter carol", "an amount is"),
        ("macro offer bob alice 5 maps --arbiter bob", "three accounts"),
        ("account finish alice transfer.none", "no such outbound"),
        ("coordinator serve alice --port 0", "no mining rules: none were approved yet (zoneshare coordinator init)"),
    ],
)
def test_a_refusal_is_one_line_exit_code_1_and_changes_nothing(here: Run, args: str, words: str) -> None:
    before = here("account", "show", "alice", "--json").json
    found = here(*args.split())
    assert found.code == 1
    assert found.out == ""
    assert words in found.err
    assert found.err.count("\n") == 1
    assert here("account", "show", "alice", "--json").json == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("account transfer alice nobody 5", "no folder devices/nobody"),
        ("account send alice carol 5", "carol is in zone-a too"),
        ("device new x --network net --at 0,0 --org Org9MSP", "no such organisation"),
        ("zones init --network net --zone zone-x=1,2", "the network has no channel zone-x"),
        ("zones init --network net --zone zone-a", "not a zone's place"),
        ("macro offer bob alice 5 maps --arbiter carol --file nowhere.pdf", "cannot be read"),
    ],
)
def test_a_misuse_on_a_running_network(here: Run, site: Path, args: str, words: str) -> None:
    found = here(*args.split())
    assert found.code == 2
    assert words in found.err
    assert not (site / "devices" / "x").exists()


def test_a_device_moves(here: Run) -> None:
    assert here("device", "new", "dave", "--network", "net", "--at", "37.77,-122.42").code == 0
    assert here("device", "move", "dave", "--at", "37.7701,-122.42").out == "dave stays in zone zone-a\n"
    assert here("device", "move", "dave", "--at", "37.80,-122.27").out == "dave moved: zone-a to zone-b\n"
    assert here("account", "show", "dave", "--json").json["balances"] == {"zone-a": 0, "zone-b": 0}


def test_a_server_that_is_gone_is_one_line(here: Run, site: Path, tmp_path: Path) -> None:
    """The device's own profile, pointing to where nobody listens."""
    folder = Path(shutil.copytree(site / "devices" / "alice", tmp_path / "alice"))
    profile = json.loads((folder / "connection.json").read_text())
    for peer in profile["peers"].values():
        peer["url"] = "grpcs://127.0.0.1:1"
    (folder / "connection.json").write_text(json.dumps(profile))
    found = here("account", "show", str(folder))
    assert found.code == 1
    assert found.err.startswith("error: nobody listens at 127.0.0.1:1")
    assert found.err.count("\n") == 1


def test_endorsers_of_another_authority_are_not_believed(here: Run, site: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(site / "devices" / "alice", tmp_path / "alice"))
    shutil.copy(folder / "msps" / "Org1MSP.pem", folder / "msps" / "Org2MSP.pem")
    before = here("account", "show", "alice", "--json").json
    found = here("account", "transfer", str(folder), "carol", "5")
    assert found.code == 1
    assert found.err.startswith("error: the gateway's answer cannot be trusted")
    assert here("account", "show", "alice", "--json").json == before


def test_in_a_process_of_its_own(site: Path) -> None:
    found = zoneshare(site, "account", "show", "alice", "--json")
    assert (found.code, found.err) == (0, "")
    assert found.json["zone"] == "zone-a"
    other = zoneshare(site, "account", "show", "alice", ZONESHARE_HOME="elsewhere")
    assert (other.code, other.err) == (2, "error: no folder elsewhere/alice: zoneshare device new makes a device\n")
