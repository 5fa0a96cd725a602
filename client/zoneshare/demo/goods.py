"""What the demo sells: the user's file, or a real data set that is on the machine anyway."""

from pathlib import Path

from zoneshare.epow.training import digits_csv
from zoneshare_protocols.errors import Misuse

CHUNKS = 24
SMALLEST, LARGEST = 1_000, 100_000


def digits(folder: Path) -> Path:
    """scikit-learn's handwritten digits (1,797 pictures of 8 x 8, from NIST forms) as digits.csv in ``folder``."""
    try:
        rows = digits_csv()
    except Misuse as cause:
        raise Misuse("the demo's own data come with scikit-learn, which is not installed: say --file FILE") from cause
    path = folder / "digits.csv"
    path.write_bytes(rows)
    return path


def chunk_size(size: int) -> int:
    """Bytes a chunk for a file of ``size`` bytes: about CHUNKS of them, and never over 100 kB."""
    return min(LARGEST, max(SMALLEST, -(-size // CHUNKS)))
