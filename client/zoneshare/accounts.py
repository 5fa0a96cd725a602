"""The money of one zone, typed: accounts, balances, transfers, and what goes to and comes from other zones."""

from collections.abc import Iterator

from zoneshare.calls import Contract, result
from zoneshare.device_keys import DeviceKeys
from zoneshare.ledger import Committed
from zoneshare_protocols.sharing.money import check_amount
from zoneshare_protocols.sharing.records import (
    Account,
    EndorsedQuery,
    Inbound,
    Issue,
    Outbound,
    Trust,
    ZoneParameters,
)


class Accounts(Contract):
    """The contract ``ledger`` of a zone. Raises the contract's own errors, and what the Ledger port raises."""

    prefix = "ledger"

    @property
    def parameters(self) -> ZoneParameters:
        return self.query(ZoneParameters, "parameters")

    def trust(self, zone: str) -> Trust:
        return self.query(Trust, "trust", zone)

    def trusts(self) -> tuple[Trust, ...]:
        return self.query(tuple[Trust, ...], "trusts")

    def register(self, keys: DeviceKeys) -> Account:
        """Bind the device's keys to the caller's account. Raises AlreadyExists when they are bound already."""
        claim, possession = keys.possession(self.parameters.zone, self.whoami())
        committed = self.submit("register", claim.signing_key, claim.envelope_key, possession)
        return result(Account, committed.payload)

    def whoami(self) -> str:
        """The caller's account, as the contract sees it."""
        return self.query(str, "whoami")

    def account(self, account: str) -> Account:
        return self.query(Account, "account", account)

    def accounts(self) -> Iterator[Account]:
        return self.pages(Account, "accounts")

    def balance(self, account: str) -> int:
        return self.query(int, "balance", account)

    def balances(self) -> Iterator[tuple[str, int]]:
        return self.pages(tuple[str, int], "balances")

    def issues(self) -> Iterator[Issue]:
        return self.pages(Issue, "issues")

    def issue(self, to: str, amount: int) -> Committed:
        """New money, by the zone's issuer. Raises BadAmount, NotAllowed, NotFound."""
        check_amount(amount)
        return self.submit("issue", to, amount)

    def transfer(self, to: str, amount: int) -> Committed:
        """Raises BadAmount, InsufficientFunds, NotFound."""
        check_amount(amount)
        return self.submit("transfer", to, amount)

    def send(self, zone: str, account: str, amount: int, before: int = 0) -> Outbound:
        """Lock money for an account of another zone, which must take it before ``before`` (ms; 0: no deadline)."""
        check_amount(amount)
        return result(Outbound, self.submit("send", zone, account, amount, before).payload)

    def outbound(self, id: str) -> Outbound:
        return self.query(Outbound, "outbound", id)

    def outbounds(self) -> Iterator[Outbound]:
        return self.pages(Outbound, "outbounds")

    def prove_outbound(self, id: str) -> EndorsedQuery:
        """The proof, for the other zone, that the money is locked here."""
        return self.prove("outbound", id)

    def inbound(self, zone: str, id: str) -> Inbound:
        return self.query(Inbound, "inbound", zone, id)

    def inbounds(self) -> Iterator[Inbound]:
        return self.pages(Inbound, "inbounds")

    def prove_inbound(self, zone: str, id: str) -> EndorsedQuery:
        """The proof home that the money was taken, or never will be."""
        return self.prove("inbound", zone, id)

    def receive(self, zone: str, proof: EndorsedQuery) -> Inbound:
        """Credit the account that the proof names. Raises BadProof, AlreadyExists, TooLate."""
        return result(Inbound, self.submit("receive", zone, proof).payload)

    def tombstone(self, zone: str, proof: EndorsedQuery) -> Inbound:
        """Shut out money that was not taken in time. Raises BadProof, AlreadyExists, TooEarly."""
        return result(Inbound, self.submit("tombstone", zone, proof).payload)

    def acknowledge(self, id: str, proof: EndorsedQuery) -> Outbound:
        """tx3^B: the other zone took the money."""
        return result(Outbound, self.submit("acknowledge", id, proof).payload)

    def reclaim(self, id: str, proof: EndorsedQuery) -> Outbound:
        """The other zone has a tombstone: the money goes back to its source."""
        return result(Outbound, self.submit("reclaim", id, proof).payload)


class Margin:
    """Twice a zone's clock tolerance, ms: every deadline leaves it. It is kept, for it is looked at all the time."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._known: int | None = None

    @property
    def known(self) -> int:
        """As it was when the zone was last asked. Blocks the first time."""
        return self.renew() if self._known is None else self._known

    def renew(self) -> int:
        """Ask the zone: its organisations may have raised it. Blocks."""
        self._known = 2 * self._accounts.parameters.clock_tolerance
        return self._known
