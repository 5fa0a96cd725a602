"""A trade over real processes and a real gateway: by the commands alone, with buyer and seller killed -9 on the way."""

import json
import os
import signal

from tests.support.ports import steady_port
from tests.wire.trade.terminal import PATIENCE_S, Terminal, until

CHUNK = 2_000
CHUNKS = 400


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_trade_by_hand_killed_twice(terminal: Terminal) -> None:
    folder = terminal.folder
    terminal.start("network", "up", "--dir", "net", "--port", "0", ready=lambda text: "ready" in text)
    terminal.run("zones", "init", "--network", "net")
    for name, at in (("bob", "37.80,-122.27"), ("alice", "37.76,-122.43")):
        terminal.run("device", "new", name, "--network", "net", "--at", at)
    terminal.run("account", "issue", "alice", "1000", "--network", "net")
    goods = folder / "goods.bin"
    goods.write_bytes(os.urandom(CHUNK * CHUNKS - 7))
    serve = ("seller", "serve", "bob", "--json")
    offer = terminal.run("seller", "add", "bob", "goods.bin", "--price", "2", "--chunk-size", str(CHUNK))
    seller, text = terminal.start(*serve, "--port", str(steady_port()), ready=is_json)
    port = json.loads(text)["port"]
    address = f"127.0.0.1:{port}"
    buy = ("buy", "alice", offer["data"], "--from", address, "--max-price", "2", "--out", "got.bin", "--window", "4")

    data = folder / "got.bin.zoneshare-part" / "data"
    buyer, _ = terminal.start(*buy, ready=lambda text: True)
    until(lambda: data.exists() and data.stat().st_size > CHUNK * CHUNKS // 8)
    buyer.send_signal(signal.SIGKILL)
    buyer.wait()
    assert not (folder / "got.bin").exists()

    half = data.stat().st_size
    buyer, _ = terminal.start(*buy, "--json", ready=lambda text: True)
    until(lambda: data.exists() and data.stat().st_size > half + CHUNK * CHUNKS // 8)
    seller.send_signal(signal.SIGKILL)
    seller.wait()
    terminal.start(*serve, "--port", str(port), ready=is_json)
    printed, _ = buyer.communicate(timeout=PATIENCE_S)
    assert buyer.returncode == 0
    assert json.loads(printed)["paid"] == 2 * CHUNKS
    assert (folder / "got.bin").read_bytes() == goods.read_bytes()

    (bought,) = terminal.run("channel", "list", "alice")
    assert "challenge_from  -\n" in terminal.text("channel", "show", "alice", bought["channel"])
    assert terminal.run("account", "show", "alice")["balances"] == {"zone-a": 1000 - 2 * CHUNKS}
    assert terminal.run("account", "show", "bob")["balances"] == {"zone-b": 2 * CHUNKS}
    refuse_bad_input(terminal, offer["data"], address)


def refuse_bad_input(terminal: Terminal, data: str, address: str) -> None:
    """One clear line for each."""
    buy = ("buy", "alice", data, "--from", address, "--max-price", "2")
    assert "there already" in terminal.refused(*buy, "--out", "got.bin")
    assert "no folder" in terminal.refused(*buy, "--out", "nowhere/got.bin")
    assert "asks too much" in terminal.refused(*buy[:-1], "1", "--out", "new.bin")
    dear = terminal.refused(*buy, "--max-total", str(2 * CHUNKS - 1), "--out", "new.bin")
    assert f"the file costs too much (value={2 * CHUNKS}, limit={2 * CHUNKS - 1})" in dear
    assert "does not offer" in terminal.refused("buy", "alice", "00" * 32, *buy[3:])
    assert "64 hex digits" in terminal.refused("buy", "alice", "xyz", *buy[3:])
    assert "not HOST:PORT" in terminal.refused("buy", "alice", data, "--from", "here", "--max-price", "2")
    assert "cannot reach" in terminal.refused("buy", "alice", data, "--from", "127.0.0.1:1", "--max-price", "2")
    taken = terminal.refused("watchtower", "serve", "alice", "--port", address.rpartition(":")[2])
    assert "in use; say another port with --port" in taken
    (terminal.folder / "more.bin").write_bytes(b"more")
    offered = terminal.run("seller", "list", "bob")
    assert "another process" in terminal.refused("seller", "serve", "bob", "more.bin", "--port", "0")
    assert "is not a file" in terminal.refused("seller", "serve", "bob", "more.bin", os.devnull, "--port", "0")
    assert terminal.run("seller", "list", "bob") == offered, "who cannot serve offers nothing new"
    assert "no file" in terminal.refused("seller", "add", "bob", "nothing.bin")
    (terminal.folder / "empty").touch()
    assert "is empty" in terminal.refused("seller", "add", "bob", "empty")
    assert "at least 1" in terminal.refused("seller", "add", "bob", "goods.bin", "--price", "0")
    assert "no such channel" in terminal.refused("channel", "close", "alice", "0" * 64)
