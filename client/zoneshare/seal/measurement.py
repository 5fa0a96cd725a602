"""The measurement of the enclave's program: what everybody can compute who has the same sources, and nobody can fake.

It covers the sources of every module of ours that the enclave loads, the versions of Python and of the libraries they
call, and the zone whose ledger the program believes: an enclave that took its trust from whoever starts it would
believe a ledger of its host's own making.
"""

import hashlib
import platform
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.sharing.records import Trust

MODULES = (
    "zoneshare",
    "zoneshare.seal",
    "zoneshare.seal.enclave",
    "zoneshare.seal.sealing",
    "zoneshare_protocols",
    "zoneshare_protocols.codec",
    "zoneshare_protocols.errors",
    "zoneshare_protocols.fabric",
    "zoneshare_protocols.fabric.chain",
    "zoneshare_protocols.fabric.endorsed_query",
    "zoneshare_protocols.fabric.endorsement",
    "zoneshare_protocols.fabric.flags",
    "zoneshare_protocols.fabric.identity",
    "zoneshare_protocols.fabric.msp",
    "zoneshare_protocols.fabric.policy",
    "zoneshare_protocols.fabric.policy_text",
    "zoneshare_protocols.fabric.proposal",
    "zoneshare_protocols.fabric.rwset",
    "zoneshare_protocols.fabric.signatures",
    "zoneshare_protocols.fabric.transaction",
    "zoneshare_protocols.fabric.wire",
    "zoneshare_protocols.seal",
    "zoneshare_protocols.seal.auction",
    "zoneshare_protocols.seal.bids",
    "zoneshare_protocols.seal.deposits",
    "zoneshare_protocols.seal.hashchain",
    "zoneshare_protocols.seal.ledger",
    "zoneshare_protocols.seal.phases",
    "zoneshare_protocols.seal.records",
    "zoneshare_protocols.seal.score",
    "zoneshare_protocols.seal.tasks",
    "zoneshare_protocols.sharing",
    "zoneshare_protocols.sharing.keys",
    "zoneshare_protocols.sharing.records",
    "zoneshare_protocols.stub",
)
"""All of ours that :mod:`.enclave` loads; a test keeps the list whole."""
LIBRARIES = ("cryptography", "hyperledger-fabric-protos", "msgspec", "protobuf", "pycryptodomex", "pyhpke")


def measure(trust: Trust) -> bytes:
    """SHA-256 of the program, as it would run on this installation for this zone."""
    return hashlib.sha256(b"zoneshare/seal-program/1" + program() + digest(trust)).digest()


@lru_cache(maxsize=1)
def program() -> bytes:
    """SHA-256 over the sources and the versions, without the zone."""
    sources = tuple((name, hashlib.sha256(source(name)).digest()) for name in MODULES)
    versions = tuple((name, version(name)) for name in LIBRARIES)
    python = ".".join(platform.python_version_tuple()[:2])
    return hashlib.sha256(encode((python, versions, sources))).digest()


def source(module: str) -> bytes:
    """A module's source, line ends as they are on Unix. Raises Misuse where there is none."""
    found = find_spec(module)
    if found is None or found.origin is None:
        raise Misuse(f"the program's module {module} is not installed with its source")
    return Path(found.origin).read_bytes().replace(b"\r\n", b"\n")
