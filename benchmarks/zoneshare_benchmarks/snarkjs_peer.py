"""Our prover beside snarkjs, with the same key and the same witness. snarkjs is run as the program it is."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare.seal.prover import Prover
from zoneshare.seal.proving_keys import development
from zoneshare_benchmarks import node_tools
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_benchmarks.wire_process import ROOT
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.seal.results import Locked, ResultContext, lock, witness

PACKAGES = ROOT / "tests" / "node" / "ceremony"
RESULT_BYTES = 31
TURNS = 5


def _timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _locked() -> Locked:
    recipient = X25519PrivateKey.generate().public_key().public_bytes_raw()
    return lock(ResultContext(os.urandom(32), 1, "peer", 1, 1, recipient), [os.urandom(RESULT_BYTES)], os.urandom(32))


def against_snarkjs() -> Sample:
    """Medians of turns taken in the same run. The time that snarkjs takes to start and to say its name is taken off.

    Ours makes the witness and verifies the proof as well, in a prover that has started. Raises Misuse without Node.
    """
    modules, (program, _) = node_tools.installed(PACKAGES), node_tools.node()
    command = [str(program), str(modules / "snarkjs" / "build" / "cli.cjs")]
    with TemporaryDirectory() as name, asyncio.Runner() as runner:
        folder, locked = Path(name), _locked()
        keys = development()
        (folder / "key.zkey").write_bytes(next(k.data for k in keys if k.circuit.name == locked.encrypted.circuit))
        (folder / "it.wtns").write_bytes(witness(locked))

        def theirs(*words: str, right: int = 0) -> None:
            done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode != right:
                raise Misuse(f"snarkjs failed: {' '.join((done.stderr or done.stdout).split())[:200]}")

        prover = Prover(keys)
        try:
            runner.run(prover.load())
            took: dict[str, list[float]] = {"ours": [], "proof": [], "start": []}
            for _ in range(TURNS):
                took["ours"].append(_timed(lambda: runner.run(prover.prove(locked))))
                took["proof"].append(
                    _timed(lambda: theirs("groth16", "prove", "key.zkey", "it.wtns", "proof.json", "public.json"))
                )
                # Asked for nothing it says what it can do, and ends with 99.
                took["start"].append(_timed(lambda: theirs(right=99)))
        finally:
            runner.run(prover.close())
    ours, proof, start = (median(took[name]) for name in ("ours", "proof", "start"))
    return Sample(
        (proof - start) / ours, {"ours ms": ours * 1e3, "snarkjs ms": proof * 1e3, "its start ms": start * 1e3}
    )


FIGURES = (
    Figure(
        "seal.prove.vs_snarkjs",
        "time of a proof by snarkjs as a command (it loads curve and key each time, its bare start taken off) over one "
        f"by our prover, which runs; same key and witness, a result of {RESULT_BYTES} bytes",
        "x",
        "higher",
        against_snarkjs,
        runs=3,
    ),
)
