"""How a coordinator stands: what it shows of itself while it serves."""

from typing import NamedTuple


class Standing(NamedTuple):
    """A coordinator at a moment."""

    miners: int = 0
    """That are connected."""
    tasks: int = 0
    """At work."""
    runs: int = 0
    """Of their sub-tasks at work, not merged yet."""
    verified: int = 0
    """nsub-tasks since it was started."""
    height: int = 0
    blocks: int = 0
    """Since it was started."""
    caught: int = 0
    """Fakes since it was started."""
