"""A channel as its peers know it at one moment: configuration, chaincode definitions, versions, transaction ids."""

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from zoneshare_network import lifecycle
from zoneshare_network.store import Placed, Versioned
from zoneshare_protocols.fabric.config import ChannelConfig
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.policy import Policy, SignaturePolicy
from zoneshare_protocols.fabric.rwset import Version

WRITERS = "/Channel/Application/Writers"
READERS = "/Channel/Application/Readers"
LIFECYCLE = "/Channel/Application/LifecycleEndorsement"


class State(Protocol):
    """What a view asks of a snapshot."""

    def get(self, namespace: str, key: str) -> Versioned | None: ...
    def range(self, namespace: str, start: str, end: str) -> Iterable[tuple[str, Versioned]]: ...
    def transaction(self, tx_id: str) -> Placed | None: ...


S = TypeVar("S", bound=State)


class ChannelView(Generic[S]):
    """``zoneshare_protocols.fabric.validation.View`` over a snapshot."""

    def __init__(self, config: ChannelConfig, snapshot: S) -> None:
        self.config = config
        self.snapshot = snapshot
        self._definitions: dict[str, lifecycle.Definition | None] = {}

    @property
    def channel(self) -> str:
        return self.config.channel

    def msp(self, mspid: str) -> Msp | None:
        return self.config.msps.get(mspid)

    def definition(self, chaincode: str) -> lifecycle.Definition | None:
        if chaincode not in self._definitions:
            self._definitions[chaincode] = lifecycle.read(self.snapshot, chaincode)
        return self._definitions[chaincode]

    def endorsement_policy(self, chaincode: str) -> Policy | None:
        if chaincode == lifecycle.NAMESPACE:
            return self.config.policies[LIFECYCLE]
        definition = self.definition(chaincode)
        return SignaturePolicy(definition.policy) if definition else None

    def version(self, namespace: str, key: str) -> Version | None:
        found = self.snapshot.get(namespace, key)
        return found.version if found else None

    def versions(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Version]]:
        for key, found in self.snapshot.range(namespace, start, end):
            yield key, found.version

    def has_transaction(self, tx_id: str) -> bool:
        return self.snapshot.transaction(tx_id) is not None
