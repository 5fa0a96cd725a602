"""One loop, one draw (section II.C).

A draw is BLAKE3 over previous hash, miner, nonce, hash of the nsub-task and hash of its result. Ids are not in it, so
the same matrices under new ids draw the same again. In a task-involved loop the nonce follows from the rest, so the
only way to another draw is another product. A task-free loop is a product too, of equal cost, of two blocks made from
(previous, miner, nonce): so a second of computing has the same chance in both kinds of loops.
"""

from blake3 import blake3

from zoneshare_protocols.epow.exact import Int8, Int32, multiply
from zoneshare_protocols.epow.hashing import NSUB, extended, keyed, nsub_hash, product_hash, random_int8
from zoneshare_protocols.epow.records import BlockHeader, FreeLoop, LspField

_NONCE_MASK = 2**63 - 1


class Draws:
    """A miner's draws at one tip: what all of them begin with is hashed once."""

    def __init__(self, previous: bytes, miner: str) -> None:
        self._nsub = blake3(derive_key_context=NSUB)
        self._nonce, self._draw = (
            extended(blake3(derive_key_context=f"zoneshare/epow-{kind}/1"), previous, miner.encode())
            for kind in ("nonce", "draw")
        )

    def involved(self, left: bytes, right: bytes, result: bytes) -> int:
        """As ``draw(involved_header(...))``, from the hashes of an nsub-task's two blocks and of its result."""
        task = extended(self._nsub, left, right).digest()
        return self.draw(self.nonce(task, result), task, result)

    def nonce(self, task: bytes, result: bytes) -> int:
        """That of a task-involved loop. ``task``: the nsub-task's hash."""
        made = extended(self._nonce, task, result).digest()
        return int.from_bytes(made[:8], "big") & _NONCE_MASK

    def draw(self, nonce: int, task: bytes, result: bytes) -> int:
        """0 to 2^256 - 1. ``task``: zeros for a task-free loop."""
        made = extended(self._draw, nonce.to_bytes(8, "big"), task, result).digest()
        return int.from_bytes(made, "big")


def fixed_nonce(previous: bytes, miner: str, lsp: LspField) -> int:
    """The nonce of a task-involved loop; the LSP field's ids do not change it."""
    return Draws(previous, miner).nonce(lsp.nsub_hash, lsp.result_hash)


def draw(header: BlockHeader) -> int:
    """The loop's draw, 0 to 2^256 - 1: it makes a block when it is below the target of its final difficulty."""
    task = header.work.nsub_hash if isinstance(header.work, LspField) else bytes(32)
    return Draws(header.previous, header.miner).draw(header.nonce, task, header.work.result_hash)


def involved_header(height: int, previous: bytes, miner: str, lsp: LspField) -> BlockHeader:
    """The header whose draw a task-involved loop makes. ``height``: the tip's + 1."""
    return BlockHeader(height, previous, miner, fixed_nonce(previous, miner, lsp), lsp)


def lsp_field(task: bytes, sub_task: int, nsub: int, *, left: bytes, right: bytes, result: Int32) -> LspField:
    """The LSP field of a done nsub-task; ``left`` and ``right`` are its blocks' hashes."""
    return LspField(task, sub_task, nsub, nsub_hash(left, right), product_hash(result))


def free_left(previous: bytes, miner: str, nonce: int, basic: int) -> Int8:
    """The left block of a task-free loop: a new one for each loop."""
    return random_int8(_free_seed(previous, miner), nonce.to_bytes(8, "big"), basic, basic)


def free_right(previous: bytes, miner: str, basic: int) -> Int8:
    """The right block of a task-free loop: the miner's for the whole block time."""
    return random_int8(_free_seed(previous, miner), b"right", basic, basic)


def free_header(height: int, previous: bytes, miner: str, nonce: int, basic: int) -> BlockHeader:
    """Do task-free loop number ``nonce`` and return the header whose draw it makes: what a verifier repeats."""
    result = multiply(free_left(previous, miner, nonce, basic), free_right(previous, miner, basic))
    return BlockHeader(height, previous, miner, nonce, FreeLoop(product_hash(result)))


def _free_seed(previous: bytes, miner: str) -> bytes:
    return keyed("zoneshare/epow-free/1", previous, miner.encode())
