"""What ``zoneshare auction`` and ``zoneshare bid`` show of the ledger, and a refund by hand; from a device's folder."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from zoneshare.device import Device
from zoneshare.seal.party import Party, found
from zoneshare_protocols.errors import Misuse


@contextlib.contextmanager
def party(folder: Path) -> Iterator[Party]:
    """Blocks: asks the registry."""
    with Device.open(folder) as device:
        yield Party(device.identity, device.ledger())


def look(folder: Path) -> list[dict[str, Any]]:
    """All auctions of the device's zone."""
    with party(folder) as me:
        rows = []
        for one in me.auctions.auctions():
            opening = me.auctions.opening(one.id)
            rows.append(
                {
                    "auction": one.id,
                    "phase": one.phase.value,
                    "drone": one.drone,
                    "tasks": len(opening.notice.tasks),
                    "bidders": one.bidders,
                    "deposit": one.deposit,
                    "opened": one.opened,
                    "simulated": opening.quote.quote.simulated,
                }
            )
        return rows


def show(folder: Path, text: str) -> dict[str, Any]:
    """One auction, with what became of each task."""
    with party(folder) as me:
        id = parse_auction(me, text)
        one, opening = me.auctions.auction(id), me.auctions.opening(id)
        recorded = found(lambda: me.auctions.result(id))
        states = {}
        claimed = {}
        for winner in me.auctions.winners(id):
            claimed[winner.bidder] = me.claims.claimed(id, winner.seat)
            for sold in me.claims.tasks(id, winner.seat):
                states[sold.award.task] = (winner.bidder, sold.award.payment, sold.state.value)
        out = None if recorded is None else recorded.result.outcome
        groups = () if out is None else (("cloud", out.cloud), ("local", out.local), ("dropped", out.dropped))
        rest = {task: where for where, tasks in groups for task in tasks}
        awards = {} if out is None else {award.task: award for award in out.awards}
        rows = []
        for task in opening.notice.tasks:
            unsold = (rest.get(task.id, "-"), awards[task.id].payment if task.id in awards else 0, "-")
            by, paid, state = states.get(task.id, unsold)
            rows.append({"task": task.id, "urgency": task.urgency, "by": by, "payment": paid, "state": state})
        return {
            "auction": id,
            "phase": one.phase.value,
            "drone": one.drone,
            "enclave": "SIMULATED" if opening.quote.quote.simulated else "hardware",
            "opened": one.opened,
            "claims_end": one.timers.claim,
            "deposit": one.deposit,
            "bidder_deposit": one.bidder_deposit,
            "bidders": one.bidders,
            "tasks": rows,
            "claims": {name: None if claim is None else claim.paid for name, claim in claimed.items()},
        }


def bids(folder: Path) -> list[dict[str, Any]]:
    """The auctions in which the device has bid."""
    with party(folder) as me:
        rows = []
        for one in me.auctions.auctions():
            record = found(partial(me.auctions.bidder, one.id, me.account))
            if record is None:
                continue
            won = [winner for winner in me.auctions.winners(one.id) if winner.bidder == me.account]
            claim = me.claims.claimed(one.id, won[0].seat) if won else None
            rows.append(
                {
                    "auction": one.id,
                    "phase": one.phase.value,
                    "deposit": record.deposit,
                    "word": record.word.value,
                    "won": len(won[0].awards) if won else 0,
                    "claimed": None if claim is None else claim.paid,
                }
            )
        return rows


def refund(folder: Path, text: str) -> dict[str, Any]:
    """Close an auction that is over. Raises what the contract refuses."""
    with party(folder) as me:
        id = parse_auction(me, text)
        me.auctions.advance(id)
        return {"auction": id, "phase": me.auctions.refund(id).phase.value}


def parse_auction(me: Party, text: str) -> bytes:
    """An auction's id, or how it begins. Raises Misuse where it is none, or not the only one."""
    if not text or set(text) - set("0123456789abcdef") or len(text) > 64:
        raise Misuse(f"not an auction's id: {text[:80]!r}; zoneshare auction list shows them")
    if len(text) == 64:
        return bytes.fromhex(text)
    known = [one.id for one in me.auctions.auctions() if one.id.hex().startswith(text)]
    if len(known) != 1:
        raise Misuse(f"{len(known)} auctions begin with {text}; zoneshare auction list shows them")
    return known[0]
