"""The channels on a zone's ledger, to look at."""

from collections.abc import Iterator

from zoneshare.calls import Contract
from zoneshare_protocols.sharing.records import Channel, Phase


class Escrows(Contract):
    """The queries of the contract ``escrow``, on the payee's zone's ledger."""

    prefix = "escrow"

    def channel(self, id: str) -> Channel:
        """Raises NotFound."""
        return self.query(Channel, "channel", id)

    def channels(self) -> Iterator[Channel]:
        return self.pages(Channel, "channels")


def escrowed(channel: Channel) -> int:
    """What a channel holds: deposit and bonds, until it is settled."""
    return 0 if channel.phase is Phase.SETTLED else channel.terms.deposit + channel.bond
