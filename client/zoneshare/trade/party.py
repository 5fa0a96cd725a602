"""A party to trades: who it is, its keys, and the zones' ledgers it reaches."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from zoneshare.accounts import Accounts, Margin
from zoneshare.device_keys import DeviceKeys
from zoneshare.identity import Identity
from zoneshare.ledger import Ledger, LedgerUnavailable
from zoneshare.trade.escrow import Escrow
from zoneshare.trade.peers import PeerBook
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.sharing.records import Channel, Commitment, Trust


class Zone:
    """One zone's ledger, typed. Methods block."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        self.name, self.ledger = name, ledger
        self.accounts = Accounts(ledger)
        self.escrow = Escrow(ledger)
        self._margin = Margin(self.accounts)

    @property
    def margin(self) -> int:
        """In ms, as :attr:`.Margin.known` has it."""
        return self._margin.known

    def renew(self) -> tuple[Trust, ...]:
        """What a role asks anew every minute: whom the zone trusts, and the margin, which is kept. Blocks."""
        self._margin.renew()
        return self.accounts.trusts()

    def opened(self, channel: str) -> Channel:
        """The channel, which the other side says is there. Raises LedgerUnavailable while it is not."""
        found = self.escrow.find(channel)
        if found is None:
            raise LedgerUnavailable("the ledger does not show that channel", channel=channel)
        return found

    def find_trade(self, channel: str, trade: bytes) -> Commitment | None:
        """tx5, or None where it is not on the ledger (yet)."""
        try:
            return self.escrow.commitment(channel, trade)
        except NotFound:
            return None

    def committed(self, channel: str, trade: bytes) -> Commitment:
        """tx5, which the other side says is there. Raises LedgerUnavailable while it is not."""
        found = self.find_trade(channel, trade)
        if found is None:
            raise LedgerUnavailable("the ledger does not show that trade", channel=channel)
        return found


@dataclass(frozen=True)
class Party:
    """``home`` is the party's own zone; ``reach`` gives another zone's ledger, as its Trust at home names it."""

    identity: Identity
    keys: DeviceKeys
    home: Zone
    reach: Callable[[Trust], Ledger]

    @property
    def account(self) -> str:
        return self.identity.account

    _zones: dict[str, Zone] = field(default_factory=dict, compare=False, repr=False)

    async def zone(self, name: str) -> Zone:
        """Another zone, its margin known. Raises NotFound when the home zone does not trust it."""
        if name not in self._zones:
            self._zones[name] = await asyncio.to_thread(self._reach, name)
        return self._zones[name]

    def _reach(self, name: str) -> Zone:
        zone = Zone(name, self.reach(self.home.accounts.trust(name)))
        _ = zone.margin
        return zone

    def peers(self) -> PeerBook:
        """The zones whose devices this one talks to: those its own zone trusts. Raises Misuse for none."""
        return PeerBook(self.home.accounts.trusts())
