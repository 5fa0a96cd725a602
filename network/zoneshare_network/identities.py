"""Identity folders, as a device gets them: certificate, private key, MSP id, and the way to the network."""

import json
from collections.abc import Iterable
from pathlib import Path

from zoneshare_network.durable import write_file
from zoneshare_network.members import Enrolled, Organisation
from zoneshare_protocols.errors import Misuse

_PEER = "peer0"


def connection_profile(
    home: str, organisations: Iterable[Organisation], channels: Iterable[str], address: str
) -> bytes:
    """Fabric's common connection profile (JSON): the gateway, its TLS root, channels, and the organisations' CAs."""
    members = tuple(organisations)
    profile = {
        "name": "zoneshare embedded network",
        "version": "1.0.0",
        "client": {"organization": home},
        "channels": {channel: {"peers": {_PEER: {}}} for channel in channels},
        "organizations": {
            member.mspid: {
                "mspid": member.mspid,
                "peers": [_PEER],
                "certificateAuthorities": [f"ca.{member.mspid}"],
            }
            for member in members
        },
        "peers": {_PEER: {"url": f"grpcs://{address}", "tlsCACerts": {"pem": members[0].tls_ca.pem.decode()}}},
        "certificateAuthorities": {
            f"ca.{member.mspid}": {"tlsCACerts": {"pem": member.ca.pem.decode()}} for member in members
        },
    }
    return json.dumps(profile, indent=2).encode() + b"\n"


def check_free(folder: Path) -> None:
    """Raises Misuse when there is an identity in ``folder`` already."""
    for name in ("cert.pem", "key.pem"):
        if (folder / name).exists():
            raise Misuse(f"{folder / name} is there already: nothing was changed")


def write_identity(folder: Path, enrolled: Enrolled, connection: bytes) -> None:
    """The certificate last, so that an identity folder with one is whole. Raises Misuse when it cannot be written."""
    try:
        write_file(folder / "connection.json", connection)
        write_file(folder / "mspid", enrolled.mspid.encode() + b"\n")
        if enrolled.key is not None:
            write_file(folder / "key.pem", enrolled.key, private=True)
        write_file(folder / "cert.pem", enrolled.certificate)
    except OSError as cause:
        raise Misuse(f"an identity cannot be written to {folder}: {cause.strerror}") from cause
