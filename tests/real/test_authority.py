"""What is said to fabric-ca's REST API: who may, and by what proof."""

import base64
import json
from typing import Any

import pytest
import requests
from cryptography import x509

from zoneshare_network import pki
from zoneshare_network.network import now_ms
from zoneshare_network.real import material
from zoneshare_network.real.authority import CaClient
from zoneshare_network.real.site import Site
from zoneshare_network.topology import utc
from zoneshare_protocols.errors import LedgerFailed, Misuse, NotFound
from zoneshare_protocols.fabric import signatures


class FakeCa:
    """Checks what fabric-ca checks: the password at enrolment, the registrar's token at all else."""

    def __init__(self, site: Site) -> None:
        node = site.topology.authorities[0]
        self.authority = material.organisations(site)["Org1MSP"].ca
        self.known = {"registrar": (site.node_folder(node) / "registrar.secret").read_text()}
        self.roles = {"registrar": "client"}
        self.calls: list[str] = []

    def __call__(self, method: str, url: str, *, data: bytes, headers: dict[str, str], **options: Any) -> Any:
        path = url.partition("/api/v1/")[2]
        self.calls.append(f"{method} {path}")
        assert url.startswith("https://127.0.0.1:")
        assert options["verify"].endswith("nodes/ca.org1/tls/ca.crt")
        body, token = json.loads(data), headers["Authorization"]
        if path == "enroll":
            name, _, secret = base64.b64decode(token.removeprefix("Basic ")).decode().partition(":")
            if self.known.get(name) != secret:
                return _answer(401, {"success": False, "errors": [{"code": 20, "message": "Authentication failure"}]})
            key = pki.request_key(body["certificate_request"].encode())
            made = self.authority.enrol(key, name, pki.Role(self.roles[name]), utc(now_ms()))
            return _answer(201, {"success": True, "result": {"Cert": base64.b64encode(made).decode()}})
        self._check(method, f"/api/v1/{path}", data, token)
        if path == "revoke":
            return self._revoke(body["id"])
        name = body.get("id") or path.removeprefix("identities/")
        if method == "POST" and name in self.known:
            said = f"Registration of '{name}' failed: Identity '{name}' is already registered"
            return _answer(500, {"success": False, "errors": [{"code": 0, "message": said}]})
        self.known[name], self.roles[name] = body["secret"], body["type"]
        return _answer(201, {"success": True, "result": {}})

    def _revoke(self, name: str) -> requests.Response:
        if name not in self.known:
            said = f"Identity {name} was not found: Failed to get User: sql: no rows in result set"
            return _answer(404, {"success": False, "errors": [{"code": 63, "message": said}]})
        if self.known.pop(name) == "":
            return _answer(200, {"success": True, "result": {"RevokedCerts": None, "CRL": ""}})
        self.known[name] = ""
        crl = base64.b64encode(self.authority.revocation_list((77,), utc(now_ms()))).decode()
        return _answer(200, {"success": True, "result": {"RevokedCerts": [{"Serial": "4d"}], "CRL": crl}})

    def _check(self, method: str, path: str, body: bytes, token: str) -> None:
        shown, _, signature = token.partition(".")
        certificate = x509.load_pem_x509_certificate(base64.b64decode(shown))
        certificate.verify_directly_issued_by(self.authority.certificate)
        parts = (base64.b64encode(path.encode()).decode(), base64.b64encode(body).decode(), shown)
        signatures.verify(certificate, base64.b64decode(signature), ".".join((method, *parts)).encode())


def _answer(status: int, body: dict[str, Any]) -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = status, json.dumps(body).encode()
    return made


@pytest.fixture
def ca(compose_site: Site, monkeypatch: pytest.MonkeyPatch) -> FakeCa:
    made = FakeCa(compose_site)
    monkeypatch.setattr(requests, "request", made)
    return made


def test_a_device_is_registered_and_certified(ca: FakeCa, compose_site: Site) -> None:
    client = CaClient(compose_site, compose_site.topology.authorities[0])
    request = pki.signing_request(pki.new_key(), "alice")
    certificate = x509.load_pem_x509_certificate(client.certify("alice", request, "client"))
    assert certificate.subject.rfc4514_string() == "CN=alice,OU=client,O=Org1MSP"
    again = x509.load_pem_x509_certificate(client.certify("alice", request, "admin"))
    assert "OU=admin" in again.subject.rfc4514_string()
    assert ca.calls[-3:] == ["POST register", "PUT identities/alice", "POST enroll"]
    kept = compose_site.node_folder(compose_site.topology.authorities[0]) / "registrar" / "key.pem"
    assert kept.stat().st_mode & 0o077 == 0


def test_the_ca_says_what_it_has_revoked(ca: FakeCa, compose_site: Site) -> None:
    client = CaClient(compose_site, compose_site.topology.authorities[0])
    client.certify("eve", pki.signing_request(pki.new_key(), "eve"), "client")
    assert client.revoke("eve") == (1, frozenset({77}))
    assert client.revoke("eve") == (0, frozenset()), "the second time there is nothing to do"
    with pytest.raises(NotFound, match=r"ca\.org1 knows no such name"):
        client.revoke("nobody")


def test_a_wrong_password_is_refused_in_the_cas_words(ca: FakeCa, compose_site: Site) -> None:
    client = CaClient(compose_site, compose_site.topology.authorities[0])
    with pytest.raises(Misuse, match=r"ca\.org1 refuses: Authentication failure"):
        client.enroll("registrar", "wrong", pki.signing_request(pki.new_key(), "registrar"))


def test_an_answer_that_is_none(compose_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = requests.Response()
    broken.status_code, broken._content = 502, b"<html>"
    monkeypatch.setattr(requests, "request", lambda *_, **__: broken)
    client = CaClient(compose_site, compose_site.topology.authorities[0])
    with pytest.raises(LedgerFailed, match="does not answer"):
        client.enroll("a", "b", pki.signing_request(pki.new_key(), "a"))
