"""The catalogue's figures: each a step of its own, measured beside its goal."""

import json
import platform
import subprocess
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

from zoneshare_benchmarks import node_tools
from zoneshare_benchmarks.catalogue import figures
from zoneshare_benchmarks.cli_words import goal_text
from zoneshare_benchmarks.figure import Figure, run
from zoneshare_benchmarks.report.page import Section, Table
from zoneshare_benchmarks.report.steps import Mode, Step
from zoneshare_benchmarks.snarkjs_peer import PACKAGES
from zoneshare_benchmarks.wire_process import NODE

TITLE = "Figures, goals and peers"
_SLOW_S = {
    "epow.useful_share.500": 48.0,
    "epow.useful_share.1000": 75.0,
    "epow.coordinator": 130.0,
    "epow.scale": 20.0,
    "gateway.vs_node": 20.0,
    "host.vs_node": 16.0,
    "wire.vs": 15.0,
    "seal.prove.vs_snarkjs": 15.0,
    "seal.vs_safe": 20.0,
}
_USUAL_S = 5.0


def steps() -> Sequence[Step]:
    """One for each figure; the quick ones first, so that a quick report has them."""
    made = [
        Step(f"figure-{name}", TITLE, partial(_make, figure), _seconds(name), _seconds(name) * figure.runs)
        for name, figure in figures().items()
    ]
    return [Step("peers", TITLE, _peers, 1), *sorted(made, key=lambda step: step.seconds)]


def _peers(_: Mode) -> Section:
    """What ours stands beside, and by which command. Raises Misuse where Node is missing."""
    program, _npm = node_tools.node()
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    pinned = {
        name: number
        for folder in (NODE, PACKAGES)
        for name, number in json.loads((folder / "package.json").read_text())["dependencies"].items()
    }
    gateway, shim = "@hyperledger/fabric-gateway", "fabric-shim"
    http = f"Python {platform.python_version()}, requests {version('requests')}"
    rows = (
        ("Node Gateway client", f"{gateway} {pinned[gateway]}", "zoneshare bench run gateway."),
        ("Node chaincode as a service", f"{shim} {pinned[shim]}", "zoneshare bench run host."),
        ("snarkjs", pinned["snarkjs"], "zoneshare bench run seal.prove.vs_snarkjs"),
        ("plain HTTP exchange", http, "zoneshare bench report --only two-layer-fig-5"),
    )
    return Section(TITLE, [Table(("peer", "version", "command"), rows, f"Peers; Node {said}")])


def _seconds(name: str) -> float:
    return next((spent for start, spent in _SLOW_S.items() if name.startswith(start)), _USUAL_S)


def _make(figure: Figure, mode: Mode) -> Section:
    """As many runs as the figure wants, in quick mode one."""
    found = run(figure, None if mode.full else 1)
    reached = {True: "yes", False: "NO", None: "-"}[found.met]
    parts = ", ".join(f"{name} {value:,.4g}" for name, value in found.parts.items())
    row = (
        figure.name, f"{found.value:,.3g} {found.unit}", goal_text(figure.goal, figure.better, figure.unit), reached,
        found.runs, f"{found.spread:.1%}" if found.runs > 1 else "-", figure.what, parts,
    )  # fmt: skip
    return Section(TITLE, [Table(("figure", "measured", "goal", "reached", "runs", "spread", "what", "parts"), (row,))])
