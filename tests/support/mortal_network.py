"""An embedded network that is killed (SIGKILL) at its writes, and started again on the same folder and port.

``python -m tests.support.mortal_network FOLDER SHARED POINT``: runs the network in FOLDER, which is there already, and
prints its address. SHARED is a file of two 64-bit numbers: how far the clock is ahead, in ms, and whether to die. Then
the process dies at the durable write POINT of the first block with each function of the contracts, on each channel, and
a new one takes its place at once; ``FOLDER.killed`` has a line for every death. It ends with its standard input.
"""

import contextlib
import mmap
import os
import signal
import struct
import sys
import threading
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2

from tests.support.ports import steady_port
from zoneshare_chaincode.deploy import zoneshare
from zoneshare_network.network import EmbeddedNetwork, now_ms
from zoneshare_network.server import FabricServer
from zoneshare_network.store import ChannelStore
from zoneshare_protocols.errors import ZoneshareError
from zoneshare_protocols.fabric import transaction

ORGANISATIONS = ("Org1MSP", "Org2MSP")


class Shared:
    """What the test and the network both see."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(16))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 16)

    def now_ms(self) -> int:
        return now_ms() + int(struct.unpack_from("<q", self._map)[0])

    def turn(self, span_ms: int) -> None:
        struct.pack_into("<q", self._map, 0, struct.unpack_from("<q", self._map)[0] + span_ms)

    @property
    def armed(self) -> bool:
        return bool(struct.unpack_from("<q", self._map, 8)[0])

    @armed.setter
    def armed(self, armed: bool) -> None:
        struct.pack_into("<q", self._map, 8, armed)


def functions(block: bytes) -> list[str]:
    """channel/function of every transaction of a block."""
    names = []
    for envelope in common_pb2.Block.FromString(block).data.data:
        with contextlib.suppress(ZoneshareError):
            found = transaction.parse(envelope)
            names.append(f"{found.channel}/{found.args[0].decode()}")
    return names


def run(folder: Path, shared: Shared, point: str, port: int) -> None:
    killed = folder.with_suffix(".killed")
    present = threading.local()
    commit = ChannelStore.commit

    def noting(self: ChannelStore, number: int, header_hash: bytes, block: bytes, *rest: Any) -> None:
        present.functions = functions(block)
        commit(self, number, header_hash, block, *rest)

    def fault(at: str) -> None:
        if at != point or not shared.armed:
            return
        done = killed.read_text().split() if killed.exists() else []
        if fresh := [name for name in present.functions if name not in done]:
            with killed.open("a") as file:
                file.writelines(f"{name}\n" for name in fresh)
            os.kill(os.getpid(), signal.SIGKILL)

    ChannelStore.commit = noting  # type: ignore[assignment]  # the arguments after the block are passed on as they are
    chaincodes = {"zoneshare": zoneshare(ORGANISATIONS, shared.now_ms)}
    with EmbeddedNetwork(folder, chaincodes=chaincodes, clock_ms=shared.now_ms, fault=fault) as network:
        server = FabricServer(network, port)
        os.write(1, f"{server.address}\n".encode())
        sys.stdin.read()
        server.stop(0)


def main(folder: Path, shared: Shared, point: str) -> None:
    """The parent never starts a thread, so that it may fork at any time."""
    out, port, first = os.pipe(), steady_port(), True
    while True:
        pid = os.fork()
        if pid == 0:
            os.dup2(out[1], 1)
            run(folder, shared, point, port)
            sys.stdout.flush()
            os._exit(0)
        address = os.read(out[0], 200)
        if first:
            os.write(1, address)
            first = False
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != -signal.SIGKILL:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Shared(Path(sys.argv[2])), sys.argv[3])
