"""Our gateway adapter beside the official Node client on one embedded server, and that server beside the process."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from zoneshare.gateway import CHAINCODE
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_benchmarks.submits import CHANNEL, submits
from zoneshare_benchmarks.wire_process import Child, child, node, python
from zoneshare_benchmarks.wire_server import CLIENT

SECONDS = 2.0
TURNS = 3
WARM_UP_S = 0.5


class Tally:
    """What one client did in all its turns."""

    def __init__(self, client: Child) -> None:
        self._client = client
        self.submits = self.seconds = self.cpu = 0.0

    def turn(self, at_once: int) -> None:
        did = self._client.ask(at_once=at_once, seconds=SECONDS)
        self.submits += did["submits"]
        self.seconds += did["seconds"]
        self.cpu += did["cpu"]

    @property
    def pace(self) -> float:
        """Submits a second."""
        return self.submits / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Processor time of the client a submit, in ms."""
        return self.cpu / self.submits * 1e3


def _against_node(at_once: int) -> Sample:
    with ExitStack() as running:
        folder = running.enter_context(TemporaryDirectory())
        running.enter_context(child(*python("wire_server", folder)))
        home = str(Path(folder) / CLIENT)
        command, environ = node("client.js", home, CHANNEL, CHAINCODE)
        clients = [
            running.enter_context(child(*python("wire_client", home, CHANNEL))),
            running.enter_context(child(*command, **environ)),
        ]
        for each in clients:
            each.ask(at_once=at_once, seconds=WARM_UP_S)
        ours, theirs = tallies = [Tally(each) for each in clients]
        _take_turns(tallies, at_once)
    parts = {"ours/s": ours.pace, "Node/s": theirs.pace, "ours cpu ms": ours.cpu_ms, "Node cpu ms": theirs.cpu_ms}
    return Sample(ours.pace / theirs.pace, parts)


def _take_turns(tallies: Sequence[Tally], at_once: int) -> None:
    """Who begins changes, so that a growing ledger is nobody's burden alone."""
    for turn in range(TURNS):
        for tally in tallies if turn % 2 == 0 else reversed(tallies):
            tally.turn(at_once)


def _against_embedded() -> Sample:
    at_once = 32
    with ExitStack() as running:
        folder = running.enter_context(TemporaryDirectory())
        running.enter_context(child(*python("wire_server", folder)))
        client = running.enter_context(child(*python("wire_client", str(Path(folder) / CLIENT), CHANNEL)))
        client.ask(at_once=at_once, seconds=WARM_UP_S)
        tally = Tally(client)
        for _ in range(TURNS):
            tally.turn(at_once)
    inside = submits(at_once).value
    return Sample(tally.pace / inside, {"wire/s": tally.pace, "in process/s": inside, "client cpu ms": tally.cpu_ms})


FIGURES = (
    *(
        Figure(
            f"gateway.vs_node.{at_once}",
            f"submits a second through our gateway adapter over the official Node client's, {at_once} at once",
            "x",
            "higher",
            partial(_against_node, at_once),
            goal=1.0,
            runs=3,
        )
        for at_once in (1, 32, 128)
    ),
    Figure(
        "wire.vs_embedded",
        "submits a second over gRPC and TLS, server and client two processes, over those in one process, 32 at once",
        "x",
        "higher",
        _against_embedded,
        runs=3,
    ),
)
