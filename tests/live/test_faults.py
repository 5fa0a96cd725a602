"""A node dies under load: what was committed is on the ledger once, what was refused is not."""

import logging

import pytest

from tests.live.faults import EmbeddedFaults, Faults, Load, NativeFaults
from tests.live.network import Live, named
from zoneshare.accounts import Accounts
from zoneshare.audit import audit_network
from zoneshare.gateway import Deadlines, GatewayLedger
from zoneshare.ledger import LedgerUnavailable

KINDS = NativeFaults.kinds if named() else EmbeddedFaults.kinds
AT_ONCE = 8
COMMITS = 24


@pytest.fixture(scope="module")
def accounts(site: Live) -> list[str]:
    return [site.account("zone-a") for _ in range(AT_ONCE)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_submit_has_one_outcome(site: Live, faults: Faults, accounts: list[str], kind: str) -> None:
    issuer = site.issuer()
    shared = issuer.ledger("zone-a")
    ledger = GatewayLedger(
        shared._transport, "zone-a", issuer.identity, msps=shared._msps, deadlines=Deadlines(inquiry=1.0)
    )
    before = {account: Accounts(ledger).balance(account) for account in accounts}
    with Load(ledger, accounts) as load:
        load.await_commits(COMMITS)
        name = faults.kill(kind)
        load.await_commits(COMMITS)
    there, absent = load.settle()
    gained = {account: Accounts(ledger).balance(account) - before[account] for account in accounts}
    told = "%s, %s killed: %s; of the unclear on the ledger %d, not %d"
    logging.getLogger(__name__).info(told, site.adapter, name, load.report(), there, absent)
    assert set(load.refused) <= {LedgerUnavailable.__name__}
    assert gained == {account: load.committed[account] for account in accounts}


def test_no_money_was_made_or_lost(site: Live) -> None:
    issuer = site.issuer()
    found = audit_network([issuer.ledger(zone) for zone in site.zones])
    assert found.issued == found.held > 0
