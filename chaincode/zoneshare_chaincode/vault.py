"""Balances on a zone's ledger: what the contracts of one chaincode share to move money."""

from zoneshare_chaincode.base import Context
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.sharing import money
from zoneshare_protocols.sharing.records import Account
from zoneshare_protocols.stub import composite_key

ACCOUNT = "account"
BALANCE = "balance"


def account(context: Context, id: str) -> Account:
    """Raises NotFound for an account that is not registered in this zone."""
    found = context.get(Account, composite_key(ACCOUNT, id))
    if found is None:
        raise NotFound("no such account in this zone", account=id)
    return found


def balance(context: Context, id: str) -> int:
    """0 for an account that never had money."""
    return context.get(int, composite_key(BALANCE, id)) or 0


def credit(context: Context, id: str, amount: int) -> None:
    """Raises NotFound, BadAmount, LimitExceeded."""
    account(context, id)
    context.put(composite_key(BALANCE, id), money.credit(balance(context, id), amount))


def debit(context: Context, id: str, amount: int) -> None:
    """Raises BadAmount, InsufficientFunds."""
    context.put(composite_key(BALANCE, id), money.debit(balance(context, id), amount))
