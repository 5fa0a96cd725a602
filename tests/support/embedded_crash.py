"""Embedded networks that die: run as a program, so that it is a process that dies.

``load FOLDER`` submits from four threads and prints each transaction id once it is reported committed, for ever.
``points FOLDER`` crashes a network at its first durable write, then another at its second, and so on, and checks each
after a restart; it prints how many points there were.
"""

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.embedded import CHANNEL, FAST, Client, enrol, running
from zoneshare_network.topology import Batch, Topology
from zoneshare_network.verify import verify_ledger
from zoneshare_protocols.fabric.validation import TxFlag

SMALL = Topology(organisations=("Org1MSP",), channels=(CHANNEL,), batch=Batch(timeout_ms=1))
CRASHED = 77


def load(folder: Path) -> None:
    with running(folder, shape=FAST) as network:

        def work(which: int) -> None:
            client = Client(network, enrol(network))
            n = 0
            while True:
                n += 1
                done = client.submit("put", f"load-{which}-{n % 7}", str(n))
                if done.flag is TxFlag.VALID:
                    os.write(1, f"{done.tx_id}\n".encode())

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def points(base: Path) -> int:
    """How many durable writes there were to crash at; raises when a network does not stand one of the crashes."""
    for point in range(1000):
        folder = base / str(point)
        if _in_child(partial(_trade, folder, point)) == 0:
            return point
        if _in_child(partial(_check, folder)) != 0:
            raise RuntimeError(f"the network did not come back as it was after a crash at durable write {point}")
    raise RuntimeError("the network never came to an end")


def _trade(folder: Path, crash_at: int) -> None:
    left = crash_at

    def fault(point: str) -> None:
        nonlocal left
        if left == 0:
            os._exit(CRASHED)
        left -= 1

    with running(folder, shape=SMALL, fault=fault) as network:
        client = Client(network, enrol(network))
        for n in range(2):
            done = client.submit("incr", "count", by=("Org1MSP",))
            with (folder / "reported").open("a") as file:
                file.write(f"{done.tx_id} {n + 1}\n")


def _check(folder: Path) -> None:
    with running(folder, shape=SMALL) as network:
        reported = folder / "reported"
        lines = [line.split() for line in reported.read_text().splitlines()] if reported.exists() else []
        for tx_id, _ in lines:
            found = network.commit_status(CHANNEL, tx_id, 0)
            if found is None or found.flag is not TxFlag.VALID:
                raise RuntimeError(f"{tx_id} was reported committed and is not")
        with network.channel(CHANNEL).store.snapshot() as snapshot:
            verify_ledger(snapshot)
        client = Client(network, enrol(network))
        client.submit("incr", "count", by=("Org1MSP",))
        count = int(client.evaluate("get", "count"))
        if count not in (len(lines) + 1, len(lines) + 2):
            raise RuntimeError(f"counted {count} after {len(lines)} reports")


def _in_child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    what, where = sys.argv[1:]
    if what == "load":
        load(Path(where))
    else:
        os.write(1, f"{points(Path(where))}\n".encode())
