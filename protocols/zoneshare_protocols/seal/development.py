"""The development keys of proof for payment: made by one party, so unsafe, whatever a zone's rules call them."""

KEYS: frozenset[bytes] = frozenset(
    bytes.fromhex(one)
    for one in (
        "76f2c1eeffdb803dd138dff98ad9c62b37e45fb5e824ead0085bd1691e5ec876",
        "9c02e88e34dea801f32fd7470bbaf79ecc3ec2358f12c16c1378d871f46450fc",
        "28d53ff529093cc395b203fce61674bd22bad2f817ab33af2e8bdf0d34a68a3c",
    )
)
"""Digests of their verifying keys."""
