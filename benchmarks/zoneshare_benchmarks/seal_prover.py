"""The real prover as the benchmarks use it: from plain code, with the processor time of its process on the bill."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time

import psutil

from zoneshare.seal import proving_keys
from zoneshare.seal.prover import Prover
from zoneshare_benchmarks.seal_cost import Bill, Party
from zoneshare_protocols.seal import groth16_fast
from zoneshare_protocols.seal.groth16 import VerifyingKey, check_proof
from zoneshare_protocols.seal.ledger import ProofKey
from zoneshare_protocols.seal.results import EncryptedResult, Locked


class Proofs:
    """Groth16 with the development keys: every proof is made, none is multiplied."""

    def __init__(self, prover: Prover, runner: asyncio.Runner) -> None:
        self._prover, self._runner = prover, runner
        self._keys = {key.circuit.name: key for key in proving_keys.development()}
        self._lock = threading.Lock()

    @property
    def records(self) -> tuple[ProofKey, ...]:
        """For the zone's rules."""
        return tuple(key.record for key in self._keys.values())

    def verifying(self, circuit: str) -> VerifyingKey:
        return self._keys[circuit].verifying

    def prove(self, bill: Bill, phase: str, party: Party, locked: Locked) -> bytes:
        """A proof, verified by its maker; witness, proof and check are on the bill. Threads wait for each other."""
        with self._lock:
            before = process_time() + self._child()
            proof = self._runner.run(self._prover.prove(locked))
            bill.book(phase, party, process_time() + self._child() - before)
        return proof

    def check(self, encrypted: EncryptedResult, proof: bytes) -> None:
        """As drone and contract do. Raises BadProof."""
        check_proof(groth16_fast.verify, self.verifying(encrypted.circuit), proof, encrypted.public)

    def _child(self) -> float:
        """Processor time of the prover's process, which the system counts in ticks of 10 ms: right over many proofs."""
        pid = self._prover.pid
        return sum(psutil.Process(pid).cpu_times()[:2]) if pid else 0.0


@contextmanager
def proofs() -> Iterator[Proofs]:
    """With the process started and all keys loaded."""
    with asyncio.Runner() as runner:
        prover = Prover(proving_keys.development())
        try:
            runner.run(prover.load())
            yield Proofs(prover, runner)
        finally:
            runner.run(prover.close())
