"""``zoneshare network``: the commands that only a real network has."""

from pathlib import Path
from typing import Annotated

import typer

from zoneshare_network.real import operate, site, topology
from zoneshare_network.real.compose import TOPOLOGY, compose
from zoneshare_network.real.site import Mode
from zoneshare_protocols.errors import Misuse

Folder = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The folder the network lives in.")]
File = Annotated[Path, typer.Option("--topology", metavar="FILE", help="The network's topology (TOML).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
_HERE = Path(TOPOLOGY)


def register(app: typer.Typer) -> None:
    """Add the commands that only a real network has."""
    app.command("compose")(compose_file)
    app.command("setup")(setup)
    app.command("logs")(logs)
    app.command("down")(down)
    peer = typer.Typer(no_args_is_help=True, help="A real network's peers.")
    peer.command("add")(add_peer)
    app.add_typer(peer, name="peer")


def compose_file(file: File = _HERE) -> None:
    """Print docker-compose.yaml, made from the topology.

    Example: zoneshare network compose --topology network/compose/topology.toml > docker-compose.yaml
    """
    typer.echo(compose(topology.read(file)), nl=False)


def setup(folder: Folder = Path("fabric")) -> None:
    """Make what a real network still lacks: channels, members, anchors, the chaincode. Safe to run again.

    Example: zoneshare network setup --dir fabric
    """
    place = site.load(folder)
    if place.mode is Mode.COMPOSE:
        raise Misuse("a network of containers is set up from inside: docker compose run --rm setup")
    operate.set_up(place, typer.echo)


def logs(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of a node, as status shows it.")],
    folder: Folder = Path("fabric"),
) -> None:
    """The end of a node's log.

    Example: zoneshare network logs orderer0 --dir fabric
    """
    typer.echo(operate.logs(folder, node))


def down(folder: Folder = Path("fabric")) -> None:
    """Stop a real network; what it has committed stays.

    Example: zoneshare network down --dir fabric
    """
    typer.echo("stopped" if operate.down(folder) else "it was not running")


def add_peer(
    org: Annotated[str, typer.Option("--org", help="MSP id of the organisation.")],
    folder: Folder = Path("fabric"),
    file: File = _HERE,
) -> None:
    """Add a peer to an organisation: topology, certificates, configuration.

    Example: zoneshare network peer add --org Org1MSP --dir fabric
    """
    place = operate.change(folder, lambda text: topology.with_peer(text, org))
    _changed(place, file, org=org)


def add_zone(name: str, folder: Path, file: Path = _HERE) -> None:
    """Add a zone to a real network; natively it is made at once."""
    place = operate.change(folder, lambda text: topology.with_zone(text, name))
    if place.mode is Mode.NATIVE:
        operate.set_up(place, typer.echo)
        return
    _changed(place, file, zone=name)


def _changed(place: site.Site, file: Path, *, org: str = "", zone: str = "") -> None:
    if place.mode is Mode.NATIVE:
        typer.echo("prepared: it starts with the network's next start")
        return
    operate.keep(file, lambda text: topology.with_peer(text, org) if org else topology.with_zone(text, zone))
    target = Path("docker-compose.yaml")
    if target.exists():
        target.write_text(compose(topology.read(file)), encoding="utf-8")
    typer.echo(f"{file} and {target} are changed; now: docker compose up -d")
