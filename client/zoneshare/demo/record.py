"""What a trade wrote on the ledgers, read from the ledgers themselves: every transaction of ours sets one event."""

from collections.abc import Iterator
from contextlib import closing

from zoneshare.ledger import ChaincodeEvent, Ledger
from zoneshare_protocols.codec import decode
from zoneshare_protocols.sharing.records import ChannelEvent, Inbound, Outbound, OutboundStatus

_OUTBOUND = {
    OutboundStatus.LOCKED: "lock_outbound: x is locked for zone B (tx3^A)",
    OutboundStatus.RECEIVED: "acknowledge: zone B's receipt is recorded (tx3^B)",
    OutboundStatus.RECLAIMED: "reclaim: zone B never took it",
}
_ESCROW = {
    "fund": "fund: the channel opens with zone A's proof (tx3)",
    "commit": "commit: the seller's commitment and bond (tx5)",
    "close": "close: a state is posted by one side alone",
    "begin_challenge": "begin_challenge: the window runs",
    "challenge": "challenge: a newer state, or the keys it lacked",
    "complain": "complain: the contract found garbage",
    "settle": "settle: the window is over",
    "settle_final": "settle_final: both have signed (T_n)",
}


def home_writes(ledger: Ledger, channel: str) -> list[str]:
    """What zone A wrote for a channel that is over and whose rest is home. Blocks until the last one is there."""
    lines = []
    for event in _events(ledger):
        if event.name == "outbound" and (out := decode(Outbound, event.payload)).id == f"channel.{channel}":
            lines.append(_OUTBOUND[out.status])
        elif event.name == "inbound" and decode(Inbound, event.payload).id == f"rest.{channel}":
            return [*lines, "receive: what is left of x comes home"]
    return lines


def abroad_writes(ledger: Ledger, channel: str) -> list[str]:
    """What zone B wrote for it. Blocks until the last one is there."""
    lines = []
    for event in _events(ledger):
        if event.name in _ESCROW and decode(ChannelEvent, event.payload).channel == channel:
            lines.append(_ESCROW[event.name])
        elif event.name == "outbound" and decode(Outbound, event.payload).id == f"rest.{channel}":
            return [*lines, "acknowledge: zone A has the rest"]
    return lines


def _events(ledger: Ledger) -> Iterator[ChaincodeEvent]:
    with closing(ledger.events(0)) as stream:
        yield from stream
