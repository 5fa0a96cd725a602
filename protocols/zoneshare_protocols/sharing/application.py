"""What a channel can be about. A channel's state is a version and an application's state; payment is the first."""

from collections.abc import Mapping
from typing import Protocol

from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.sharing.payment import PAYMENT
from zoneshare_protocols.sharing.records import Commitment, RevealedKey

Shown = tuple[RevealedKey, ...]


class Application(Protocol):
    """Pure rules over the application's own bytes. Every method raises Malformed for bytes that are not its state."""

    @property
    def name(self) -> str:
        """As it stands in ``State.app``."""

    def initial(self) -> bytes:
        """The state of version 0, in which all of the deposit is the payer's."""

    def check_step(self, old: bytes, new: bytes, deposit: int) -> None:
        """Raises RuleBroken where ``new`` may not follow ``old``."""

    def check_last(self, old: bytes, new: bytes) -> None:
        """Raises RuleBroken where ``new`` may not be the final state (T_n) after ``old``."""

    def trade(self, state: bytes) -> bytes:
        """Digest of the Commitment that evidence for this state is checked against; empty when there is none."""

    def admit(self, state: bytes, shown: Shown, known: Shown, commitment: Commitment) -> Shown:
        """The keys that count beside ``state``: those shown now, and those ``known`` from an earlier post of the trade.

        Raises BadProof, or RuleBroken where keys are shown that the state does not lack.
        """

    def complete(self, state: bytes, shown: Shown) -> bool:
        """Whether no key is left to show."""

    def outcome(self, state: bytes, shown: Shown, complaints: tuple[tuple[bytes, int], ...], deposit: int) -> int:
        """What the payee gets of the deposit, from nothing to all of it."""


APPLICATIONS: Mapping[str, Application] = {PAYMENT.name: PAYMENT}


def application(name: str) -> Application:
    """Raises NotFound for an application this version does not know."""
    found = APPLICATIONS.get(name)
    if found is None:
        raise NotFound(f"no application {name!r}")
    return found
