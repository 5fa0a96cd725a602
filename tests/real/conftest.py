"""One prepared folder of each mode for all tests that only read it."""

from pathlib import Path

import pytest

from zoneshare_network.real import operate
from zoneshare_network.real.site import Mode, Site

TEXT = (Path(__file__).parents[2] / "network/compose/topology.toml").read_text()
# Where no CA of a network that happens to run on this machine listens.
TEXT = TEXT.replace("ca_port = 7190", "ca_port = 47190").replace("ca_port = 7290", "ca_port = 47290")


@pytest.fixture(scope="session")
def native_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return operate.prepare(TEXT, Mode.NATIVE, tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="session")
def compose_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return operate.prepare(TEXT, Mode.COMPOSE, tmp_path_factory.mktemp("compose"))
