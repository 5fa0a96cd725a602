from collections.abc import Iterator

import pytest

from tests.wire.ledger.harness import Site, site
from zoneshare.gateway import GatewayLedger
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.hfc.process import Worker


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("network")) as made:
        yield made


@pytest.fixture
def worker(running: Site) -> Iterator[Worker]:
    """One that a test may kill."""
    made = Worker(running.hfc_network())
    yield made
    made.close()


@pytest.fixture
def ledger(running: Site, worker: Worker) -> GatewayLedger:
    return running.ledger(HfcTransport(worker, running.identity()))
