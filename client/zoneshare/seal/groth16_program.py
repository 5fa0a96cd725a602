"""The prover: a program of its own, around groth16py (arkworks), which is under the GPL.

Nothing of zoneshare imports this file or that library, and it imports nothing of zoneshare: it is started as
``python groth16_program.py`` and speaks frames over its standard input and output. A frame is its length (4 bytes,
big-endian) and its body: a letter, a circuit's name, NUL, data. ``K``: the data are a proving key (a zkey file), kept
until the program ends. ``P``: a witness (a wtns file), answered with the proof. An answer that begins with ``!`` is an
error in words, one with ``.`` is followed by what was asked for.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import groth16py

MAX_FRAME = 1 << 28


@contextmanager
def file_with(data: bytes) -> Iterator[str]:
    """groth16py reads files only, and a witness holds a secret key: on Linux it is in memory, and has no name, so that
    it is gone with this process, however that ends."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("data"), "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data")
        path.write_bytes(data)
        yield str(path)


def answer(keys: dict[str, groth16py.ProvingKey], body: bytes) -> bytes:
    name, _, data = body[1:].partition(b"\0")
    circuit = name.decode()
    with file_with(data) as path:
        if body[:1] == b"K":
            keys[circuit] = groth16py.import_zkey(path)[0]
            return b""
        return groth16py.prove_wtns(keys[circuit], path)


def main() -> None:
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What a library prints must not stand between frames.
    os.dup2(2, 1)
    keys: dict[str, groth16py.ProvingKey] = {}
    while len(head := source.read(4)) == 4:
        size = int.from_bytes(head, "big")
        if size > MAX_FRAME:
            return
        try:
            said = b"." + answer(keys, source.read(size))
        except Exception as failure:  # noqa: BLE001 - whatever it is, the other side is told
            said = f"!{type(failure).__name__}: {failure}".encode()
        sink.write(len(said).to_bytes(4, "big") + said)
        sink.flush()


if __name__ == "__main__":
    main()
