"""The Ledger port's essentials on a running network, by our own chaincode."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.network import Live, run
from zoneshare import enrolment
from zoneshare.accounts import Accounts
from zoneshare.connection import Connection
from zoneshare.gateway import CHAINCODE, GatewayLedger, Retries
from zoneshare.ledger import Conflict, Refused
from zoneshare_network.pki import Authority, Role
from zoneshare_network.topology import utc
from zoneshare_protocols.errors import InsufficientFunds, NotFound
from zoneshare_protocols.fabric import endorsed_query

MONEY = 1000


@pytest.fixture(scope="module")
def issuer(site: Live) -> Connection:
    return site.issuer()


@pytest.fixture(scope="module")
def ledger(issuer: Connection) -> GatewayLedger:
    return issuer.ledger("zone-a")


@pytest.fixture(scope="module")
def account(site: Live) -> str:
    return site.account("zone-a")


def test_what_is_submitted_is_read_and_its_block_known(ledger: GatewayLedger, account: str) -> None:
    before = Accounts(ledger).balance(account)
    committed = Accounts(ledger).issue(account, MONEY)
    assert Accounts(ledger).balance(account) == before + MONEY
    assert ledger.outcome(committed.tx_id) == committed.block


def test_a_contracts_error_comes_whole(site: Live, account: str) -> None:
    device = site.device("zone-a")
    with pytest.raises(InsufficientFunds) as refused:
        device.accounts().transfer(account, 7)
    assert {"balance", "needed"} <= set(refused.value.values)
    assert refused.value.values["needed"] == 7
    with pytest.raises(NotFound):
        device.accounts().balance("nobody")
    with pytest.raises(NotFound):
        device.accounts().prove_outbound("transfer.none")


def test_refusals_have_fabrics_code(ledger: GatewayLedger, issuer: Connection) -> None:
    with pytest.raises(Refused, match="nochaincode"):
        GatewayLedger(ledger._transport, "zone-a", issuer.identity, chaincode="nochaincode").submit("a")
    with pytest.raises(Refused) as no_channel:
        issuer.ledger("zone-x").evaluate("ledger:parameters")
    assert no_channel.value.values["code"] in {"UNAVAILABLE", "UNKNOWN"}


def test_a_foreign_authoritys_identity_is_refused(ledger: GatewayLedger, issuer: Connection) -> None:
    genuine = issuer.identity
    foreign = Authority.create("ca", genuine.mspid, utc(ledger._clock()))
    certificate = foreign.enrol(genuine.key.public_key(), "user", Role.CLIENT, utc(ledger._clock()))
    forged = type(genuine)(genuine.mspid, certificate, genuine.key)
    transport = ledger._transport
    if hasattr(transport, "worker"):
        transport = type(transport)(transport.worker, forged)  # type: ignore[call-arg]
    stranger = GatewayLedger(transport, "zone-a", forged)
    with pytest.raises(Refused, match="access denied"):
        stranger.evaluate("ledger:parameters")
    with pytest.raises(Refused):
        stranger.submit("ledger:issue", b"x", b"1")


def test_who_was_revoked_is_refused_from_then_on(site: Live) -> None:
    device = site.device("zone-a")
    ledger = site.connect(device.folder).ledger("zone-a")
    assert Accounts(ledger).balance(device.account) == 0
    run("network", "revoke", device.folder.name, "--dir", str(site.folder), "--org", site.home)
    with pytest.raises(Refused, match="access denied"):
        ledger.evaluate("ledger:parameters")
    with pytest.raises(Refused):
        ledger.submit("ledger:issue", b"x", b"1")


def test_a_proof_convinces_who_trusts_the_organisations(site: Live, ledger: GatewayLedger, account: str) -> None:
    trust = enrolment.trust_pattern(site.folder, CHAINCODE)
    there = type(trust)("zone-a", "zone-a", CHAINCODE, trust.policy, trust.roots, trust.revoked, 1)
    query = ledger.endorsed_query("ledger:balance", account.encode())
    shown = endorsed_query.verify(query, there, ("ledger:balance",), ledger._clock())
    assert shown.args == (account.encode(),)
    assert shown.result == ledger.evaluate("ledger:balance", account.encode())


def test_events_from_a_block_on_in_order_and_again(ledger: GatewayLedger, account: str) -> None:
    made = [Accounts(ledger).issue(account, amount) for amount in (1, 2, 3)]
    for begin in (0, 2):
        stream = ledger.events(made[begin].block)
        wanted = [each.tx_id for each in made[begin:]]
        heard: list[str] = []
        while len(heard) < len(wanted):
            event = next(stream)
            if event.tx_id in {each.tx_id for each in made[begin:]}:
                assert event.name == "issued"
                heard.append(event.tx_id)
        stream.close()
        assert heard == wanted


def test_conflicting_submits_all_come_through_once(issuer: Connection, account: str) -> None:
    shared = issuer.ledger("zone-a")
    patient = Retries(conflicts=500, pause=0.02, longest=0.5)
    ledger = GatewayLedger(shared._transport, "zone-a", issuer.identity, msps=shared._msps, retries=patient)
    before = Accounts(ledger).balance(account)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: Accounts(ledger).issue(account, 1), range(8)))
    assert Accounts(ledger).balance(account) == before + 8
    assert len({each.tx_id for each in done}) == 8
    assert ledger.conflicts > 0


def test_without_retries_a_conflict_is_told_apart(issuer: Connection, account: str) -> None:
    shared = issuer.ledger("zone-a")
    once = GatewayLedger(shared._transport, "zone-a", issuer.identity, retries=Retries(conflicts=1))

    def run(_: int) -> str:
        try:
            Accounts(once).issue(account, 1)
        except Conflict as conflict:
            return str(conflict.values["code"])
        return "VALID"

    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(run, range(16)))
    assert "VALID" in verdicts
    assert set(verdicts) <= {"VALID", "MVCC_READ_CONFLICT", "ABORTED"}
