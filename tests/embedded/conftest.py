"""One network for the tests that leave it as usable as they found it."""

from collections.abc import Iterator

import pytest

from tests.support.embedded import Client, enrol, running
from zoneshare_network.network import EmbeddedNetwork


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNetwork]:
    with running(tmp_path_factory.mktemp("network")) as made:
        yield made


@pytest.fixture
def client(network: EmbeddedNetwork) -> Client:
    return Client(network, enrol(network))
