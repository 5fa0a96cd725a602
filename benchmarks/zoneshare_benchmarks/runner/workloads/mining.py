"""``mining``: blocks of task-free loops, each continuing the zone's tip; who comes second is refused (stale tip).

Arguments: ``basic`` (side of a loop's blocks, 16), ``miners`` (of each worker, 4), ``zone``. The zone's first round
sets its mining up so that every draw wins: what is measured is taking blocks, not finding them.
"""

import time
from typing import Any

from zoneshare.epow.ledger import Mining
from zoneshare.epow.setup import DISPUTE_MS, set_up_mining
from zoneshare_benchmarks.runner.site import Person
from zoneshare_benchmarks.runner.workloads import Setting, number, zone
from zoneshare_benchmarks.runner.workloads.people import with_money
from zoneshare_protocols.epow.difficulty import DIFFICULTY_ONE
from zoneshare_protocols.epow.draw import free_header
from zoneshare_protocols.epow.records import MiningRules
from zoneshare_protocols.errors import LedgerFailed, NotFound

_SET_UP_S = 60.0


class Blocks:
    """Every miner reads the tip, does one loop, and submits its block."""

    def __init__(self, setting: Setting, arguments: dict[str, Any]) -> None:
        self._setting = setting
        self._zone = zone(arguments, setting)
        self._basic = number(arguments, "basic", 16, least=2)
        self._count = number(arguments, "miners", 4)
        self._miners: list[Person] = []

    def prepare(self) -> None:
        self._miners = with_money(self._setting.site, self._zone, self._count, self._setting.label)
        mining = Mining(self._miners[0].ledger(self._zone))
        if self._setting.seat.index == 0:
            rules = MiningRules(1, basic=self._basic, block_time=1, window=10_000, initial=DIFFICULTY_ONE)
            set_up_mining(self._setting.site.admins(self._zone), self._miners[0].account, rules, DISPUTE_MS)
        until = time.monotonic() + _SET_UP_S
        while not _ready(mining):
            if time.monotonic() > until:
                raise LedgerFailed("the first worker has not set the zone's mining up", zone=self._zone)
            time.sleep(0.1)
        self._basic = mining.zone().rules.basic

    def transact(self, number: int) -> None:
        miner = self._miners[number // self._setting.seat.workers % self._count]
        mining = Mining(miner.ledger(self._zone))
        tip = mining.tip()
        mining.submit_block(free_header(tip.height + 1, tip.hash, miner.account, 0, self._basic))


def _ready(mining: Mining) -> bool:
    try:
        mining.zone()
    except NotFound:
        return False
    return True


def make(setting: Setting, arguments: dict[str, Any]) -> Blocks:
    return Blocks(setting, arguments)
