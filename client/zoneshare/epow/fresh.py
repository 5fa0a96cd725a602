"""Blocks between their hash and their first way to a miner: they are put together from their rows once for both."""

from zoneshare_protocols.epow.exact import Int8


class Fresh:
    """Of all jobs of a coordinator, by their hash. Over ``limit`` bytes the oldest are dropped."""

    def __init__(self, limit: int = 64 << 20) -> None:
        self._limit = limit
        self._blocks: dict[bytes, Int8] = {}
        self.bytes = 0

    def put(self, hash: bytes, block: Int8) -> None:
        self.take(hash)
        self._blocks[hash] = block
        self.bytes += block.nbytes
        while self.bytes > self._limit:
            self.take(next(iter(self._blocks)))

    def take(self, hash: bytes) -> Int8 | None:
        """The block, which is kept no longer; None when it is not here."""
        block = self._blocks.pop(hash, None)
        if block is not None:
            self.bytes -= block.nbytes
        return block
