"""The contract ``mining`` of a zone, typed."""

from collections.abc import Iterator, Mapping, Sequence

from zoneshare.calls import Contract, result, to_bytes
from zoneshare_protocols.epow.ledger import (
    Batch,
    BatchRecord,
    Mined,
    MinerRecord,
    MiningZone,
    Pool,
    RunDone,
    Shown,
    TaskRecord,
)
from zoneshare_protocols.epow.records import BlockHeader, Task, Tip
from zoneshare_protocols.errors import NotFound


class Mining(Contract):
    """Raises the contract's own errors, and what the Ledger port raises. Methods block."""

    prefix = "mining"

    def approve(self, zone: MiningZone) -> None:
        """By an organisation's administrator."""
        self.submit("approve", zone)

    def zone(self) -> MiningZone:
        return self.query(MiningZone, "zone")

    def tip(self) -> Tip:
        return self.query(Tip, "tip")

    def pool(self) -> Pool:
        return self.query(Pool, "pool")

    def floor(self) -> int:
        """The least fee of an nsub-task now."""
        return self.query(int, "floor")

    def time(self, height: int) -> int:
        """When a block came, ms."""
        return self.query(int, "time", height)

    def register(self, deposit: int) -> MinerRecord:
        """Mine here, or add to the deposit."""
        return result(MinerRecord, self.submit("register", deposit).payload)

    def leave(self) -> MinerRecord:
        return result(MinerRecord, self.submit("leave").payload)

    def offer(self, task: Task, until: int) -> TaskRecord:
        return result(TaskRecord, self.submit("offer", task, until).payload)

    def record(self, batch: Batch) -> BatchRecord:
        return result(BatchRecord, self.submit("record", batch).payload)

    def accept(self, tasks: Sequence[bytes]) -> None:
        self.submit("accept", tuple(tasks))

    def withdraw(self, task: bytes) -> None:
        self.submit("withdraw", task)

    def dispute(self, task: bytes, matrices: Mapping[str, bytes]) -> None:
        """``matrices``: .npy bytes as ``matrix0``, ..., and ``result``; for the endorsers only."""
        self.ledger.submit("mining:dispute", task, transient=dict(matrices))

    def submit_block(
        self, header: BlockHeader, shown: Shown | None = None, blocks: Mapping[str, bytes] | None = None
    ) -> Mined:
        """``blocks``: ``left`` and ``right``, the cells of a task-involved loop's two blocks."""
        proof = () if shown is None else (to_bytes(shown),)
        payload = self.ledger.submit(
            "mining:submit_block", to_bytes(header), *proof, transient=dict(blocks) if blocks else None
        ).payload
        return result(Mined, payload)

    def block(self, height: int) -> Mined:
        return self.query(Mined, "block", height)

    def task(self, id: bytes) -> TaskRecord:
        return self.query(TaskRecord, "task", id)

    def miner(self, account: str) -> MinerRecord:
        return self.query(MinerRecord, "miner", account)

    def run(self, task: bytes, sub_task: int, run: int) -> RunDone:
        return self.query(RunDone, "result", task, sub_task, run)

    def batch(self, number: int) -> BatchRecord:
        return self.query(BatchRecord, "batch", number)

    def blocks(self) -> Iterator[Mined]:
        return self.pages(Mined, "blocks")

    def tasks(self) -> Iterator[TaskRecord]:
        return self.pages(TaskRecord, "tasks")

    def miners(self) -> Iterator[MinerRecord]:
        return self.pages(MinerRecord, "miners")

    def holds(self) -> int:
        """All the money that mining holds in this zone: escrows, margins, deposits, treasury."""
        try:
            treasury = self.pool().treasury
        except NotFound:
            return 0
        tasks = sum(task.escrow + task.margin for task in self.tasks())
        return treasury + tasks + sum(miner.deposit for miner in self.miners())
