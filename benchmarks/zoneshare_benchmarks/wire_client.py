"""``python -m zoneshare_benchmarks.wire_client DIR CHANNEL``: our client under load, as benchmarks/node/client.js."""

import json
import sys
import threading
import time
from pathlib import Path

from zoneshare.connection import Connection
from zoneshare.gateway import GatewayLedger

_PAYLOAD = b"x" * 100


def load(ledger: GatewayLedger, at_once: int, seconds: float) -> dict[str, float]:
    """``at_once`` threads submit one after another for a while."""
    counts = [0] * at_once
    start, used = time.perf_counter(), time.process_time()

    def work(number: int) -> None:
        while time.perf_counter() - start < seconds:
            ledger.submit("put", _PAYLOAD)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent, cpu = time.perf_counter() - start, time.process_time() - used
    return {"submits": sum(counts), "seconds": spent, "cpu": cpu}


def main(folder: Path, channel: str) -> None:
    """Answers each line of standard input, until it ends."""
    with Connection.open(folder) as connection:
        ledger = connection.ledger(channel)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            sys.stdout.write(json.dumps(load(ledger, **json.loads(line))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
