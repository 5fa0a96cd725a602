"""``query``: an account's balance, asked of one peer; nothing is ordered. Arguments: ``accounts`` (4), ``zone``."""

from typing import Any

from zoneshare_benchmarks.runner.site import Person
from zoneshare_benchmarks.runner.workloads import Setting, number, zone
from zoneshare_benchmarks.runner.workloads.people import with_money


class Queries:
    """Accounts take turns."""

    def __init__(self, setting: Setting, arguments: dict[str, Any]) -> None:
        self._setting = setting
        self._zone = zone(arguments, setting)
        self._count = number(arguments, "accounts", 4)
        self._people: list[Person] = []

    def prepare(self) -> None:
        self._people = with_money(self._setting.site, self._zone, self._count, self._setting.label)

    def transact(self, number: int) -> None:
        person = self._people[number % self._count]
        person.ledger(self._zone).evaluate("ledger:balance", person.account.encode())


def make(setting: Setting, arguments: dict[str, Any]) -> Queries:
    return Queries(setting, arguments)
