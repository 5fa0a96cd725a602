"""mcl, set to the curve of the proofs. Import it late: it takes a tenth of a second.

It has one state for the whole process, and setting it anew under a running pairing ends the process. So it is set by
this module's import, which Python lets happen once, whatever threads ask for it.
"""

from ctypes import c_int
from typing import Any

_BN_SNARK1 = 4
"""mcl's number of the curve that Ethereum calls alt_bn128 and circom bn128."""
_COMPILED = 44


def _load() -> Any:
    try:
        from mclbn256.mclbn256 import lib
    except (ImportError, OSError):
        return None
    return lib if lib.mclBn_init(c_int(_BN_SNARK1), c_int(_COMPILED)) == 0 else None


LIBRARY: Any = _load()
"""None where it is not there."""
