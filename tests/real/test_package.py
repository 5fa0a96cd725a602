"""The chaincode's package: readable as peers read it, and the same bytes every time."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from zoneshare_network.real import package
from zoneshare_network.real.site import Mode, Site
from zoneshare_network.real.topology import parse

TEXT = (Path(__file__).parents[2] / "network/compose/topology.toml").read_text()


def _read(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def test_peers_find_type_label_and_the_service_in_it() -> None:
    for mode, address in ((Mode.COMPOSE, "chaincode:9999"), (Mode.NATIVE, "127.0.0.1:9999")):
        site = Site(parse(TEXT), mode, Path())
        outer = _read(package.build(site))
        assert list(outer) == ["metadata.json", "code.tar.gz"]
        assert json.loads(outer["metadata.json"]) == {"type": "ccaas", "label": "zoneshare_1.0"}
        assert json.loads(_read(outer["code.tar.gz"])["connection.json"])["address"] == address


def test_the_id_is_the_label_and_the_hash_and_never_changes_by_itself() -> None:
    site = Site(parse(TEXT), Mode.COMPOSE, Path())
    assert package.package_id(site) == f"zoneshare_1.0:{hashlib.sha256(package.build(site)).hexdigest()}"
    assert package.package_id(site) == package.package_id(Site(parse(TEXT), Mode.COMPOSE, Path("/elsewhere")))
    newer = Site(parse(TEXT.replace('version = "1.0"', 'version = "1.1"')), Mode.COMPOSE, Path())
    assert package.package_id(newer) != package.package_id(site)


@settings(max_examples=30)
@given(st.binary(max_size=200_000))
def test_any_content_comes_out_as_it_went_in(data: bytes) -> None:
    assert _read(package._tar({"file": data}))["file"] == data
