"""The channels on a zone's ledger, to look at."""

from collections.abc import Iterator

from zoneshare.calls import Contract
from zoneshare_protocols.sharing.records import Channel


class Escrows(Contract):
    """The queries of the contract ``escrow``, on the payee's zone's ledger."""

    prefix = "escrow"

    def channel(self, id: str) -> Channel:
        """Raises NotFound."""
        return self.query(Channel, "channel", id)

    def channels(self) -> Iterator[Channel]:
        return self.pages(Channel, "channels")
