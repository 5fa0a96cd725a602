"""How many submits a running network takes, and how long each waits: logged, and each of them committed once."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles

import pytest

from tests.live.network import Live, named
from zoneshare.accounts import Accounts

AT_ONCE = (1, 32, 128) if named() else (4,)
SECONDS = 20.0 if named() else 0.5
ENROLLING = 8


@pytest.fixture(scope="module")
def accounts(site: Live) -> list[str]:
    with ThreadPoolExecutor(ENROLLING) as pool:
        return list(pool.map(lambda _: site.account("zone-a"), range(max(AT_ONCE))))


@pytest.mark.parametrize("at_once", AT_ONCE)
def test_pace(site: Live, accounts: list[str], at_once: int) -> None:
    ledger = site.issuer().ledger("zone-a")
    money = Accounts(ledger)
    before = [money.balance(account) for account in accounts[:at_once]]
    together = threading.Barrier(at_once)

    def work(account: str) -> list[float]:
        taken = []
        together.wait()
        end = time.monotonic() + SECONDS
        while (start := time.monotonic()) < end:
            money.issue(account, 1)
            taken.append(time.monotonic() - start)
        return taken

    start = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        each = list(pool.map(work, accounts[:at_once]))
    spent = time.monotonic() - start
    taken = [1000 * one for many in each for one in many]
    logging.getLogger(__name__).info(
        "%s, %d at once: %d submits, %.1f a second, median %.0f ms, p95 %.0f ms, %d conflicts",
        site.adapter, at_once, len(taken), len(taken) / spent, median(taken), quantiles(taken, n=20)[-1],
        ledger.conflicts,
    )  # fmt: skip
    assert [money.balance(account) for account in accounts[:at_once]] == [
        was + len(many) for was, many in zip(before, each, strict=True)
    ]
