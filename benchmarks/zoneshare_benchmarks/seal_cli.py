"""``zoneshare bench seal``: the tables and figures of SEAL's paper, beside its values."""

import os
import platform
from pathlib import Path
from typing import Annotated

import typer

from zoneshare_protocols.errors import Misuse

HEAD = """# SEAL: the paper's tables and figures

Made by `zoneshare bench seal`; every number is from that run, and the paper's own stand beside it where its text
has any. What is measured is measured over the real contracts on an embedded Fabric in one process, with a simulated
enclave and development proving keys; every proof is made. ARMOR, BidGuard and SAFE have no public code: they are
*models* that run the same auctions with real cryptography and are as faithful as their descriptions. Times are
processor times, so that they hold on a busy machine too, but for the consensus delay. Parameters that the paper's text
lost are ours ([seal.md](seal.md)). Figures keep the numbers of the paper's surviving text, which gives 5, 7 and 9
twice, each for two different things; Figs. 4, 6 and 8 occur nowhere in it, so that they are not here by number: two
of them may be what it calls 5 and 7 the second time.

"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("seal")(seal_)


def seal_(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the page and its pictures go.")] = Path("docs"),
    traces: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", envvar="ZONESHARE_TAXIS", help="Taxis' traces (new_*.txt); without, traffic is generated."
        ),
    ] = None,
) -> None:
    """Make DIR/seal-figures.md and its pictures: Tables III and V to VIII, Figs. 5, 7 and 9 to 11. Takes
    about five minutes of a processor.

    Example: zoneshare bench seal --out docs --traces taxis
    """
    from zoneshare_benchmarks import seal_figures
    from zoneshare_benchmarks.seal_markets import observed_dwells, read_traces
    from zoneshare_benchmarks.seal_prover import proofs

    if not out.is_dir():
        raise Misuse("there is no such folder", folder=str(out))
    dwells = observed_dwells(read_traces(traces)) if traces is not None else []
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    traffic = f"{len(dwells)} sightings of real taxis" if dwells else "generated"
    head = f"{HEAD}Machine: {machine}. Traffic: {traffic}.\n"
    with proofs() as made:
        seal_figures.write(list(seal_figures.measured(made, dwells, typer.echo)), out, head, typer.echo)
