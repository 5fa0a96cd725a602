"""Which sets of peers satisfy endorsement policies: what a gateway chooses from, and discovery tells clients."""

from functools import lru_cache
from itertools import combinations

from zoneshare_protocols.fabric.msp import Identity
from zoneshare_protocols.fabric.policy import SignaturePolicy


@lru_cache(maxsize=256)
def plans(policies: tuple[bytes, ...], peers: tuple[Identity, ...]) -> tuple[tuple[str, ...], ...]:
    """The sets of peers, by MSP id, that satisfy all policies and of which nobody can be left out; small ones first.

    ``peers`` are one an organisation; ``policies`` are SignaturePolicyEnvelopes.
    """
    found: list[tuple[Identity, ...]] = []
    for count in range(1, len(peers) + 1):
        for chosen in combinations(peers, count):
            if any(set(smaller) <= set(chosen) for smaller in found):
                continue
            if all(SignaturePolicy(policy).satisfied_by(chosen) for policy in policies):
                found.append(chosen)
    return tuple(tuple(peer.mspid for peer in chosen) for chosen in found)
