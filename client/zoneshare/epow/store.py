"""A miner's blocks of matrices, by their hash: in int8, and those that come up again in float32 too.

All of it is in memory that is kept and used again: the first touch of a fresh page costs more than copying to it.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zoneshare_protocols.epow.exact import Int8
from zoneshare_protocols.epow.work import Block, Float32, large

_MANY = 1 << 13
_MORE = 4 << 20
"""Bytes of arrays that are made at once, when all are in use."""
_EVERY = 7
"""When all float32 slots are taken, one block of seven replaces another, and the rest are widened when they are used:

a round of more blocks than there are slots would replace each before it comes up again, were all of them put in.
"""


class BlockStore:
    """Half of ``limit`` (bytes) is for each form. Raises nothing but KeyError, for blocks that are not here."""

    def __init__(self, basic: int, limit: int) -> None:
        self._limit = limit // 2
        self._slots = Slots(basic, np.int8)
        self._small: dict[bytes, Int8] = {}
        self._lock = threading.Lock()
        self._wide_slots = Slots(basic, np.float32)
        self._wide_room = self._limit // (4 * basic * basic)
        self._wide: dict[bytes, Float32] = {}
        self._order: list[bytes] = []
        self._last = b""
        self._refused = self._hand = 0

    def prepare(self) -> None:
        """Take all of the memory now, before there is work: its first touch is dear, on virtual machines ten times so.

        Not for small blocks: those of a task rarely fill it.
        """
        for slots in (self._slots, self._wide_slots):
            slots.prepare(self._limit)

    def __contains__(self, hash: bytes) -> bool:
        with self._lock:
            return hash in self._small

    def put(self, hash: bytes, block: Int8) -> None:
        """Keep a copy."""
        with self._lock:
            if hash not in self._small:
                slot = self._small[hash] = self._slots.take()
                np.copyto(slot, block)

    def small(self, hash: bytes) -> Int8:
        """The block as it came."""
        with self._lock:
            block = self._small.pop(hash)
            self._small[hash] = block
            return block

    def wide(self, hash: bytes) -> Block:
        """The block in float32 if that is kept, else as it came. By one thread; good until the next call but one."""
        found = self._wide.get(hash)
        if found is None:
            block = self.small(hash)
            slot = self._wide_slot(hash)
            if slot is None:
                return block
            np.copyto(slot, block)
            found = self._wide[hash] = slot
        self._last = hash
        return found

    def trim(self, needed: Callable[[], set[bytes]]) -> None:
        """Forget the longest unused blocks over the limit, but none that is ``needed``, asked when there are such."""
        if self._slots.taken_bytes <= self._limit:
            return
        kept = needed()
        with self._lock:
            over = self._slots.taken_bytes - self._limit
            for hash in list(self._small):
                if over <= 0:
                    return
                if hash not in kept:
                    block = self._small.pop(hash)
                    over -= block.nbytes
                    self._slots.give(block)

    def _wide_slot(self, hash: bytes) -> Float32 | None:
        """A slot to widen into: a free one, or now and then another block's, but not that of the call before."""
        if len(self._order) < self._wide_room:
            self._order.append(hash)
            return self._wide_slots.take()
        self._refused = (self._refused + 1) % _EVERY
        if self._refused or len(self._order) < 2:
            return None
        self._hand = (self._hand + 1) % len(self._order)
        if self._order[self._hand] == self._last:
            return None
        slot = self._wide.pop(self._order[self._hand])
        self._order[self._hand] = hash
        return slot


class Slots:
    """Arrays of basic size that are used again and again."""

    def __init__(self, basic: int, kind: DTypeLike) -> None:
        self._basic = basic
        self._kind = np.dtype(kind)
        self._bytes = basic * basic * self._kind.itemsize
        self._given: list[NDArray[Any]] = []
        self._fresh: Iterator[NDArray[Any]] = iter(())
        self.taken_bytes = 0

    def prepare(self, size: int) -> None:
        """Have ``size`` bytes at hand, touched; nothing when that were more than a few thousand arrays."""
        count = size // self._bytes
        if 0 < count <= _MANY:
            self._given.extend(large(count, self._basic, self._kind))

    def take(self) -> NDArray[Any]:
        """One that nobody has; what is in it is anything."""
        self.taken_bytes += self._bytes
        if self._given:
            return self._given.pop()
        fresh = next(self._fresh, None)
        if fresh is None:
            self._fresh = iter(large(max(1, _MORE // self._bytes), self._basic, self._kind))
            fresh = next(self._fresh)
        return fresh

    def give(self, slot: NDArray[Any]) -> None:
        self.taken_bytes -= self._bytes
        self._given.append(slot)
