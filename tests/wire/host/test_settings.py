"""Starting the host: TLS with and without client certificates, the environment, zoneshare's own contracts."""

import datetime
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.memory_identity import identity
from tests.support.memory_stub import Zone
from tests.wire.host.conftest import NOW_MS
from tests.wire.host.process import ASSET, ID, HostProcess
from zoneshare_chaincode.host.settings import Settings, from_environment
from zoneshare_network.ccaas import CcaasChaincode
from zoneshare_network.ccaas_stream import Connection
from zoneshare_network.pki import Authority, Role, key_pem, new_key
from zoneshare_protocols.errors import Misuse, NotFound
from zoneshare_protocols.stub import ERROR, OK

ME = identity("Org1MSP", "device")
NOW = datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Files:
    """PEM files: a server's certificate and key, the CA of both sides, and a peer's."""

    folder: Path
    ca: bytes
    peer_key: bytes
    peer_cert: bytes

    @property
    def server(self) -> dict[str, str]:
        return {"CHAINCODE_TLS_KEY": f"{self.folder}/key.pem", "CHAINCODE_TLS_CERT": f"{self.folder}/cert.pem"}

    @property
    def mutual(self) -> dict[str, str]:
        return {**self.server, "CHAINCODE_CLIENT_CA_CERT": f"{self.folder}/ca.pem"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority.create("tlsca", "Org1MSP", NOW)
    key, peer_key = new_key(), new_key()
    (folder / "key.pem").write_bytes(key_pem(key))
    (folder / "cert.pem").write_bytes(authority.serve(key.public_key(), "chaincode", NOW))
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "garbage.pem").write_text("no certificate")
    peer_cert = authority.enrol(peer_key.public_key(), "peer0", Role.PEER, NOW)
    return Files(folder, authority.pem, key_pem(peer_key), peer_cert)


def call(connection: Connection, dial_timeout_s: float = 0.5) -> tuple[int, str]:
    chaincode = CcaasChaincode(replace(connection, dial_timeout_s=dial_timeout_s), ID)
    response = Zone("zone-a", chaincode, lambda: NOW_MS).endorse(ME, "put", "a", "b").response
    chaincode.close()
    return response.status, response.message


def test_tls_checks_the_chaincode(files: Files) -> None:
    with HostProcess(**files.server) as host:
        assert call(Connection(host.address, root_cert=files.ca), 10) == (OK, "")
        other = Authority.create("tlsca", "Org2MSP", NOW)
        for stranger in (Connection(host.address, root_cert=other.pem), Connection(host.address)):
            status, message = call(stranger)
            assert status == ERROR
            assert "could not connect" in message
        status, _ = call(Connection(host.address, root_cert=files.ca, server_name="somebody.else"))
        assert status == ERROR


def test_mutual_tls_checks_the_peer_too(files: Files) -> None:
    with HostProcess(**files.mutual) as host:
        known = Connection(host.address, root_cert=files.ca, client_key=files.peer_key, client_cert=files.peer_cert)
        assert call(known, 10) == (OK, "")
        key = new_key()
        stranger = Authority.create("tlsca", "Org2MSP", NOW).enrol(key.public_key(), "peer0", Role.PEER, NOW)
        for connection in (
            Connection(host.address, root_cert=files.ca),
            Connection(host.address, root_cert=files.ca, client_key=key_pem(key), client_cert=stranger),
        ):
            assert call(connection)[0] == ERROR
        assert not any("PRIVATE" in line or "BEGIN" in line for line in host.lines)


BASE = {"CHAINCODE_ID": ID}


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "CHAINCODE_ID must be set"),
        ({**BASE, "CHAINCODE_SERVER_ADDRESS": "nowhere"}, "must be host:port"),
        ({**BASE, "CHAINCODE_SERVER_ADDRESS": "127.0.0.1:99999"}, "must be host:port"),
        ({**BASE, "CHAINCODE_TLS_DISABLED": "perhaps"}, "must be true or false"),
        ({**BASE, "CHAINCODE_TLS_DISABLED": "false"}, "needs both"),
        ({**BASE, "CHAINCODE_TLS_KEY": "{folder}/key.pem"}, "needs both"),
        ({**BASE, "CHAINCODE_CLIENT_CA_CERT": "{folder}/ca.pem"}, "needs both"),
        ({**BASE, "CHAINCODE_TLS_KEY": "{folder}/none", "CHAINCODE_TLS_CERT": "{folder}/cert.pem"}, "cannot read"),
        ({**BASE, "CHAINCODE_TLS_KEY": "{folder}/ca.pem", "CHAINCODE_TLS_CERT": "{folder}/cert.pem"}, "no certificate"),
        (
            {
                **BASE,
                "CHAINCODE_TLS_KEY": "{folder}/key.pem",
                "CHAINCODE_TLS_CERT": "{folder}/cert.pem",
                "CHAINCODE_CLIENT_CA_CERT": "{folder}/garbage.pem",
            },
            "holds no CA certificate",
        ),
    ],
)
def test_bad_settings_are_refused_by_name(files: Files, environ: dict[str, str], words: str) -> None:
    with pytest.raises(Misuse, match=words):
        from_environment({name: value.format(folder=files.folder) for name, value in environ.items()})


def test_settings_by_their_other_names(files: Files) -> None:
    found = from_environment(
        {
            "CORE_CHAINCODE_ID_NAME": ID,
            "CHAINCODE_SERVER_ADDRESS": "0.0.0.0:7052",
            "CHAINCODE_TLS_DISABLED": "false",
            "CHAINCODE_TLS_KEY_FILE": f"{files.folder}/key.pem",
            "CHAINCODE_TLS_CERT_FILE": f"{files.folder}/cert.pem",
            "CHAINCODE_TLS_CLIENT_CACERT_FILE": f"{files.folder}/ca.pem",
            "ZONESHARE_ORGANISATIONS": "Org1MSP, Org2MSP,",
        }
    )
    assert (found.host, found.port, found.organisations) == ("0.0.0.0", 7052, ("Org1MSP", "Org2MSP"))  # noqa: S104 - asked for
    assert found.tls is not None
    assert found.tls.client_ca == files.ca
    assert "BEGIN" not in repr(found)


@pytest.mark.parametrize("address", ["", ":9999", "9999"])
def test_loopback_unless_told_otherwise(address: str) -> None:
    assert from_environment({**BASE, "CHAINCODE_SERVER_ADDRESS": address}) == Settings(ID, "127.0.0.1", 9999, None, ())


def test_tls_that_is_disabled_needs_no_files() -> None:
    environ = {**BASE, "CHAINCODE_TLS_DISABLED": "true", "CHAINCODE_TLS_KEY": "/none"}
    assert from_environment(environ).tls is None


def refusal(*command: str, **environ: str) -> str:
    """All the host says when it does not start."""
    done = subprocess.run(
        [sys.executable, *command], env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def test_bad_configuration_is_one_line_and_exit_code_1() -> None:
    for said in (
        refusal(str(ASSET)),
        refusal("-m", "zoneshare_chaincode.host", CHAINCODE_ID=ID),
        refusal("-m", "zoneshare_chaincode.host", CHAINCODE_ID=ID, ZONESHARE_ORGANISATIONS="A,A"),
    ):
        assert len(said.splitlines()) == 1, said
        assert said.startswith("chaincode host: ")


def test_a_taken_address_is_refused(host: HostProcess) -> None:
    said = refusal(str(ASSET), CHAINCODE_ID=ID, CHAINCODE_SERVER_ADDRESS=host.address)
    assert said == f"chaincode host: cannot listen on {host.address}: taken, or no address of this machine\n"


@pytest.fixture
def contracts() -> Iterator[HostProcess]:
    with HostProcess("-m", "zoneshare_chaincode.host", ZONESHARE_ORGANISATIONS="Org1MSP,Org2MSP") as running:
        yield running


def test_zoneshares_own_contracts_and_their_typed_errors(contracts: HostProcess) -> None:
    chaincode = CcaasChaincode(contracts.connection, ID)
    # The contracts run in a process with a clock of its own: the transaction's time is this very moment.
    now_ms = time.time_ns() // 1_000_000
    zone = Zone("zone-a", chaincode, lambda: now_ms)
    with pytest.raises(NotFound):
        zone.evaluate(ME, "ledger:parameters")
    chaincode.close()
    assert contracts.stop() == 0
    assert "stopped" in contracts.lines[-1]
