"""ledger: accounts and their keys."""

from zoneshare_chaincode import vault
from zoneshare_chaincode.base import Context, Contract, query, transaction
from zoneshare_protocols.codec import Key32, Name, Signature
from zoneshare_protocols.sharing.accounts import Registration, check_registration
from zoneshare_protocols.sharing.records import Account
from zoneshare_protocols.stub import composite_key


class Accounts(Contract):
    name = "ledger"

    @transaction
    def register(self, context: Context, signing_key: Key32, envelope_key: Key32, possession: Signature) -> Account:
        """Bind two keys to the caller's account, or change them; event ``registered`` (Account)."""
        key = composite_key(vault.ACCOUNT, context.account)
        claim = Registration(context.zone, context.account, signing_key, envelope_key)
        account = check_registration(context.get(Account, key), claim, possession)
        context.put(key, account)
        context.event("registered", account)
        return account

    @query
    def whoami(self, context: Context) -> str:
        """The caller's account, registered or not."""
        return context.account

    @query
    def account(self, context: Context, id: Name) -> Account:
        return vault.account(context, id)

    @query
    def accounts(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Account, ...], str]:
        """A page of accounts, and the next page's bookmark ("" at the end)."""
        rows, following = context.page(Account, vault.ACCOUNT, size, bookmark)
        return tuple(account for _, account in rows), following
