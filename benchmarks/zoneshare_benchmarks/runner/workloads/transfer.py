"""``transfer``: money from one account of a zone to another.

Arguments: ``accounts`` (of each worker, 10), ``amount`` (1), ``zone``, ``hot`` (share of the transfers, in percent,
that go to one account: they conflict; 0).
"""

from typing import Any

from zoneshare.accounts import Accounts
from zoneshare_benchmarks.runner.site import Person
from zoneshare_benchmarks.runner.workloads import Setting, number, zone
from zoneshare_benchmarks.runner.workloads.people import with_money


class Transfers:
    """Sources take turns; the other account is drawn."""

    def __init__(self, setting: Setting, arguments: dict[str, Any]) -> None:
        self._setting = setting
        self._zone = zone(arguments, setting)
        self._count = number(arguments, "accounts", 10, least=2)
        self._amount = number(arguments, "amount", 1)
        self._hot = number(arguments, "hot", 0, least=0)
        self._people: list[Person] = []

    def prepare(self) -> None:
        self._people = with_money(self._setting.site, self._zone, self._count, self._setting.label)

    def transact(self, number: int) -> None:
        turn = number // self._setting.seat.workers
        rng, count = self._setting.rng(number), self._count
        source = turn % count
        dest = (source + 1 + rng.randrange(count - 1)) % count
        if rng.randrange(100) < self._hot:
            source, dest = 1 + turn % (count - 1), 0
        ledger = self._people[source].ledger(self._zone)
        Accounts(ledger).transfer(self._people[dest].account, self._amount)


def make(setting: Setting, arguments: dict[str, Any]) -> Transfers:
    return Transfers(setting, arguments)
