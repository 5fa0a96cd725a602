"""All figures, in the order they are reported."""

from zoneshare_benchmarks.figure import Figure


def figures() -> dict[str, Figure]:
    """Every figure by its name."""
    from zoneshare_benchmarks import channels, chunks, epow_verify, opening, submits

    parts = [*channels.FIGURES, *opening.FIGURES, *chunks.FIGURES, *submits.FIGURES, *epow_verify.FIGURES]
    return {figure.name: figure for figure in parts}
