"""The fast verifier, first asked by many threads at once, as a peer is; in a process of its own, since it could die."""

import subprocess
import sys

PROGRAM = """
import threading
from zoneshare.seal.proving_keys import development
from zoneshare_protocols.seal import groth16_fast

key, together = development()[0].verifying, threading.Barrier(8)

def verify():
    together.wait()
    for _ in range(20):
        assert not groth16_fast.verify(key, bytes([1]) * 256, [1] * len(key.inputs))
        groth16_fast._prepared(key)

threads = [threading.Thread(target=verify) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_the_first_proofs_come_together() -> None:
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", PROGRAM], timeout=120, check=False).returncode == 0
