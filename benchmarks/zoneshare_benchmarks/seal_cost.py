"""What an auction costs, phase by phase: processor time by party, messages, ledger transactions and bytes."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import thread_time

Party = str | int
"""A bidder by its seat, or ``drone``, ``enclave``, ``contract``, ``helper`` by name."""


@dataclass
class Phase:
    """One phase's bill."""

    seconds: dict[Party, float] = field(default_factory=lambda: defaultdict(float))
    messages: int = 0
    """Between parties, off the ledger."""
    transactions: int = 0
    """Ledger transactions."""
    bytes: int = 0
    """Of all messages and transactions."""
    said: int = 0
    """Of that, what the parties have to say: messages and transactions' arguments, without Fabric's envelopes."""

    @property
    def work(self) -> float:
        """Seconds, all parties together."""
        return sum(self.seconds.values())

    @property
    def longest(self) -> float:
        """Seconds with the bidders working side by side, and all others one after the other."""
        bidders = [spent for party, spent in self.seconds.items() if isinstance(party, int)]
        return self.work - sum(bidders) + max(bidders, default=0.0)

    def times(self, count: float) -> "Phase":
        """So many of the same, for the same parties."""
        seconds = {party: spent * count for party, spent in self.seconds.items()}
        counts = (round(one * count) for one in (self.messages, self.transactions, self.bytes, self.said))
        return Phase(seconds, *counts)

    def add(self, other: "Phase") -> None:
        for party, spent in other.seconds.items():
            self.seconds[party] = self.seconds.get(party, 0.0) + spent
        self.messages += other.messages
        self.transactions += other.transactions
        self.bytes += other.bytes
        self.said += other.said


@dataclass
class Bill:
    """All phases of one auction, in the order they were met."""

    phases: dict[str, Phase] = field(default_factory=dict)

    def phase(self, name: str) -> Phase:
        return self.phases.setdefault(name, Phase())

    @contextmanager
    def timed(self, phase: str, party: Party) -> Iterator[None]:
        """Book the processor time within on a party: what else runs on the machine is not in it."""
        start = thread_time()
        yield
        self.phase(phase).seconds[party] += thread_time() - start

    def book(self, phase: str, party: Party, seconds: float) -> None:
        """Book time that was measured elsewhere."""
        self.phase(phase).seconds[party] += seconds

    def send(self, phase: str, size: int, messages: int = 1) -> None:
        """Messages of ``size`` bytes in all."""
        found = self.phase(phase)
        found.messages += messages
        found.bytes += size
        found.said += size

    def submit(self, phase: str, size: int, said: int) -> None:
        """A transaction of ``size`` bytes, with arguments of ``said`` bytes."""
        found = self.phase(phase)
        found.transactions += 1
        found.bytes += size
        found.said += said

    def total(self, *names: str) -> Phase:
        """The phases with these names added up; all of them without a name."""
        whole = Phase()
        for name, phase in self.phases.items():
            if names and name not in names:
                continue
            whole.add(phase)
        return whole

    def longest(self, *names: str) -> float:
        """Seconds of these phases, each by :attr:`Phase.longest`, since one begins when the other has ended."""
        return sum(phase.longest for name, phase in self.phases.items() if name in names)
