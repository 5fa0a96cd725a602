"""What payer, payee and the machine share: messages, and a party's view of the two ledgers."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from tests.support.memory_identity import Identity
from tests.support.memory_stub import CommitFailed, Zone
from tests.support.memory_world import CLIENT
from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import NotFound, RuleBroken
from zoneshare_protocols.sharing.records import Channel, ChunkLeaf, Commitment, Outbound, SignedState, TradeSecret

R = TypeVar("R")


class Offer(NamedTuple):
    """What B tells A about a trade before A pays: in the envelope."""

    commitment: Commitment
    leaves: tuple[ChunkLeaf, ...]
    secret: TradeSecret

    @property
    def trade(self) -> bytes:
        return digest(self.commitment)


class Answer(NamedTuple):
    """B's answer to T_i."""

    version: int
    signature: bytes
    key: bytes | None


class Message(NamedTuple):
    """To the ``payer`` or the ``payee``."""

    to: str
    body: SignedState | Offer | Answer


@dataclass(frozen=True)
class Home:
    """The ledgers as a party sees them: the payer's zone, and the payee's, where the channel is."""

    own: Zone
    far: Zone

    def channel(self, id: str) -> Channel | None:
        return self._read(self.far, Channel, "escrow:channel", id)

    def commitment(self, id: str, trade: bytes) -> Commitment | None:
        return self._read(self.far, Commitment, "escrow:trade", id, trade)

    def outbound(self, zone: Zone, id: str) -> Outbound | None:
        return self._read(zone, Outbound, "ledger:outbound", id)

    @staticmethod
    def _read(zone: Zone, kind: type[R], function: str, *args: Any) -> R | None:
        try:
            return decode(kind, zone.evaluate(CLIENT, function, *args))
        except NotFound:
            return None


def tried(zone: Zone, who: Identity, function: str, *args: Any) -> bool:
    """Submit; whether it took effect. Only a rule's refusal or a lost race is an answer, all else is a bug."""
    try:
        zone.submit(who, function, *args)
    except (RuleBroken, CommitFailed):
        return False
    return True
