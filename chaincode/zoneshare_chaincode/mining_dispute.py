"""Judging a disputed result, from the matrices whose hashes are on the ledger."""

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneshare_protocols.epow.exact import as_integers
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.ledger import TaskRecord
from zoneshare_protocols.epow.plan import describe
from zoneshare_protocols.epow.surveillance import check_task
from zoneshare_protocols.errors import DataCorrupt, Malformed


def result_is_wrong(record: TaskRecord, transient: Mapping[str, bytes], tx_id: str) -> bool:
    """Whether the recorded result is not the product; a right one is never found wrong, whatever vectors are drawn.

    All endorsers draw the same vectors, from the transaction's id. Raises Malformed, DataCorrupt for other matrices
    than those the ledger names.
    """
    matrices = [_read(transient, f"matrix{index}") for index in range(len(record.task.matrices))]
    result = _read(transient, "result").astype(np.int64)
    if any(describe(matrix) != info for matrix, info in zip(matrices, record.task.matrices, strict=True)):
        raise DataCorrupt("a matrix is not the one the task names")
    if matrix_hash(result) != record.result:
        raise DataCorrupt("the result is not the recorded one")
    try:
        return not check_task(matrices, result, hashlib.sha256(tx_id.encode()).digest())
    except Malformed:
        # Its shape alone shows that it is not the product.
        return True


def _read(transient: Mapping[str, bytes], name: str) -> NDArray[Any]:
    try:
        return as_integers(np.load(io.BytesIO(transient[name]), allow_pickle=False))
    except (KeyError, ValueError, OSError, EOFError) as cause:
        raise Malformed("a dispute shows all matrices and the result", missing=name) from cause
