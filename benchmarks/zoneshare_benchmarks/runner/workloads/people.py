"""Accounts for a round: registered, and with money, made by many threads at once."""

import re
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from zoneshare.accounts import Accounts
from zoneshare.ledger import Ledger
from zoneshare_benchmarks.runner.site import Person, Site

MONEY = 1_000_000_000
AT_ONCE = 16

T = TypeVar("T")
R = TypeVar("R")


def at_once(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do it for all, many at once; raises the first failure."""
    with ThreadPoolExecutor(AT_ONCE, "prepare") as threads:
        return list(threads.map(work, items))


def with_money(site: Site, zone: str, count: int, label: str) -> list[Person]:
    """So many new accounts of ``zone``, each with more money than a round spends."""
    run = secrets.token_hex(4)

    def one(number: int) -> Person:
        person = site.person(f"bench.{_plain(label)}.{run}.{number}")
        register(person, person.ledger(zone))
        issue(site.issuer(zone), person.account)
        return person

    return at_once(one, range(count))


def _plain(label: str) -> str:
    """As a name of an identity may be spelt."""
    return re.sub(r"[^A-Za-z0-9]+", "-", label)[:24]


def register(person: Person, ledger: Ledger) -> None:
    """Open its account in a zone."""
    Accounts(ledger).register(person.keys)


def issue(ledger: Ledger, account: str, amount: int = MONEY) -> None:
    """New money for an account."""
    Accounts(ledger).issue(account, amount)
