"""ledger: issue, transfer, balances."""

from zoneshare_chaincode import vault
from zoneshare_chaincode.base import Context, Contract, query, transaction
from zoneshare_protocols.codec import Name
from zoneshare_protocols.sharing.money import check_issuer
from zoneshare_protocols.sharing.records import Issue, Transfer
from zoneshare_protocols.stub import composite_key

ISSUE = "issue"
"""One row a transaction, so that issuing touches no common key."""


class Money(Contract):
    name = "ledger"

    @transaction
    def issue(self, context: Context, to: Name, amount: int) -> None:
        """New money, by the zone's issuer only; event ``issued`` (Issue)."""
        check_issuer(context.parameters.issuer, context.account)
        vault.credit(context, to, amount)
        issue = Issue(to=to, amount=amount)
        context.put(composite_key(ISSUE, context.tx_id), issue)
        context.event("issued", issue)

    @transaction
    def transfer(self, context: Context, to: Name, amount: int) -> None:
        """From the caller to another account of this zone; event ``transferred`` (Transfer)."""
        vault.debit(context, context.account, amount)
        vault.credit(context, to, amount)
        context.event("transferred", Transfer(source=context.account, to=to, amount=amount))

    @query
    def balance(self, context: Context, account: Name) -> int:
        """Of any registered account."""
        vault.account(context, account)
        return vault.balance(context, account)

    @query
    def balances(
        self, context: Context, size: int = 100, bookmark: str = ""
    ) -> tuple[tuple[tuple[str, int], ...], str]:
        """A page of (account, balance), and the next page's bookmark."""
        rows, following = context.page(int, vault.BALANCE, size, bookmark)
        return tuple((attributes[0], amount) for attributes, amount in rows), following

    @query
    def issues(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Issue, ...], str]:
        """A page of all that was ever issued, and the next page's bookmark."""
        rows, following = context.page(Issue, ISSUE, size, bookmark)
        return tuple(issue for _, issue in rows), following
