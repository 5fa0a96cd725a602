"""Memory that stays with the process: matrices come and go, and fresh pages cost more than what is done with them."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST = 32 << 20
"""The largest piece that glibc takes from its heap."""
_AHEAD = 8
"""Pieces of half that size that are taken, touched, and given back to the heap at once."""


def keep_memory() -> None:
    """Have glibc keep what is freed instead of giving it back to the system; does nothing with other libraries."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _MOST)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        ahead = [bytearray(_MOST // 2) for _ in range(_AHEAD)]
        ahead.clear()
