from collections.abc import Iterator

import pytest

from tests.wire.ledger.harness import Site, site
from zoneshare.gateway import GatewayLedger
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.transport import Transport


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("network")) as made:
        yield made


@pytest.fixture(params=["in-process", "grpc", "hfc"])
def transport(running: Site, request: pytest.FixtureRequest) -> Iterator[Transport]:
    made = running.transport(request.param)
    yield made
    if not isinstance(made, HfcTransport):  # its worker is the site's
        made.close()


@pytest.fixture
def ledger(running: Site, transport: Transport) -> GatewayLedger:
    return running.ledger(transport)
