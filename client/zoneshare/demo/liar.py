"""A seller that cheats, for the demo: the third chunk it encrypts is not the one it has committed to.

It is the seller's own command, with the reading of the file bent: the salted hashes it commits to are the true file's.
"""

from collections.abc import Iterator
from unittest.mock import patch

from zoneshare.__main__ import main
from zoneshare.trade import wares
from zoneshare.trade.catalogue import Item, read_chunks

GARBAGE = 2
"""Index of the chunk it replaces."""


def _bent(item: Item) -> Iterator[bytes]:
    for index, chunk in enumerate(read_chunks(item)):
        yield bytes(len(chunk)) if index == GARBAGE else chunk


if __name__ == "__main__":
    with patch.object(wares, "read_chunks", _bent):
        main()
