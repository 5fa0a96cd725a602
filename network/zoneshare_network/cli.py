"""``zoneshare network``: run an embedded Fabric, and administer it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509

from zoneshare_network import host, topology
from zoneshare_network.identities import check_free, write_identity
from zoneshare_network.members import Organisation
from zoneshare_network.network import EmbeddedNetwork, now_ms
from zoneshare_network.pki import Role
from zoneshare_network.real import operate
from zoneshare_network.real.cli import add_zone, register
from zoneshare_network.real.site import is_real
from zoneshare_network.store import read_only
from zoneshare_network.verify import verify_ledger
from zoneshare_protocols.errors import Misuse, ZoneshareError

app = typer.Typer(no_args_is_help=True, help="Run a Fabric network on this machine, for development.")
zone = typer.Typer(no_args_is_help=True, help="The network's zones.")
app.add_typer(zone, name="zone")
register(app)

Folder = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The folder the network lives in.")]
Mspid = Annotated[str, typer.Option("--org", help="MSP id of the organisation.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
_NOTICE = "An embedded Fabric, for development on one machine: not for production."


def _emit(value: Any, as_json: bool, text: str) -> None:
    typer.echo(json.dumps(value, indent=2) if as_json else text)


@app.command()
def up(
    folder: Folder,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one. Default: as before.")
    ] = None,
    batch_timeout: Annotated[
        int | None, typer.Option(metavar="MS", min=1, help="Milliseconds a block waits for more transactions.")
    ] = None,
    chaincode: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=HOST:PORT", help="A chaincode that is a service, or NAME=its connection.json."),
    ] = None,
    *,
    client_auth: Annotated[
        bool | None,
        typer.Option("--client-auth/--no-client-auth", help="Clients must show a TLS certificate. Default: as before."),
    ] = None,
    native: Annotated[
        bool, typer.Option("--native/--embedded", help="A real Fabric and Kafka, as plain processes; or ours, in one.")
    ] = False,
    programs: Annotated[
        list[Path] | None, typer.Option("--bin", metavar="DIR", help="With --native: where its programs are.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--topology", metavar="FILE", help="With --native: another than DIR has, or ours.")
    ] = None,
) -> None:
    """Run the network in DIR until Ctrl-C; the first start makes it. One of containers is started, and left to run.

    Example: zoneshare network up --dir net
    """
    if native:
        ended = operate.up_native(folder, file, programs or [], typer.echo)
        raise typer.Exit(1 if ended else 0)
    if is_real(folder):
        typer.echo(operate.up_compose(folder))
        return

    def ready(network: EmbeddedNetwork, address: str) -> None:
        typer.echo(_NOTICE)
        typer.echo(f"channels       {' '.join(network.channels)}")
        typer.echo(f"organisations  {' '.join(network.topology.organisations)}")
        typer.echo(f"chaincodes     {' '.join(network.chaincodes) or 'none'}")
        typer.echo(f"ready {address}")

    def complain(refusal: ZoneshareError) -> None:
        typer.echo(f"error: {refusal}", err=True)

    served = _services(chaincode or [])
    host.serve(folder, port, batch_timeout, services=served, client_auth=client_auth, ready=ready, complain=complain)


def _services(options: list[str]) -> dict[str, str]:
    found = {}
    for option in options:
        name, equals, where = option.partition("=")
        if not (name and equals):
            raise Misuse("a chaincode is given as NAME=HOST:PORT", chaincode=option)
        found[name] = where
    return found


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Whether the network runs, where, and how many blocks each channel has.

    Example: zoneshare network status --dir net
    """
    if is_real(folder):
        real_status = operate.status(folder)
        _emit(real_status, as_json, operate.status_text(real_status))
        return
    shape, pid = host.load(folder), host.running_pid(folder)
    heights = {name: _height(folder, name) for name in shape.channels}
    found = {
        "running": pid is not None,
        "pid": pid,
        "address": host.address(folder),
        "organisations": list(shape.organisations),
        "heights": heights,
    }
    text = [f"running, process {pid}, at {host.address(folder)}" if pid else "not running"]
    text += [f"{name}: {height} blocks" for name, height in heights.items()]
    _emit(found, as_json, "\n".join(text))


@app.command()
def enroll(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the identity.")],
    folder: Folder,
    *,
    org: Mspid = "Org1MSP",
    role: Annotated[str, typer.Option(help="client or admin.")] = Role.CLIENT,
    out: Annotated[Path | None, typer.Option(help="Folder of the identity. Default: DIR/identities/NAME.")] = None,
    csr: Annotated[Path | None, typer.Option(help="Certificate signing request (PEM): the key stays with you.")] = None,
    as_json: Json = False,
) -> None:
    """Make an identity: its certificate, its key, and how to reach the network.

    Example: zoneshare network enroll alice --dir net --org Org1MSP
    """
    if role not in (Role.CLIENT, Role.ADMIN):
        raise Misuse("a role is client or admin", role=role)
    members = host.organisations(folder)
    member, target = _member(members, org), out or folder / "identities" / name
    check_free(target)
    made = member.enrol(name, Role(role), now_ms(), None if csr is None else _read(csr))
    profile = host.encoded(host.profile(folder, org))
    write_identity(target, made, profile)
    serial = x509.load_pem_x509_certificate(made.certificate).serial_number
    found = {"name": name, "mspid": org, "role": str(role), "folder": str(target), "serial": f"{serial:x}"}
    _emit(found, as_json, f"{name} of {org} ({role}): {target}")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the identity.")],
    folder: Folder,
    org: Mspid = "Org1MSP",
    as_json: Json = False,
) -> None:
    """Revoke all certificates of an identity, on every channel.

    Example: zoneshare network revoke alice --dir net --org Org1MSP
    """
    if is_real(folder):
        count = operate.revoke(folder, name, org, lambda _: None)
        _emit({"name": name, "mspid": org, "certificates": count}, as_json, f"revoked {count} of {name}")
        return
    count = _member(host.organisations(folder), org).revoke(name, now_ms())
    _changed(folder, {"name": name, "mspid": org, "certificates": count}, as_json, f"revoked {count} of {name}")


@zone.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new zone.")],
    folder: Folder,
    as_json: Json = False,
) -> None:
    """Add a zone: a channel with the network's organisations and chaincodes.

    Example: zoneshare network zone add zone-c --dir net
    """
    if is_real(folder):
        add_zone(name, folder)
        return
    topology.write(folder, topology.with_channel(host.load(folder), name))
    _changed(folder, {"zone": name}, as_json, f"zone {name} added")


@app.command()
def verify(folder: Folder, as_json: Json = False) -> None:
    """Check every channel's ledger: links, hashes, signatures, validation codes, and the state they lead to.

    Example: zoneshare network verify --dir net
    """
    found = {}
    for name in host.load(folder).channels:
        with read_only(_ledger(folder, name)) as snapshot:
            found[name] = verify_ledger(snapshot)._asdict()
    lines = [f"{n}: {v['blocks']} blocks, {v['valid']} of {v['transactions']} valid: good" for n, v in found.items()]
    _emit(found, as_json, "\n".join(lines))


def _changed(folder: Path, value: dict[str, Any], as_json: bool, text: str) -> None:
    told = host.tell(folder)
    _emit({**value, "applied": told}, as_json, text if told else f"{text}: takes effect on the network's next start")


def _ledger(folder: Path, channel: str) -> Path:
    return folder / "channels" / f"{channel}.db"


def _height(folder: Path, channel: str) -> int:
    path = _ledger(folder, channel)
    if not path.exists():
        return 0
    with read_only(path) as snapshot:
        return snapshot.height


def _member(members: dict[str, Organisation], mspid: str) -> Organisation:
    if mspid not in members:
        raise Misuse(f"no such organisation; there are {', '.join(members)}", org=mspid)
    return members[mspid]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise Misuse(f"{path} cannot be read: {cause.strerror}") from cause
