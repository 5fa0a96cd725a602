"""``channel``: a payment channel across two zones, opened (tx3), closed (T_n), its rest brought home: all on ledgers.

Arguments: ``pairs`` (of each worker, 8), ``deposit`` (10), ``payer_zone`` and ``payee_zone``.
"""

import secrets
import time
from typing import Any

from zoneshare.crossing import finish
from zoneshare.trade.party import Zone
from zoneshare_benchmarks.runner.site import Person
from zoneshare_benchmarks.runner.workloads import Setting, number, zone
from zoneshare_benchmarks.runner.workloads.people import with_money
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.sharing.channel import final_state, initial_state
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.records import ChannelTerms, Payment, SignedState

HOUR_MS = 3_600_000


class Pair:
    """A payer and a payee of two zones, and the ledgers as the payer sees them."""

    def __init__(self, payer: Person, payee: Person, zones: tuple[str, str], deposit: int) -> None:
        self.payer, self.payee, self._zones, self._deposit = payer, payee, zones, deposit
        self.home, self.abroad = (Zone(name, payer.ledger(name)) for name in zones)

    def terms(self) -> ChannelTerms:
        now = time.time_ns() // 1_000_000
        return ChannelTerms(
            payer_zone=self._zones[0],
            payer=self.payer.account,
            payer_key=self.payer.keys.signing_key,
            payee_zone=self._zones[1],
            payee=self.payee.account,
            payee_key=self.payee.keys.signing_key,
            deposit=self._deposit,
            fund_before=now + HOUR_MS,
            refund_from=now + 2 * HOUR_MS,
            tick=50,
            challenge=60_000,
            nonce=secrets.token_bytes(16),
        )

    def open(self, terms: ChannelTerms) -> None:
        """tx3^A and tx3^B: three ledger writes."""
        money = f"channel.{terms.channel}"
        refund = initial_state(terms)
        self.home.accounts.submit("lock_outbound", terms)
        proof = self.home.accounts.prove_outbound(money)
        self.abroad.escrow.fund(terms, SignedState(refund, None, sign(self.payee.keys.signing, refund)), proof)
        self.home.accounts.acknowledge(money, self.abroad.accounts.prove_inbound(self._zones[0], money))

    def close(self, terms: ChannelTerms) -> None:
        """T_n with nothing spent, and the rest home: three ledger writes."""
        first = initial_state(terms)
        last = final_state(first, decode(Payment, first.app_state))
        keys = (self.payer.keys.signing, self.payee.keys.signing)
        self.abroad.escrow.settle_final(SignedState(last, *(sign(key, last) for key in keys)))
        finish(self.abroad.accounts, self.home.accounts, f"rest.{terms.channel}")


class Channels:
    """Pairs take turns; a pair may have several channels at a time."""

    def __init__(self, setting: Setting, arguments: dict[str, Any]) -> None:
        self._setting = setting
        self._count = number(arguments, "pairs", 8)
        self._deposit = number(arguments, "deposit", 10)
        self._zones = zone(arguments, setting, "payer_zone"), zone(arguments, setting, "payee_zone", 1)
        if self._zones[0] == self._zones[1]:
            raise Misuse("a channel is between two zones", zone=self._zones[0])
        self._pairs: list[Pair] = []

    def prepare(self) -> None:
        sides = [
            with_money(self._setting.site, zone, self._count, f"{self._setting.label}.{zone}") for zone in self._zones
        ]
        self._pairs = [Pair(a, b, self._zones, self._deposit) for a, b in zip(*sides, strict=True)]

    def transact(self, number: int) -> None:
        pair = self._pairs[number // self._setting.seat.workers % self._count]
        terms = pair.terms()
        pair.open(terms)
        pair.close(terms)


def make(setting: Setting, arguments: dict[str, Any]) -> Channels:
    return Channels(setting, arguments)
