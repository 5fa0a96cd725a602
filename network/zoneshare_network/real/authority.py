"""fabric-ca: what its server reads, and how a device enrols there over its REST API."""

import base64
import json
import secrets
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from zoneshare_network import pki
from zoneshare_network.durable import write_file
from zoneshare_network.members import Organisation
from zoneshare_network.real.site import Site
from zoneshare_network.real.topology import Node
from zoneshare_network.real.yaml import dump
from zoneshare_protocols.errors import LedgerFailed, Misuse, NotFound
from zoneshare_protocols.fabric import signatures

_REGISTRAR = "registrar"
_SECRET = "registrar.secret"  # noqa: S105 - a file's name
_TIMEOUT_S = 15.0
_UNKNOWN = "was not found"


def write_server(site: Site, node: Node, member: Organisation) -> None:
    """The folder of a CA's node: the organisation's CA, and a configuration with a registrar of a fresh password."""
    folder = site.node_folder(node)
    if (folder / "fabric-ca-server-config.yaml").exists():
        return
    password = secrets.token_urlsafe(24)
    write_file(folder / "ca-cert.pem", member.ca.pem)
    write_file(folder / "ca-key.pem", (member.folder / "ca" / "key.pem").read_bytes(), private=True)
    write_file(folder / _SECRET, password.encode(), private=True)
    config = _config(site, node, password)
    write_file(folder / "fabric-ca-server-config.yaml", dump(config).encode(), private=True)


def _config(site: Site, node: Node, password: str) -> dict[str, object]:
    place = "/node" if site.mode == "compose" else str(site.node_folder(node).resolve())
    state = "/state" if site.mode == "compose" else str((site.folder / "data" / node.name).resolve())
    registrar = {
        "name": _REGISTRAR,
        "pass": password,
        "type": "client",
        "affiliation": "",
        "attrs": {
            "hf.Registrar.Roles": "client,admin",
            "hf.Registrar.DelegateRoles": "",
            "hf.Revoker": True,
            "hf.GenCRL": True,
            "hf.Registrar.Attributes": "",
        },
    }
    return {
        "port": node.port,
        "address": "0.0.0.0" if site.mode == "compose" else "127.0.0.1",  # noqa: S104 - a container's own network
        "tls": {"enabled": True, "certfile": f"{place}/tls/server.crt", "keyfile": f"{place}/tls/server.key"},
        "ca": {"name": node.name, "certfile": f"{place}/ca-cert.pem", "keyfile": f"{place}/ca-key.pem"},
        "crl": {"expiry": "8760h"},
        "registry": {"maxenrollments": -1, "identities": [registrar]},
        "db": {"type": "sqlite3", "datasource": f"{state}/fabric-ca-server.db"},
        "affiliations": {},
        "signing": {"default": {"usage": ["digital signature"], "expiry": "8760h"}},
        "bccsp": {
            "default": "SW",
            "sw": {"hash": "SHA2", "security": 256, "filekeystore": {"keystore": f"{state}/keys"}},
        },
        # Of its own: with the default, two CAs on one host meet on a port.
        "operations": {"listenAddress": f"127.0.0.1:{node.health_port}"},
    }


class CaClient:
    """A CA's REST API, as its registrar and as the devices that enrol."""

    def __init__(self, site: Site, node: Node) -> None:
        self._url = f"https://{site.reach(node)}"
        self._folder = site.node_folder(node)
        self._name = node.name

    def certify(self, name: str, request: bytes, role: str) -> bytes:
        """Register ``name`` if the CA does not know it, and certify its signing request (PEM). Returns PEM.

        Raises Misuse for what the CA refuses, LedgerFailed where it does not answer.
        """
        secret = secrets.token_urlsafe(24)
        self._register(name, secret, role)
        return self.enroll(name, secret, request)

    def enroll(self, name: str, secret: str, request: bytes) -> bytes:
        """What a device does with the password it was given: ``request`` is its signing request (PEM)."""
        body = json.dumps({"certificate_request": request.decode(), "caname": self._name}).encode()
        found = self._call("POST", "enroll", body, _basic(name, secret))
        return base64.b64decode(found["Cert"])

    def revoke(self, name: str) -> tuple[int, frozenset[int]]:
        """Revoke ``name`` and its certificates: how many now, and, if any, the serial numbers of all that are revoked.

        Raises NotFound for a name that the CA does not know, Misuse for what it refuses, LedgerFailed.
        """
        try:
            found = self._signed("POST", "revoke", {"id": name, "gencrl": True, "caname": self._name})
        except Misuse as cause:
            if _UNKNOWN not in str(cause):
                raise
            raise NotFound(f"the CA {self._name} knows no such name", name=name) from cause
        listed = base64.b64decode(found["CRL"] or "")
        serials = (one.serial_number for one in x509.load_pem_x509_crl(listed)) if listed else ()
        return len(found["RevokedCerts"] or ()), frozenset(serials)

    def _register(self, name: str, secret: str, role: str) -> None:
        body = {"id": name, "type": role, "secret": secret, "max_enrollments": -1, "caname": self._name}
        try:
            self._signed("POST", "register", body)
        except Misuse as cause:
            if "already registered" not in str(cause):
                raise
            self._signed("PUT", f"identities/{name}", {"type": role, "secret": secret, "caname": self._name})

    def _signed(self, method: str, path: str, content: dict[str, object]) -> dict[str, Any]:
        """A call by the registrar: its certificate, and its signature over method, path and body, are the token."""
        certificate, key = self._registrar()
        body, shown = json.dumps(content).encode(), base64.b64encode(certificate).decode()
        parts = (f"/api/v1/{path}".encode(), body)
        message = ".".join([method, *(base64.b64encode(part).decode() for part in parts), shown])
        signature = base64.b64encode(signatures.sign(key, message.encode())).decode()
        return self._call(method, path, body, {"Authorization": f"{shown}.{signature}"})

    def _registrar(self) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
        """Certificate and key, enrolled the first time."""
        folder = self._folder / _REGISTRAR
        if not (folder / "cert.pem").exists():
            key = pki.new_key()
            password = (self._folder / _SECRET).read_text()
            certificate = self.enroll(_REGISTRAR, password, pki.signing_request(key, _REGISTRAR))
            write_file(folder / "key.pem", pki.key_pem(key), private=True)
            write_file(folder / "cert.pem", certificate)
        return (folder / "cert.pem").read_bytes(), pki.load_key((folder / "key.pem").read_bytes())

    def _call(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        try:
            answer = requests.request(
                method,
                f"{self._url}/api/v1/{path}",
                data=body,
                headers={"Content-Type": "application/json", **headers},
                verify=str(self._folder / "tls" / "ca.crt"),
                timeout=_TIMEOUT_S,
            )
            found = answer.json()
        except (requests.RequestException, ValueError) as cause:
            raise LedgerFailed(f"the CA {self._name} does not answer: {cause}") from cause
        if not found.get("success"):
            said = "; ".join(str(one.get("message")) for one in found.get("errors", ()))
            raise Misuse(f"the CA {self._name} refuses: {said or answer.status_code}")
        result: dict[str, Any] = found["result"] or {}
        return result


def _basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}
