"""Inside the worker: why a call failed, on its way to the other side."""

from typing import Any

from zoneshare.hfc.messages import Failed

AGAIN = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
"""Another node may answer."""


class Failure(Exception):
    """Carries what the other side is told."""

    def __init__(self, code: str, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.said = Failed(code, message, details)

    @property
    def code(self) -> str:
        return self.said.code


def of_rpc(error: Any, node: str) -> Failure:
    """From a grpc.RpcError of a call to ``node``."""
    return Failure(error.code().name, f"{node}: {error.details() or 'no reason given'}")
