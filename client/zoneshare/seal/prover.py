"""Proofs for payment, by a process of its own; each is verified here before anybody sees it."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from zoneshare.seal.proving_keys import ProvingKey
from zoneshare_protocols.errors import BadProof, LedgerFailed, Misuse
from zoneshare_protocols.seal import groth16_fast
from zoneshare_protocols.seal.groth16 import check_fits, check_proof
from zoneshare_protocols.seal.results import Locked, check_form, witness

PROGRAM = Path(__file__).with_name("groth16_program.py")
STOP_S = 5.0


class ProverFailed(LedgerFailed):
    """The prover's process has died, or could not be started; the next call starts it anew."""

    retryable = True


class Prover:
    """Starts with the first proof; again with the next one after it has died. One proof at a time.

    ``keys``: one for each circuit to be used (:func:`.proving_keys.development`, or a folder's). A key that does not
    fit its circuit is refused when it is read, and so never tried.
    """

    def __init__(self, keys: Sequence[ProvingKey]) -> None:
        self._keys = {key.circuit.name: key for key in keys}
        self._process: asyncio.subprocess.Process | None = None
        self._loaded: set[str] = set()
        self._lock = asyncio.Lock()
        for key in keys:
            check_fits(key.verifying)

    async def __aenter__(self) -> "Prover":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    def key_hash(self, circuit: str) -> bytes:
        """What the ledger knows the key by that proofs of this circuit are made for. Raises Misuse without one."""
        return self._key(circuit).hash

    async def load(self) -> None:
        """Start the process and hand it all keys, so that the first proof takes no longer than the next."""
        async with self._lock:
            for name in self._keys:
                await self._load(name)

    async def prove(self, locked: Locked) -> bytes:
        """The proof for a batch: 256 bytes, verified.

        Raises BadProof where key, hash and ciphertext do not belong together, or what was proven does not hold; Misuse
        without a key for the circuit; ProverFailed.
        """
        check_form(locked.encrypted)
        name = locked.encrypted.circuit
        made = witness(locked)
        async with self._lock:
            key = await self._load(name)
            proof = await self._ask(b"P" + name.encode() + b"\0" + made)
        check_proof(groth16_fast.verify, key.verifying, proof, locked.encrypted.public)
        return proof

    async def close(self) -> None:
        async with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def _key(self, name: str) -> ProvingKey:
        if name not in self._keys:
            raise Misuse("no proving key for this circuit", circuit=name)
        return self._keys[name]

    async def _load(self, name: str) -> ProvingKey:
        """The key, known to the process that runs."""
        key = self._key(name)
        if self.pid is None:
            self._loaded = set()
        if name not in self._loaded:
            await self._ask(b"K" + name.encode() + b"\0" + key.data)
            self._loaded.add(name)
        return key

    async def _ask(self, body: bytes) -> bytes:
        if self.pid is None:
            # A session of its own: an interrupt from the terminal is ours to handle; the closed pipe ends it.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(PROGRAM),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ProverFailed("the prover has no pipes")
        try:
            process.stdin.write(len(body).to_bytes(4, "big") + body)
            await process.stdin.drain()
            size = int.from_bytes(await process.stdout.readexactly(4), "big")
            said = await process.stdout.readexactly(size)
        except (OSError, asyncio.IncompleteReadError) as cause:
            await self._bury(process)
            raise ProverFailed(f"the prover has died (exit code {process.returncode}); is groth16py there?") from cause
        except asyncio.CancelledError:
            # Its answer is on the way and would be taken for the next one's.
            self._process = None
            process.kill()
            raise
        if said[:1] != b".":
            raise BadProof(f"the prover cannot prove this: {said[1:].decode(errors='replace')[:200]}")
        return said[1:]

    @staticmethod
    async def _bury(process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
