"""All figures, in the order they are reported."""

from zoneshare_benchmarks.figure import Figure


def figures() -> dict[str, Figure]:
    """Every figure by its name."""
    from zoneshare_benchmarks import (
        channels,
        chunks,
        epow_feed,
        epow_scale,
        epow_system,
        epow_verify,
        opening,
        seal_proofs,
        seal_safe,
        snarkjs_peer,
        submits,
        wire,
        wire_host,
        wire_tls,
    )
    from zoneshare_benchmarks.links import probe
    from zoneshare_benchmarks.runner import accuracy

    parts = [
        *channels.FIGURES,
        *opening.FIGURES,
        *chunks.FIGURES,
        *submits.FIGURES,
        *accuracy.FIGURES,
        *probe.FIGURES,
        *wire.FIGURES,
        *wire_host.FIGURES,
        *wire_tls.FIGURES,
        *epow_verify.FIGURES,
        *epow_system.FIGURES,
        *epow_feed.FIGURES,
        *epow_scale.FIGURES,
        *seal_proofs.FIGURES,
        *seal_safe.FIGURES,
        *snarkjs_peer.FIGURES,
    ]
    return {figure.name: figure for figure in parts}
