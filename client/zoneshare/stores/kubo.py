"""IPFS through kubo's RPC: one chunk is one raw block, pinned, with the CID we compute ourselves."""

import threading

import msgspec
import requests

from zoneshare.stores import StoreFailed, cid
from zoneshare_protocols.errors import DataCorrupt, LimitExceeded, NotFound
from zoneshare_protocols.sharing.records import MAX_CHUNK


class _Put(msgspec.Struct, rename="pascal"):
    key: str


class _Error(msgspec.Struct, rename="pascal"):
    message: str


class KuboStore:
    """``api``: where kubo's RPC listens, for instance http://127.0.0.1:5001. ``timeout`` in seconds."""

    def __init__(self, api: str, timeout: float = 30.0) -> None:
        self._api = api.rstrip("/")
        self._timeout = timeout
        self._local = threading.local()

    def put(self, data: bytes) -> str:
        """Raises StoreFailed; LimitExceeded over 1 MiB; DataCorrupt when kubo names the block otherwise than we do."""
        if len(data) > MAX_CHUNK:
            raise LimitExceeded("a block is one IPFS block at most", value=len(data), limit=MAX_CHUNK)
        query = {"cid-codec": "raw", "mhtype": "sha2-256", "pin": "true"}
        status, body = self._call("block/put", query, {"data": data})
        if status != requests.codes.ok:
            raise StoreFailed(f"kubo refused a block: {_reason(body)}", status=status)
        try:
            key = msgspec.json.decode(body, type=_Put).key
        except msgspec.MsgspecError as cause:
            raise StoreFailed("kubo's answer to block/put cannot be understood") from cause
        cid.check(key, data)
        return key

    def get(self, name: str) -> bytes:
        """Raises NotFound, DataCorrupt, StoreFailed."""
        cid.to_digest(name)
        status, body = self._call("block/get", {"arg": name})
        if status == requests.codes.ok:
            return cid.check(name, body)
        reason = _reason(body)
        if "not found" in reason or "could not find" in reason:
            raise NotFound("kubo has no such block", cid=name)
        raise StoreFailed(f"kubo did not give a block: {reason}", cid=name, status=status)

    def has(self, name: str) -> bool:
        """Whether this node itself has the block; others are not asked."""
        cid.to_digest(name)
        status, _ = self._call("block/stat", {"arg": name, "offline": "true"})
        return bool(status == requests.codes.ok)

    def _call(self, path: str, query: dict[str, str], files: dict[str, bytes] | None = None) -> tuple[int, bytes]:
        url = f"{self._api}/api/v0/{path}"
        try:
            with self._session().post(url, params=query, files=files, timeout=self._timeout, stream=True) as answer:
                body = bytearray()
                for part in answer.iter_content(1 << 16):
                    body += part
                    if len(body) > MAX_CHUNK:
                        raise DataCorrupt("kubo sent more than a block", limit=MAX_CHUNK)
                return answer.status_code, bytes(body)
        except requests.Timeout as cause:
            raise StoreFailed(f"kubo did not answer {path} within {self._timeout:g} s") from cause
        except requests.RequestException as cause:
            raise StoreFailed(f"kubo's RPC at {self._api} cannot be reached, or broke off") from cause

    def _session(self) -> requests.Session:
        # A session may not be shared between threads; one for each keeps its connection open.
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session


def _reason(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Error).message[:200]
    except msgspec.MsgspecError:
        return body[:200].decode(errors="replace").strip() or "no reason given"
