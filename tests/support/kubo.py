"""An HTTP server on loopback that answers as kubo's RPC does, and checks what it is asked."""

import email.parser
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from zoneshare.stores import cid
from zoneshare_protocols.sharing.records import MAX_CHUNK


class Kubo(ThreadingHTTPServer):
    """``lie``: what it does wrong."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}
        self.lie = ""
        self.let_go = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def form_file(content_type: str, body: bytes) -> bytes:
    form = email.parser.BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    (part,) = list(form.walk())[1:]
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


def error(message: str) -> tuple[int, bytes]:
    return 500, json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode()


class Handler(BaseHTTPRequestHandler):
    server: Kubo

    def do_POST(self) -> None:
        self.answer(*self.reply())

    def reply(self) -> tuple[int, bytes]:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.lie == "silent":
            self.server.let_go.wait(10)
        if self.server.lie == "no json":
            return 200, b"<html>"
        if self.server.lie == "full":
            return error("no space left on device")
        if parts.path == "/api/v0/block/put":
            if query != {"cid-codec": "raw", "mhtype": "sha2-256", "pin": "true"}:
                return error(f"unexpected query {query}")
            data = form_file(self.headers["Content-Type"], body)
            key = cid.of(b"another" if self.server.lie == "other cid" else data)
            self.server.blocks[key] = data
            return 200, json.dumps({"Key": key, "Size": len(data)}).encode()
        if parts.path == "/api/v0/version":
            return 200, json.dumps({"Version": "0.32.1"}).encode()
        return self.give(parts.path, query)

    def give(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        if query["arg"] not in self.server.blocks:
            return error(f"block was not found locally (offline): ipld: could not find {query['arg']}")
        if path == "/api/v0/block/stat" and query["offline"] == "true":
            return 200, json.dumps({"Key": query["arg"], "Size": 1}).encode()
        if path == "/api/v0/block/get":
            return 200, self.server.blocks[query["arg"]] + b"!" * (MAX_CHUNK if self.server.lie == "flood" else 0)
        return error("404 page not found")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Kubo]:
    with Kubo() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.let_go.set()
        server.shutdown()
        thread.join()
