"""The nodes that a common connection profile names, for the hfc worker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoneshare.hfc.messages import Network, Node
from zoneshare_protocols.errors import Misuse


def network(profile: Mapping[str, Any], base: Path) -> Network:
    """Peers by organisation, the client's own first, and orderers. Raises Misuse for what hfc cannot work with.

    ``base`` is where relative paths in the profile start.
    """
    try:
        home = profile["client"]["organization"]
        organisations = profile["organizations"]
        peers = [
            tuple(node(name, profile["peers"][name], base) for name in organisations[each].get("peers", ()))
            for each in (home, *(other for other in organisations if other != home))
        ]
        orderers = tuple(node(name, each, base) for name, each in profile.get("orderers", {}).items())
    except (KeyError, TypeError, AttributeError, OSError) as cause:
        raise Misuse(f"not a connection profile for hfc: {type(cause).__name__} {cause}") from cause
    if not orderers:
        raise Misuse("the connection profile names no orderers, which hfc sends transactions to")
    if not peers[0]:
        raise Misuse("the connection profile names no peer of the client's own organisation", organisation=home)
    return Network(tuple(each for each in peers if each), orderers)


def node(name: str, said: Mapping[str, Any], base: Path) -> Node:
    """A node of the profile. Raises Misuse where it is not reached by TLS, KeyError and OSError for what is missing."""
    scheme, _, endpoint = str(said["url"]).rpartition("://")
    if scheme != "grpcs":
        raise Misuse("peers and orderers are reached by grpcs:// only", url=str(said["url"]))
    server_name = said.get("grpcOptions", {}).get("ssl-target-name-override") or ""
    return Node(name, endpoint, pem(said["tlsCACerts"], base), server_name)


def pem(source: Mapping[str, Any], base: Path) -> bytes:
    """What stands under ``tlsCACerts``, or a client's key or certificate: in the profile itself, or in a file."""
    return str(source["pem"]).encode() if "pem" in source else (base / str(source["path"])).read_bytes()
