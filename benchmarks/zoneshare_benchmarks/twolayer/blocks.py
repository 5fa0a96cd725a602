"""``python -m zoneshare_benchmarks.twolayer.blocks``: a store of blocks that answers as kubo's RPC does, in memory.

A stand-in for IPFS on one machine: the same HTTP requests travel the same link; there is no DHT and no other node.
"""

import json
import signal
import sys
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from zoneshare.stores import cid
from zoneshare_benchmarks.runner.lifeline import end_with_parent


class _Blocks(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Blocks
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        status, body = self._reply()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _reply(self) -> tuple[int, bytes]:
        parts = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if parts.path == "/api/v0/block/put":
            block = self._file(data)
            name = cid.of(block)
            self.server.blocks[name] = block
            return 200, json.dumps({"Key": name, "Size": len(block)}).encode()
        found = self.server.blocks.get(parse_qs(parts.query).get("arg", [""])[0])
        if found is None:
            return 500, json.dumps({"Message": "block was not found", "Code": 0, "Type": "error"}).encode()
        return 200, found if parts.path == "/api/v0/block/get" else json.dumps({"Size": len(found)}).encode()

    def _file(self, body: bytes) -> bytes:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        part = list(BytesParser().parsebytes(head + body).walk())[1]
        payload = part.get_payload(decode=True)
        return payload if isinstance(payload, bytes) else b""

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


def _stop(*_: object) -> None:
    """Once: the one that started it ends it, and its pipe closes too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def main() -> None:
    """Until SIGTERM."""
    signal.signal(signal.SIGTERM, _stop)
    end_with_parent()
    with _Blocks() as server:
        sys.stdout.write(f"ready {server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
