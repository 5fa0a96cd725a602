"""A program: hfc's own discovery, asked of one peer; prints what it found as JSON. For pure-Python protobuf."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from google.protobuf import descriptor

from zoneshare.hfc import shim

_MAP_ENTRY = b"8\x01"


def prepare() -> None:
    """hfc's generated code marks map entries in a way that protobuf 5 does not see."""
    shim.prepare()
    plain = descriptor.Descriptor.__init__

    def init(self: Any, *args: Any, **named: Any) -> None:
        plain(self, *args, **{**named, "is_map_entry": named.get("serialized_options") == _MAP_ENTRY})

    descriptor.Descriptor.__init__ = init  # type: ignore[method-assign]  # hfc's own modules call it


async def discover(folder: Path, address: str, channel: str, chaincode: str) -> dict[str, object]:
    """By the identity in ``folder``, which also has the peer's TLS root, tls.pem."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from hfc.fabric.channel.channel import Channel
    from hfc.fabric.client import Client
    from hfc.fabric.peer import Peer
    from hfc.fabric.user import User
    from hfc.fabric_ca.caservice import Enrollment
    from hfc.util.crypto.crypto import ecies
    from hfc.util.keyvaluestore import FileKeyValueStore

    user = User("user", "Org1MSP", FileKeyValueStore(str(folder / "state")))
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    user.enrollment, user.msp_id = Enrollment(key, (folder / "cert.pem").read_bytes()), "Org1MSP"
    user.cryptoSuite = ecies()
    peer, client = Peer("asked", address, (folder / "tls.pem").read_bytes()), Client()
    await client.init_with_discovery(user, peer, channel)
    asked = Channel(channel, client)._discovery(user, peer, interests=[{"chaincodes": [{"name": chaincode}]}])
    members, endorsers = (await asked).results
    (found,) = endorsers.cc_query_res.content
    return {
        "organisations": sorted(client.organizations),
        "peers": sorted(client.peers),
        "orderers": sorted(client.orderers),
        "members": {mspid: len(group.peers) for mspid, group in members.members.peers_by_org.items()},
        "layouts": [len(layout.quantities_by_group) for layout in found.layouts],
    }


if __name__ == "__main__":
    prepare()
    where, *asked_for = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(discover(Path(where), *asked_for))) + "\n")
