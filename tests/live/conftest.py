import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.faults import ComposeFaults, EmbeddedFaults, Faults, NativeFaults
from tests.live.network import Embedded, Live, embedded, live, named, own_adapter, run
from zoneshare_network.real.site import Mode, load


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, Embedded | None]]:
    """Folder, home organisation, and the process where it is ours. One for all of the suite."""
    own_adapter()
    profile = named()
    if profile is not None:
        folder = profile.parent.parent
        run("zones", "init", "--network", str(folder))
        home = json.loads(profile.read_bytes())["client"]["organization"]
        yield folder, home, None
        return
    with embedded(tmp_path_factory.mktemp("live") / "net") as made:
        yield made.folder, "Org1MSP", made


@pytest.fixture(scope="session", params=["gateway", "hfc"])
def site(
    network: tuple[Path, str, Embedded | None], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    with live(network[0], tmp_path_factory.mktemp("devices"), request.param, network[1]) as made:
        yield made


@pytest.fixture(scope="session")
def faults(network: tuple[Path, str, Embedded | None]) -> Faults:
    folder, _, own = network
    if own is not None:
        return EmbeddedFaults(own)
    return ComposeFaults() if load(folder).mode is Mode.COMPOSE else NativeFaults(folder)
