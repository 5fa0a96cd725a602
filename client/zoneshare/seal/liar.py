"""A vehicle that never releases a key, and a drone that never gives a payword, for the demo and for tests.

As a program it is the vehicle's own command: ``python -m zoneshare.seal.liar bid serve …``.
"""

from unittest.mock import patch

from zoneshare.__main__ import main
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Bidder
from zoneshare.seal.drone_messages import Receipt
from zoneshare.seal.exchange import Exchange
from zoneshare.seal.winning import Winning
from zoneshare_protocols.errors import NotAllowed
from zoneshare_protocols.seal.results import EncryptedResult, Locked


class KeepsKeys(Winning):
    async def release(self, locked: Locked, paid: bool) -> None:
        """Never."""


class NeverReleases(Bidder):
    """It takes paywords, and keeps its keys."""

    side = KeepsKeys


class TakesOnly(Exchange):
    async def take(self, account: str, encrypted: EncryptedResult) -> Receipt:  # noqa: ARG002 - it does not care
        """Never gives one."""
        raise NotAllowed("no payword today", caller=account)


class NeverPays(Auctioneer):
    """It takes encrypted results, and gives no paywords."""

    desk = TakesOnly


if __name__ == "__main__":
    with patch.object(Bidder, "side", KeepsKeys):
        main()
