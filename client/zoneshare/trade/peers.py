"""Who is at the other end of a TLS session: an account of a zone, found from its Fabric certificate."""

import asyncio
import logging
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from zoneshare.identity import Identity
from zoneshare.trade.moment import Clock, answered
from zoneshare_protocols.errors import Misuse, NotAllowed, ZoneshareError
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.sharing.accounts import account_of
from zoneshare_protocols.sharing.records import Trust
from zoneshare_protocols.stub import Creator

log = logging.getLogger(__name__)

RENEWED_MS = 60_000
"""A device whose zone is newly trusted, or whose certificate was revoked, is judged by it after this long."""


@dataclass(frozen=True)
class Peer:
    """The other device: its account, and the zones whose CAs vouch for it."""

    account: str
    zones: frozenset[str]


class PeerBook:
    """The zones whose devices may talk to us, as our own ledger trusts them.

    A session is bound to the account that the peer's certificate gives, never to a host name.
    """

    def __init__(self, trusted: Iterable[Trust]) -> None:
        """Raises Misuse when nobody is trusted."""
        self._served: list[ssl.SSLContext] = []
        self.renew(trusted)

    def renew(self, trusted: Iterable[Trust]) -> None:
        """Judge by these from now on, with servers that run already too. Raises Misuse when nobody is trusted."""
        msps = [
            (trust.zone, Msp(mspid, roots, crls=trust.revoked)) for trust in trusted for mspid, roots in trust.roots
        ]
        if not msps:
            raise Misuse("no zone is trusted, so no device can be talked to")
        self._msps = msps
        for context in self._served:
            # Roots that are trusted no more stay in the context; ``identify`` refuses what they vouch for.
            context.load_verify_locations(cadata=self._roots())

    def identify(self, certificate: bytes) -> Peer:
        """The peer with this certificate (DER). Raises NotAllowed when no trusted zone's CA vouches for it now."""
        pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
        now_ms = time.time_ns() // 1_000_000
        vouched = []
        for zone, msp in self._msps:
            try:
                msp.validate(Creator(msp.mspid, pem), now_ms)
            except ZoneshareError:
                continue
            vouched.append((zone, account_of(msp.mspid, pem)))
        accounts = {account for _, account in vouched}
        if len(accounts) != 1:
            raise NotAllowed("the other device's certificate is of no zone that is trusted here")
        return Peer(accounts.pop(), frozenset(zone for zone, _ in vouched))

    def context(self, identity: Identity, *, server: bool) -> ssl.SSLContext:
        """TLS 1.3 under our Fabric identity; the other side must show a certificate of a trusted CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self._roots())
        key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        # ssl takes a certificate and its key from a file only.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "identity.pem"
            path.touch(mode=0o600)
            path.write_bytes(identity.certificate + key)
            context.load_cert_chain(path)
        if server:
            self._served.append(context)
        return context

    def _roots(self) -> str:
        return "\n".join(sorted({root.decode() for _, msp in self._msps for root in msp.roots}))


@asynccontextmanager
async def renewed(trusted: Callable[[], Iterable[Trust]], clock: Clock) -> AsyncIterator[PeerBook]:
    """A book that is kept as the role's ledger has it while the block runs; ``trusted`` asks that ledger, and blocks.

    Waits for a ledger that is away for a moment. Raises Misuse when nobody is trusted.
    """
    book = await answered(clock, lambda: PeerBook(trusted()))
    task = asyncio.create_task(renewing(book, trusted, clock))
    try:
        yield book
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def renewing(book: PeerBook, trusted: Callable[[], Iterable[Trust]], clock: Clock) -> None:
    """Keep the book of a role that serves for long as its ledger has it; ``trusted`` blocks. Runs until cancelled."""
    while True:
        await clock.wait(RENEWED_MS)
        try:
            book.renew(await asyncio.to_thread(trusted))
        except ZoneshareError as failed:
            log.warning("the zones trusted are not known anew: %s", failed)
