"""How the host is told what to do: environment variables, named as Fabric's builders and samples name them."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoneshare_protocols.errors import Misuse

DEFAULT_ADDRESS = "127.0.0.1:9999"


@dataclass(frozen=True)
class Tls:
    """PEM. With ``client_ca`` a peer must show a certificate that chains to it."""

    key: bytes
    certificate: bytes
    client_ca: bytes | None

    def __repr__(self) -> str:
        return f"Tls(client certificates {'required' if self.client_ca else 'not asked for'})"


@dataclass(frozen=True)
class Settings:
    """``chaincode_id`` is the package id the peer knows the chaincode by, label:hash."""

    chaincode_id: str
    host: str
    port: int
    tls: Tls | None
    organisations: tuple[str, ...]
    """MSP ids of the organisations that govern the zone."""


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Raises Misuse, naming the variable, for what is missing or cannot be used.

    CHAINCODE_ID or CORE_CHAINCODE_ID_NAME; CHAINCODE_SERVER_ADDRESS (host:port; loopback if it names no host);
    CHAINCODE_TLS_DISABLED, CHAINCODE_TLS_KEY, CHAINCODE_TLS_CERT and CHAINCODE_CLIENT_CA_CERT (files; Fabric's Node
    shim calls them CHAINCODE_TLS_KEY_FILE, CHAINCODE_TLS_CERT_FILE, CHAINCODE_TLS_CLIENT_CACERT_FILE, and those serve
    too); ZONESHARE_ORGANISATIONS (MSP ids, separated by commas).
    """
    chaincode_id = _first(environ, "CHAINCODE_ID", "CORE_CHAINCODE_ID_NAME")
    if not chaincode_id:
        raise Misuse("CHAINCODE_ID must be set to the chaincode's package id (label:hash)")
    host, port = _address(environ.get("CHAINCODE_SERVER_ADDRESS") or DEFAULT_ADDRESS)
    organisations = tuple(o.strip() for o in environ.get("ZONESHARE_ORGANISATIONS", "").split(",") if o.strip())
    return Settings(chaincode_id, host, port, _tls(environ), organisations)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Misuse(f"CHAINCODE_SERVER_ADDRESS must be host:port, not {text!r}")
    return host or "127.0.0.1", int(port)


def _tls(environ: Mapping[str, str]) -> Tls | None:
    disabled = environ.get("CHAINCODE_TLS_DISABLED", "").strip().lower()
    if disabled not in ("", "true", "false", "1", "0"):
        raise Misuse(f"CHAINCODE_TLS_DISABLED must be true or false, not {disabled!r}")
    key = _first(environ, "CHAINCODE_TLS_KEY", "CHAINCODE_TLS_KEY_FILE")
    certificate = _first(environ, "CHAINCODE_TLS_CERT", "CHAINCODE_TLS_CERT_FILE")
    client_ca = _first(environ, "CHAINCODE_CLIENT_CA_CERT", "CHAINCODE_TLS_CLIENT_CACERT_FILE")
    if disabled in ("true", "1"):
        return None
    if not (key or certificate or client_ca or disabled):
        return None
    if not key or not certificate:
        raise Misuse("TLS needs both CHAINCODE_TLS_KEY and CHAINCODE_TLS_CERT (or CHAINCODE_TLS_DISABLED=true)")
    _check(key, certificate, client_ca)
    return Tls(_file(key), _file(certificate), _file(client_ca) if client_ca else None)


def _check(key: str, certificate: str, client_ca: str) -> None:
    """Find out now, in words, what gRPC would only say by refusing every peer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in filter(None, (key, certificate, client_ca)):
        _file(path)
    try:
        # The password callback keeps an encrypted key from asking at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as cause:
        raise Misuse(f"{certificate} and {key} are no certificate with its unencrypted key, in PEM") from cause
    if client_ca:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as cause:
            raise Misuse(f"{client_ca} holds no CA certificate in PEM") from cause


def _file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as cause:
        raise Misuse(f"cannot read {path}: {cause.strerror}") from cause


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")
