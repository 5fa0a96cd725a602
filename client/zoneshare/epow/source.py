"""A source: offers a task on the ledger, brings its matrices, checks the merged result, and accepts or disputes it."""

import asyncio
import io
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneshare.epow.ledger import Mining
from zoneshare.epow.matrices import Buffer, matrix_pieces, result_of
from zoneshare.epow.messages import EPOW, Accepted, Bring, Failed, Inquire, Inquired, Merged, Need, Piece
from zoneshare.identity import Identity
from zoneshare.ledger import LedgerUnavailable
from zoneshare.trade.peers import PeerBook
from zoneshare.trade.wire import Connection, PeerGone, connect
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.difficulty import MAX_STEP
from zoneshare_protocols.epow.exact import Int64, as_integers, check_product
from zoneshare_protocols.epow.ledger import MiningZone, TaskRecord, TaskStatus
from zoneshare_protocols.epow.plan import check_chain, describe
from zoneshare_protocols.epow.records import RunResult, Task
from zoneshare_protocols.epow.surveillance import check_task
from zoneshare_protocols.errors import DataCorrupt, FakeResult, NotAllowed, NotFound, RuleBroken

WAIT_S = 24 * 3600.0
PAUSE_S = 0.5
RECORDED_S = 60.0
FIRST_S = 20.0
"""How long the first product waits for a coordinator to listen."""


class TaskFailed(RuleBroken):
    """The coordinator ended the task: values outgrow 64 bits. What was done is paid, the rest came back."""


@dataclass
class _Offered:
    task: Task
    matrices: list[NDArray[Any]]


class Source:
    """Products by a zone's miners. One connection, one product at a time; several sources may run at once."""

    def __init__(self, mining: Mining, identity: Identity, peers: PeerBook, address: tuple[str, int]) -> None:
        self._mining, self._identity, self._peers, self._address = mining, identity, peers, address
        self._connection: Connection | None = None
        self._zone: MiningZone | None = None
        self.tasks: list[bytes] = []
        """Checked, and not accepted on the ledger yet."""
        self.offered: TaskRecord | None = None
        """Under way: its fees are held until it is done, or withdrawn."""

    async def multiply(
        self, matrices: Sequence[NDArray[Any]], *, fee: int | None = None, lasts: float = 3600.0
    ) -> Int64:
        """The exact product, from left to right, checked with an error below 2^-60.

        ``fee`` an nsub-task: the zone's going rate when None; ``lasts``: seconds after which the task may be withdrawn.
        Raises Malformed and LimitExceeded for what cannot be multiplied; PeerGone or NotAllowed, with nothing offered,
        when at first nobody is there or not the coordinator; TaskFailed, FakeResult when the result is not the product
        (it is then disputed on the ledger), and what the ledger refuses.
        """
        checked = [as_integers(matrix) for matrix in matrices]
        infos = tuple(describe(matrix) for matrix in checked)
        check_chain(infos)
        check_product(checked[0], checked[1])
        if self._zone is None:
            self._zone = await asyncio.to_thread(self._mining.zone)
        await self._first_connected()
        if fee is None:
            fee = await asyncio.to_thread(self._going_rate)
        task = Task(self._identity.account, infos, self._zone.rules.basic, fee, secrets.token_bytes(16))
        until = time.time_ns() // 1_000_000 + int(lasts * 1000)
        await self._offer(task, until)
        try:
            result = await self._collect(_Offered(task, list(checked)))
        except TaskFailed:
            self.offered = None
            raise
        self.offered = None
        if not await asyncio.to_thread(check_task, checked, result, secrets.token_bytes(32)):
            await self._dispute(task, checked, result)
            raise FakeResult("the coordinator's result is not the product: disputed", task=task.id.hex())
        self.tasks.append(task.id)
        return result

    async def accept(self) -> None:
        """Accept, on the ledger, all that was checked: the coordinator gets its margin, the rest comes back."""
        waiting, self.tasks = self.tasks, []
        for id in waiting:
            await self._until_done(id)
        for start in range(0, len(waiting), 100):
            await asyncio.to_thread(self._mining.accept, waiting[start : start + 100])

    async def inquire(self, task: bytes, sub_task: int, run: int) -> RunResult:
        """What was committed to for a verified run: the hash of every nsub-result, as the ledger has its digest.

        Such a hash shows that the product was known; it is not one that only one matrix has (docs/decisions/0020).
        Between products. Raises NotFound when the ledger has no such run, or the task was settled; DataCorrupt when
        the coordinator shows another commitment.
        """
        recorded = await asyncio.to_thread(self._mining.run, task, sub_task, run)
        connection = await self._connected()
        await connection.send(Inquire(task, sub_task, run))
        shown = (await connection.receive(Inquired)).result
        if shown is None:
            raise NotFound("the task is settled: its commitments are not kept", task=task.hex())
        if digest(shown) != recorded.result:
            raise DataCorrupt("the coordinator shows another commitment than the ledger names", run=run)
        return shown

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _offer(self, task: Task, until: int) -> None:
        """Whoever cancels meanwhile still learns what is held: the transaction is under way."""
        offering = asyncio.ensure_future(asyncio.to_thread(self._mining.offer, task, until))
        try:
            self.offered = await asyncio.shield(offering)
        except asyncio.CancelledError:
            self.offered = await offering
            raise

    def _going_rate(self) -> int:
        # A window may ease the difficulty fourfold, and the floor rises as much: under it the task would have to wait.
        return max(self._mining.pool().fee, MAX_STEP * self._mining.floor())

    async def _first_connected(self) -> None:
        """Before any money is held: nobody may be there, or somebody else; or a coordinator that is started anew."""
        end = time.monotonic() + FIRST_S
        while True:
            try:
                await self._connected()
                return
            except PeerGone:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(PAUSE_S)

    async def _collect(self, offered: _Offered) -> Int64:
        """Bring the task until its result is here; coordinator, or its ledger, may be started anew meanwhile."""
        while True:
            try:
                return await self._ask(offered)
            except (PeerGone, LedgerUnavailable):
                await self.close()
                await asyncio.sleep(PAUSE_S)

    async def _ask(self, offered: _Offered) -> Int64:
        connection, task = await self._connected(), offered.task
        await connection.send(Bring(task))
        merged: Merged | None = None
        buffer = Buffer(bytes(32), 1)
        while True:
            for message in await connection.receive_many(WAIT_S):
                match message:
                    case Need():
                        await self._bring(connection, message.hashes, offered)
                    case Merged() if message.task == task.id:
                        shape = task.matrices[0].rows, task.matrices[-1].columns
                        if (message.rows, message.columns) != shape:
                            raise DataCorrupt("the result has another shape", rows=message.rows)
                        merged = message
                        buffer = Buffer(message.hash, message.rows * message.columns * message.cells)
                    case Piece() if merged is not None:
                        buffer.add(message)
                        if buffer.complete:
                            return result_of(merged, buffer)
                    case Failed() if message.task == task.id:
                        raise TaskFailed(message.error, task=task.id.hex())
                    case Accepted():
                        pass

    async def _connected(self) -> Connection:
        if self._connection is None:
            connection = await connect(*self._address, self._identity, self._peers, EPOW)
            if self._zone is not None and connection.peer.account != self._zone.coordinator:
                await connection.close()
                raise NotAllowed("that is not the zone's coordinator", account=connection.peer.account)
            self._connection = connection
        return self._connection

    async def _bring(self, connection: Connection, hashes: Sequence[bytes], offered: _Offered) -> None:
        by_hash = {info.hash: m for info, m in zip(offered.task.matrices, offered.matrices, strict=True)}
        for hash in hashes:
            for piece in matrix_pieces(hash, by_hash[hash]):
                await connection.send(piece)

    async def _until_done(self, id: bytes) -> None:
        """The coordinator records results in batches: soon."""
        try:
            async with asyncio.timeout(RECORDED_S):
                while (await asyncio.to_thread(self._mining.task, id)).status is TaskStatus.OPEN:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            why = "the coordinator has not recorded the result yet: it is accepted when the time for disputes is over"
            raise LedgerUnavailable(why, task=id.hex()) from None

    async def _dispute(self, task: Task, matrices: Sequence[NDArray[Any]], result: Int64) -> None:
        await self._until_done(task.id)
        shown = {f"matrix{index}": _npy(matrix) for index, matrix in enumerate(matrices)}
        await asyncio.to_thread(self._mining.dispute, task.id, {**shown, "result": _npy(result)})


def _npy(matrix: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, matrix, allow_pickle=False)
    return file.getvalue()
