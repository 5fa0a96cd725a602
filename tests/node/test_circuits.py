"""The circuits' compiler and a ceremony, by the programs that others run: the sources give the listed constraints, and
a key to which two parties have contributed is imported, allowed and proven with."""

import asyncio
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.contracts.seal.claim_world import ClaimWorld
from zoneshare.seal.prover import Prover
from zoneshare.seal.proving_keys import check_allowed, development, load
from zoneshare_benchmarks.node_tools import installed, node
from zoneshare_protocols.seal import groth16_fast
from zoneshare_protocols.seal.circuit import CIRCUITS, circuit, constants_source
from zoneshare_protocols.seal.ledger import SealZone

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "protocols/zoneshare_protocols/seal/circuits"
SMALL = circuit("result-62")


def tool(name: str, *args: str, folder: Path) -> None:
    program, _ = node()
    modules = installed(HERE / "ceremony")
    script = {"circom2": "circom2/cli.js", "snarkjs": "snarkjs/build/cli.cjs"}[name]
    done = subprocess.run(
        [program, str(modules / script), *args], cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sources_give_the_listed_constraints(tmp_path: Path) -> None:
    """The smallest circuit; the others take the compiler longer: ``python -m tests.node.test_circuits`` does all."""
    assert compiled(SMALL.name, tmp_path) == SMALL.r1cs


def compiled(name: str, folder: Path) -> str:
    """SHA-256 of the constraints, as the pinned compiler writes them."""
    for source in SOURCES.glob("*.circom"):
        shutil.copy(source, folder)
    width = circuit(name).width
    (folder / f"poseidon{width}.circom").write_text(constants_source(width))
    tool("circom2", f"{name}.circom", "--r1cs", "--O2", folder=folder)
    return hashlib.sha256((folder / f"{name}.r1cs").read_bytes()).hexdigest()


@pytest.mark.timeout(400)
def test_a_ceremonys_key_is_imported_allowed_and_proven_with(tmp_path: Path) -> None:
    """Two parties add their randomness, one after the other; docs/seal.md has the ceremony from its beginning."""
    (tmp_path / "0.zkey").write_bytes(development()[0].data)
    for step, party in enumerate(("ann", "ben")):
        names = (f"{step}.zkey", f"{step + 1}.zkey")
        tool(
            "snarkjs", "zkey", "contribute", *names, f"--name={party}", f"-e={party}'s own randomness", folder=tmp_path
        )
    key = load(tmp_path / "2.zkey")
    assert key.circuit == SMALL
    assert not key.unsafe
    assert key.hash != development()[0].hash
    tool("snarkjs", "zkey", "export", "verificationkey", "2.zkey", "vkey.json", folder=tmp_path)

    world = ClaimWorld(groth16_fast.verify)
    rules = replace(world.ask(SealZone, "zone"), version=3, proof_keys=(key.record,))
    world.approve(rules)
    check_allowed([key], rules)
    world.call(world.ann, "bring_key", key.verifying)
    world.keys = {key.circuit.name: key}
    deal = world.exchange()
    locked = deal.locked(1, 1, [b"a cat"])

    async def prove() -> bytes:
        async with Prover([key]) as prover:
            return await prover.prove(locked)

    assert deal.prove(locked, asyncio.run(prove())).verifying_key == key.hash


if __name__ == "__main__":
    import tempfile

    for one in CIRCUITS:
        with tempfile.TemporaryDirectory() as made:
            same = compiled(one.name, Path(made)) == one.r1cs
            print(f"{one.name}: {'as listed' if same else 'NOT as listed'}")  # noqa: T201 - a command
