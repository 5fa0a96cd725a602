"""``mixed``: several workloads at once. Argument ``parts``: a list of module, arguments and weight (1)."""

from bisect import bisect
from itertools import accumulate
from typing import Any

from zoneshare_benchmarks.runner.workloads import Setting, Workload, number
from zoneshare_benchmarks.runner.workloads import make as make_one
from zoneshare_protocols.errors import Misuse


class Mixed:
    """Which part a transaction is of is drawn by weight."""

    def __init__(self, setting: Setting, parts: list[tuple[Workload, int]]) -> None:
        self._setting = setting
        self._parts = [part for part, _ in parts]
        self._bounds = list(accumulate(weight for _, weight in parts))

    def prepare(self) -> None:
        for part in self._parts:
            part.prepare()

    def transact(self, number: int) -> None:
        drawn = self._setting.rng(number).randrange(self._bounds[-1])
        self._parts[bisect(self._bounds, drawn)].transact(number)


def make(setting: Setting, arguments: dict[str, Any]) -> Mixed:
    parts = arguments.pop("parts", None)
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise Misuse("mixed has a list of parts, each with module, arguments and weight", round=setting.label)
    made = []
    for part in parts:
        left = dict(part)
        weight = number(left, "weight", 1)
        module, own = left.pop("module", None), left.pop("arguments", {})
        if left or not isinstance(module, str) or not isinstance(own, dict):
            raise Misuse("a part has module, arguments and weight", round=setting.label, part=str(part)[:80])
        made.append((make_one(module, own, setting), weight))
    return Mixed(setting, made)
