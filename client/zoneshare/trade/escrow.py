"""The contract ``escrow`` of the payee's zone, for who trades."""

from zoneshare.escrows import Escrows
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.sharing.records import (
    Channel,
    ChannelTerms,
    Commitment,
    Complaint,
    EndorsedQuery,
    Evidence,
    SignedState,
)


class Escrow(Escrows):
    """Raises the contract's own errors, and what the Ledger port raises."""

    def find(self, channel: str) -> Channel | None:
        """The channel, or None where it is not on the ledger (yet)."""
        try:
            return self.channel(channel)
        except NotFound:
            return None

    def commitment(self, channel: str, trade: bytes) -> Commitment:
        """tx5, by its digest. Raises NotFound."""
        return self.query(Commitment, "trade", channel, trade)

    def fund(self, terms: ChannelTerms, refund: SignedState, proof: EndorsedQuery) -> None:
        """tx3^A."""
        self.submit("fund", terms, refund, proof)

    def commit(self, commitment: Commitment) -> None:
        """tx5."""
        self.submit("commit", commitment)

    def close(self, signed: SignedState, evidence: Evidence) -> None:
        self.submit("close", signed, evidence)

    def begin_challenge(self, channel: str) -> None:
        self.submit("begin_challenge", channel)

    def challenge(self, signed: SignedState, evidence: Evidence) -> None:
        self.submit("challenge", signed, evidence)

    def complain(self, complaint: Complaint) -> None:
        self.submit("complain", complaint)

    def settle(self, channel: str) -> None:
        self.submit("settle", channel)

    def settle_final(self, signed: SignedState) -> None:
        """T_n."""
        self.submit("settle_final", signed)
