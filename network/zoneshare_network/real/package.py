"""The package by which peers know a chaincode that runs as a service, and its id."""

import hashlib
import io
import json
import tarfile
import zlib

from zoneshare_network.real.site import Site

_STORED = 65535
"""Bytes in a deflate block that is not compressed."""


def label(site: Site) -> str:
    return f"{site.topology.chaincode.name}_{site.topology.chaincode.version}"


def build(site: Site) -> bytes:
    """A chaincode package of type ccaas: the same bytes, so the same id, wherever and whenever it is made."""
    where = {"address": site.address(site.topology.chaincode_node), "dial_timeout": "10s", "tls_required": False}
    code = _tar({"connection.json": json.dumps(where).encode()})
    metadata = {"type": "ccaas", "label": label(site)}
    return _tar({"metadata.json": json.dumps(metadata).encode(), "code.tar.gz": code})


def package_id(site: Site) -> str:
    """label:hash, which the chaincode's process is started with."""
    return f"{label(site)}:{hashlib.sha256(build(site)).hexdigest()}"


def _tar(files: dict[str, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return _gzip(plain.getvalue())


def _gzip(data: bytes) -> bytes:
    """Uncompressed: what a compressor makes differs between versions of zlib, and the id hangs on it."""
    blocks = []
    for start in range(0, max(len(data), 1), _STORED):
        part = data[start : start + _STORED]
        last = start + _STORED >= len(data)
        size = len(part).to_bytes(2, "little") + (len(part) ^ 0xFFFF).to_bytes(2, "little")
        blocks.append(bytes([last]) + size + part)
    tail = zlib.crc32(data).to_bytes(4, "little") + (len(data) % 2**32).to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + b"".join(blocks) + tail
