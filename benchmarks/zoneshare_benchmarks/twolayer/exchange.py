"""A plain HTTP exchange: a request pays for a chunk, the answer is the chunk, encrypted, and its key.

The peer of Fig. 5 without a ledger: its payments are vouchers that the buyer signs and nobody can enforce. With a
ledger behind it, a payment is a transaction that the seller sees committed before it answers.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zoneshare_protocols.errors import BadSignature, LedgerFailed, ZoneshareError

Check = Callable[[int, bytes], None]
"""Whether a payment is good for chunk n; raises what is wrong with it."""
_NONCE = bytes(12)


class Shop(ThreadingHTTPServer):
    """Sells ``chunks`` for payments that pass ``check``."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, chunks: Sequence[bytes], check: Check) -> None:
        self.chunks, self.check = chunks, check
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        number = int(self.path.rpartition("/")[2])
        try:
            self.server.check(number, bytes.fromhex(self.headers.get("Payment", "")))
        except ZoneshareError as refused:
            self._answer(402, str(refused).encode(), b"")
            return
        key = os.urandom(32)
        self._answer(200, AESGCM(key).encrypt(_NONCE, self.server.chunks[number], None), key)

    def _answer(self, status: int, body: bytes, key: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Key", key.hex())
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@contextmanager
def serving(chunks: Sequence[bytes], check: Check) -> Iterator[int]:
    """The shop's port, while the block runs."""
    with Shop(chunks, check) as shop:
        thread = threading.Thread(target=shop.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield shop.server_port
        shop.shutdown()
        thread.join()


def voucher(key: Ed25519PrivateKey, number: int) -> bytes:
    """A signed promise to pay for chunk ``number``."""
    return key.sign(number.to_bytes(8, "big"))


def check_voucher(key: Ed25519PublicKey) -> Check:
    """Takes the vouchers of one buyer."""

    def check(number: int, payment: bytes) -> None:
        try:
            key.verify(payment, number.to_bytes(8, "big"))
        except InvalidSignature as cause:
            raise BadSignature("the voucher is not the buyer's", chunk=number) from cause

    return check


def buy(session: requests.Session, port: int, number: int, payment: bytes) -> bytes:
    """One chunk's plaintext. Raises LedgerFailed when the shop refuses or does not answer."""
    try:
        answer = session.get(f"http://127.0.0.1:{port}/{number}", headers={"Payment": payment.hex()}, timeout=60)
    except requests.RequestException as cause:
        raise LedgerFailed(f"the shop does not answer: {cause}") from cause
    if answer.status_code != requests.codes.ok:
        raise LedgerFailed(f"the shop refused: {answer.text}", status=answer.status_code)
    return AESGCM(bytes.fromhex(answer.headers["Key"])).decrypt(_NONCE, answer.content, None)
