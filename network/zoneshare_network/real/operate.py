"""What an operator asks of a real network: set it up, see how it is, add a zone or a peer, read logs, stop it."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zoneshare_network.durable import write_file
from zoneshare_network.real import health, material, members, native, profiles, site, topology
from zoneshare_network.real.compose import TOPOLOGY
from zoneshare_network.real.setup import Setup
from zoneshare_network.real.site import Mode, Site
from zoneshare_protocols.errors import LedgerFailed, Misuse, ZoneshareError

Say = Callable[[str], None]
_LAST_LINES = 40


def read(path: Path) -> str:
    """A topology file's text. Raises Misuse."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise Misuse(f"{path} cannot be read: {cause}") from cause


def prepare(text: str, mode: Mode, folder: Path) -> Site:
    """Certificates, keys, configurations, block 0 and connection profiles. Raises Misuse."""
    try:
        made = material.prepare(text, mode, folder)
        profiles.write(made)
    except OSError as cause:
        raise Misuse(f"{folder} cannot be written to: {cause.strerror}; is it yours?") from cause
    return made


def set_up(place: Site, say: Say) -> None:
    """Channels, peers in them, anchors, the chaincode; safe to run again. Raises LedgerFailed."""
    with Setup(place, say) as setup:
        setup.run()


def up_native(folder: Path, file: Path | None, folders: Sequence[Path], say: Say) -> int:
    """Run the network as plain processes until a signal; how many ended by themselves. Raises Misuse, LedgerFailed.

    By the topology in ``file``, or the one the folder has, or the repository's.
    """
    native.programs(folders)
    own = folder / topology.FILE
    place = prepare(read(file or (own if own.exists() else Path(TOPOLOGY))), Mode.NATIVE, folder)
    return native.Native(place, folders, say).run(lambda: say("ready: stop it with Ctrl-C"))


def up_compose(folder: Path) -> str:
    """Start the containers of a network that was prepared before; what set-up says. Raises Misuse, LedgerFailed."""
    if site.load(folder).mode is not Mode.COMPOSE:
        raise Misuse(f"the network in {folder} runs as plain processes: say --native, and --bin where its programs are")
    _compose("up", "--detach")
    return _compose("logs", "--follow", "--no-log-prefix", "--no-color", "--tail", str(_LAST_LINES), "setup")


def status(folder: Path) -> dict[str, Any]:
    """Every node's health, and each zone's height at each peer."""
    place = site.load(folder)
    seen = {node.name: health.alive(place, node) for node in place.topology.nodes if health.visible(place, node)}
    if place.mode is Mode.COMPOSE:
        seen |= _kept_inside([node.name for node in place.topology.nodes if node.name not in seen])
    found = {node.name: seen[node.name] for node in place.topology.nodes if node.name in seen}
    return {
        "mode": str(place.mode),
        "organisations": list(place.topology.mspids),
        "nodes": {name: {"good": one.good, "said": one.said} for name, one in found.items()},
        "heights": health.heights(place),
    }


def _kept_inside(names: Sequence[str]) -> dict[str, health.Health]:
    """Containers that publish no port, as Docker sees them."""
    try:
        listed = health.contained(_compose("ps", "--all", "--format", "json"))
    except ZoneshareError as unknown:
        return {name: health.Health(False, f"not known: {unknown}") for name in names}
    return {name: listed.get(name, health.Health(False, "no container")) for name in names}


def status_text(found: dict[str, Any]) -> str:
    """For a person."""
    lines = [f"{'up  ' if one['good'] else 'DOWN'} {name:14} {one['said']}" for name, one in found["nodes"].items()]
    for zone, peers in found["heights"].items():
        lines.append(f"{zone}: " + ", ".join(f"{name} {'-' if n is None else n}" for name, n in peers.items()))
    return "\n".join(lines)


def change(folder: Path, edit: Callable[[str], str]) -> Site:
    """Edit the folder's topology, and make what the change needs. Raises Misuse."""
    place = site.load(folder)
    return prepare(edit(read(folder / topology.FILE)), place.mode, folder)


def keep(path: Path, edit: Callable[[str], str]) -> None:
    """Make the same edit in the operator's own topology file."""
    write_file(path, edit(read(path)).encode())


def revoke(folder: Path, name: str, org: str, say: Say) -> int:
    """All certificates of an identity, in every zone; how many. Raises NotFound, Misuse, LedgerFailed.

    Where a zone could not be told, ask again, or set the network up again.
    """
    place = site.load(folder)
    count = members.revoke(place, members.member(place, org), name)
    with Setup(place, say) as setup:
        for zone in place.topology.zones:
            setup.revoke(zone)
    return count


def logs(folder: Path, node: str) -> str:
    """The end of a node's log. Raises Misuse for a node there is not."""
    place = site.load(folder)
    names = [one.name for one in place.topology.nodes]
    if node not in names:
        raise Misuse(f"no such node; there are {', '.join(names)}", node=node)
    if place.mode is Mode.COMPOSE:
        return _compose("logs", "--no-color", "--tail", str(_LAST_LINES), node)
    try:
        text = (folder / "logs" / f"{node}.log").read_text(errors="replace")
    except OSError as cause:
        raise Misuse(f"{node} has no log yet") from cause
    return "\n".join(text.splitlines()[-_LAST_LINES:])


def down(folder: Path) -> bool:
    """Stop it; the ledgers stay. False when it did not run. Raises LedgerFailed."""
    place = site.load(folder)
    if place.mode is Mode.NATIVE:
        return native.stop(folder)
    _compose("stop")
    return True


def _compose(*args: str) -> str:
    docker = shutil.which("docker")
    if docker is None:
        raise Misuse("docker is not installed here: run docker compose where the network was started")
    done = subprocess.run((docker, "compose", *args), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LedgerFailed(f"docker compose {args[0]} failed: {said[-1] if said else done.returncode}")
    return done.stdout
