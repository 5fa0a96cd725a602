"""``empty``: nothing, for ``milliseconds`` (0): to measure the runner itself, with the target ``null``."""

from typing import Any

from zoneshare_benchmarks.runner.null import NullLedger
from zoneshare_benchmarks.runner.workloads import Setting, number


class Empty:
    """One call of a null ledger a transaction."""

    def __init__(self, milliseconds: int) -> None:
        self._ledger = NullLedger(milliseconds / 1e3)

    def prepare(self) -> None:
        """Nothing to prepare."""

    def transact(self, number: int) -> None:  # noqa: ARG002  # all are alike
        self._ledger.submit("nothing")


def make(setting: Setting, arguments: dict[str, Any]) -> Empty:  # noqa: ARG001  # a workload's make
    return Empty(number(arguments, "milliseconds", 0, least=0))
