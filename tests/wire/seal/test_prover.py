"""The prover's process: real proofs, verified before they are given out; keys that do not fit are refused."""

import asyncio
import lzma
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.contracts.seal.claim_world import PRIVATE, ClaimWorld
from zoneshare.seal import prover as prover_module
from zoneshare.seal.prover import PROGRAM, Prover, ProverFailed
from zoneshare.seal.proving_keys import ProvingKey, check_allowed, development, folder, load, read
from zoneshare_protocols.errors import BadProof, Malformed, Misuse, NotAllowed
from zoneshare_protocols.seal import groth16_fast
from zoneshare_protocols.seal.attestation import check_zone
from zoneshare_protocols.seal.ledger import SealZone
from zoneshare_protocols.seal.results import Locked, ResultContext, element, lock, number

KEYS = development()
CONTEXT = ResultContext(b"a" * 32, 3, "ann", 1, 1, PRIVATE.public_key().public_bytes_raw())
LOCKED = lock(CONTEXT, [b"31 bytes of a result, one after"], b"s" * 32)


@asynccontextmanager
async def running(keys: list[ProvingKey] = KEYS) -> AsyncIterator[Prover]:
    async with Prover(keys) as made:
        yield made


def test_every_size_is_proven_and_a_death_is_survived() -> None:
    async def story() -> None:
        async with running() as prover:
            for size in (31, 400, 1024, 5000):
                locked = lock(CONTEXT, [os.urandom(size)], os.urandom(32))
                key = next(key for key in KEYS if key.circuit.name == locked.encrypted.circuit)
                proof = await prover.prove(locked)
                assert groth16_fast.verify(key.verifying, proof, locked.encrypted.public)
            first = prover.pid
            assert first is not None
            both = await asyncio.gather(prover.prove(LOCKED), prover.prove(LOCKED))
            assert both[0] != both[1], "proofs are random"
            os.kill(first, signal.SIGKILL)
            with suppress(ProverFailed):
                await prover.prove(LOCKED)
            assert await prover.prove(LOCKED)
            assert prover.pid != first
            last = prover.pid
        assert prover.pid is None
        with pytest.raises(ProcessLookupError):
            os.kill(last or 0, 0)

    asyncio.run(story())


DIES = """
import os, runpy, sys
with runpy.run_path(sys.argv[1])["file_with"](b"a witness") as path:
    with open(path, "rb") as file:
        print(file.read().decode(), os.path.realpath(path), sep="\\n", flush=True)
    os._exit(9)
"""


def test_a_prover_that_is_killed_leaves_no_witness_behind() -> None:
    done = subprocess.run([sys.executable, "-c", DIES, str(PROGRAM)], capture_output=True, text=True, check=False)
    assert done.returncode == 9
    said, path = done.stdout.splitlines()
    assert said == "a witness"
    assert not Path(path).exists()


def test_a_cancelled_proof_leaves_no_answer_for_the_next() -> None:
    async def story() -> None:
        async with running() as prover:
            await prover.load()
            large = lock(CONTEXT, [b"x" * 1000], b"s" * 32)
            task = asyncio.create_task(prover.prove(large))
            while prover._lock.locked() is False:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            key = KEYS[0]
            proof = await prover.prove(LOCKED)
            assert groth16_fast.verify(key.verifying, proof, LOCKED.encrypted.public)

    asyncio.run(story())


def test_what_does_not_belong_together_is_not_even_tried() -> None:
    other = lock(CONTEXT, [b"31 bytes of a result, one after"], b"t" * 32)
    wrong = (
        Locked(replace(LOCKED.encrypted, ciphertext=other.encrypted.ciphertext), LOCKED.key),
        Locked(LOCKED.encrypted, other.key),
        Locked(LOCKED.encrypted, element(number(LOCKED.key) ^ 1)),
    )

    async def story() -> None:
        async with running() as prover:
            for locked in wrong:
                with pytest.raises(BadProof):
                    await prover.prove(locked)
            assert prover.pid is None, "no process was asked"
        async with running(KEYS[1:]) as prover:
            with pytest.raises(Misuse):
                await prover.prove(LOCKED)

    asyncio.run(story())


def section(data: bytes, kind: int) -> int:
    """Where a section's content begins."""
    at = 12
    while int.from_bytes(data[at : at + 4], "little") != kind:
        at += 12 + int.from_bytes(data[at + 4 : at + 12], "little")
    return at + 12


def altered(kind: int, place: int = 40) -> bytes:
    data = bytearray(KEYS[0].data)
    data[section(KEYS[0].data, kind) + place] ^= 1
    return bytes(data)


UNFIT: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no zkey": lambda: b"PK" + bytes(1000),
    "cut off": lambda: KEYS[0].data[:-100],
    "damaged xz": lambda: lzma.compress(KEYS[0].data)[:-50],
    "other proof system": lambda: altered(1, 0),
    "other curve": lambda: altered(2, 10),
    "other field": lambda: altered(2, 50),
    "other constraints": lambda: altered(4),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_key_that_does_not_fit_is_refused(what: str, tmp_path: Path) -> None:
    (tmp_path / "key.zkey").write_bytes(UNFIT[what]())
    with pytest.raises(Malformed):
        load(tmp_path / "key.zkey")


def test_a_key_with_spoilt_points_gives_no_proof_to_anybody() -> None:
    """It fits its circuit, and is another key to the ledger; what it proves does not hold, and is not given out."""
    for kind in (3, 8):
        spoilt = read(altered(kind, 200))

        async def story(key: ProvingKey = spoilt) -> None:
            async with running([key]) as prover:
                with pytest.raises((BadProof, ProverFailed)):
                    await prover.prove(LOCKED)

        asyncio.run(story())


def test_folders_of_keys(tmp_path: Path) -> None:
    with pytest.raises(Misuse):
        folder(tmp_path)
    with pytest.raises(Misuse):
        load(tmp_path / "none.zkey")
    (tmp_path / "b.zkey").write_bytes(KEYS[1].data)
    (tmp_path / "a.zkey.xz").write_bytes(lzma.compress(KEYS[0].data, preset=0))
    assert [key.hash for key in folder(tmp_path)] == [KEYS[0].hash, KEYS[1].hash]


def test_development_keys_are_unsafe_and_not_for_production() -> None:
    assert all(key.unsafe and key.record.unsafe for key in KEYS)
    world = ClaimWorld()
    rules = world.ask(SealZone, "zone")
    check_allowed(KEYS, rules)
    with pytest.raises(NotAllowed):
        check_allowed(KEYS, replace(rules, proof_keys=rules.proof_keys[1:]))
    with pytest.raises(NotAllowed):
        check_allowed(KEYS, replace(rules, production=True))
    following = replace(rules, version=rules.version + 1)
    hardware = tuple(replace(root, simulated=False) for root in rules.platforms)
    with pytest.raises(NotAllowed):
        check_zone(replace(following, production=True, platforms=hardware), rules, "zone-a")
    lying = tuple(replace(key, unsafe=False) for key in rules.proof_keys)
    for production in (True, False):
        with pytest.raises(Malformed):
            check_zone(replace(following, production=production, platforms=hardware, proof_keys=lying), rules, "zone-a")


def test_without_groth16py_the_prover_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import no_such_library_as_groth16py\n")
    monkeypatch.setattr(prover_module, "PROGRAM", tmp_path / "program.py")

    async def story() -> None:
        async with running() as prover:
            with pytest.raises(ProverFailed, match="groth16py"):
                await prover.prove(LOCKED)

    asyncio.run(story())


def test_a_real_proof_pays_on_the_ledger() -> None:
    world = ClaimWorld(groth16_fast.verify)
    deal = world.exchange()
    locked = deal.locked(1, 2, [b"a cat", b"a dog"])

    async def prove() -> bytes:
        async with running() as prover:
            return await prover.prove(locked)

    proof = asyncio.run(prove())
    with pytest.raises(BadProof):
        deal.prove(locked, proof[:64] + proof[192:] + proof[64:192])
    with pytest.raises(BadProof):
        deal.prove(deal.locked(1, 2, [b"a cat", b"a cow"]), proof)
    deal.prove(locked, proof)
    deal.release(locked)
    deal.claim(2)
    assert world.money(deal.ann) > 0
    world.books_balance()
