"""Memory that stays with the process: matrices come and go, and fresh pages cost more than what is done with them."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST = 32 << 20
"""The largest piece that glibc takes from its heap."""
_RESULTS = 32
"""More than are on their way at once, in one form or another."""


def keep_memory() -> None:
    """Have glibc keep what is freed instead of giving it back to the system; does nothing with other libraries."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _MOST)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def take_ahead(result: int) -> None:
    """Touch what results of ``result`` bytes will take, and free it: with :func:`keep_memory` it stays at hand."""
    pieces = [bytearray(result) for _ in range(_RESULTS)]
    pieces.clear()
