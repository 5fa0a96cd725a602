from collections.abc import Iterator

import pytest

from tests.support.memory_stub import Zone
from tests.wire.host.process import ID, HostProcess
from zoneshare_network.ccaas import CcaasChaincode

NOW_MS = 1_700_000_000_123


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with HostProcess() as running:
        yield running


@pytest.fixture(scope="module")
def chaincode(host: HostProcess) -> Iterator[CcaasChaincode]:
    connected = CcaasChaincode(host.connection, ID)
    yield connected
    connected.close()


@pytest.fixture
def zone(chaincode: CcaasChaincode) -> Zone:
    """A ledger in memory whose chaincode is the host."""
    return Zone("zone-a", chaincode, lambda: NOW_MS)
