"""Money inside a zone: integers in the smallest unit, and the equation that must hold (docs/sharing.md)."""

from dataclasses import dataclass

from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.errors import BadAmount, InsufficientFunds, LimitExceeded, NotAllowed, NotConserved


def check_amount(amount: int) -> None:
    """Raises BadAmount for zero, a negative amount, or one over 2^63 - 1."""
    if not 1 <= amount <= MAX_AMOUNT:
        raise BadAmount("an amount is 1 to 2^63 - 1", amount=amount)


def credit(balance: int, amount: int) -> int:
    """The balance after ``amount`` came in. Raises BadAmount, LimitExceeded when it would pass 2^63 - 1."""
    check_amount(amount)
    if balance + amount > MAX_AMOUNT:
        raise LimitExceeded("the receiver's balance would pass 2^63 - 1", value=balance + amount, limit=MAX_AMOUNT)
    return balance + amount


def debit(balance: int, amount: int) -> int:
    """The balance after ``amount`` went out. Raises BadAmount, InsufficientFunds."""
    check_amount(amount)
    if balance < amount:
        raise InsufficientFunds("the balance is too small", balance=balance, needed=amount)
    return balance - amount


def check_issuer(issuer: str, caller: str) -> None:
    """Raises NotAllowed unless the caller is the zone's issuer."""
    if caller != issuer:
        raise NotAllowed("only the zone's issuer issues money", caller=caller, issuer=issuer)


@dataclass(frozen=True)
class Books:
    """The sums of one zone's records."""

    balances: int
    escrows: int
    """Channels' deposits and bonds, and what macro-transactions and mining (fees, deposits, treasury) hold."""
    locked: int
    """Outbound, not yet acknowledged or reclaimed."""
    issued: int
    received: int
    """Inbound, taken."""
    sent: int
    """Outbound, acknowledged."""

    @property
    def held(self) -> int:
        return self.balances + self.escrows + self.locked

    @property
    def owed(self) -> int:
        return self.issued + self.received - self.sent


def check_conserved(zone: str, books: Books) -> None:
    """Raises NotConserved unless balances + escrows + locked = issued + received - sent."""
    if books.held != books.owed:
        raise NotConserved("money was made or lost in a zone", zone=zone, expected=books.owed, actual=books.held)
