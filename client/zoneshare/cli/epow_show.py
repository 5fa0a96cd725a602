"""A zone's mining in words and units."""

from collections.abc import Iterator, Mapping
from typing import Any

from zoneshare_protocols.epow.records import Mode


def zone_rows(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, value) as a person reads them; ``raw``: the records' fields, as ``coordinator show zone --json`` has
    them."""
    yield "zone", f"{raw['zone']}, rules of version {raw['version']}"
    yield "coordinator", raw["coordinator"]
    yield "nsub-tasks", f"products of {raw['basic']} x {raw['basic']}"
    yield "block time", f"{seconds(raw['block_time'])} (target)"
    yield "difficulty", f"{raw['difficulty']:,.2f} draws a block expected, set anew every {raw['window']} blocks"
    yield "first difficulty", f"{raw['initial'] / 65536:,.2f} draws"
    yield "height", f"{raw['height']} blocks"
    yield "scale factor", _mode(raw)
    yield "claims", f"{raw['least_claim']} to {raw['max_claim']} nsub-tasks a miner, each block time"
    yield "block reward", f"{raw['block_reward']}, as far as the treasury reaches"
    yield "levy", f"{percent(raw['levy'])} of fees, to the treasury"
    yield "margin", f"{percent(raw['margin'])} of fees, the coordinator's"
    yield "penalty", f"{raw['penalty']} of a miner's deposit, for a fake result"
    yield "dispute", f"{seconds(raw['dispute_time'])} for a source, after its task is done"
    yield "treasury", str(raw["treasury"])
    yield "going rate", f"{raw['fee']} a nsub-task"
    yield "offered", f"{raw['offered']} nsub-tasks at most"
    yield "claimed", f"{raw['claimed']} nsub-tasks since the last block"
    yield "batches", f"{raw['batches']} recorded"


def seconds(span_ms: int) -> str:
    return f"{span_ms / 1000:,g} s"


def percent(ppm: int) -> str:
    """Of parts of a million."""
    return f"{ppm / 10_000:g} %"


def _mode(raw: Mapping[str, Any]) -> str:
    if raw["mode"] == Mode.COST:
        return f"by cost: a task-free loop {raw['free_cost']}, a task-involved one {raw['task_cost']}"
    return f"as in the paper: {raw['claim_unit']} / claim, at most 1"
