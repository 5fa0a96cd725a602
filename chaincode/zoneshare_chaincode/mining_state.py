"""The keys of the contract ``mining``."""

from msgspec.structs import replace

from zoneshare_chaincode.base import Context
from zoneshare_protocols.epow import zone as rules
from zoneshare_protocols.epow.ledger import MinerRecord, MiningZone, Pool, TaskRecord
from zoneshare_protocols.epow.records import Tip
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.stub import composite_key

ZONE = composite_key("mining-zone")
TIP = composite_key("mining-tip")
POOL = composite_key("mining-pool")
APPROVAL = "mining-approval"
TIME = "mining-time"
BLOCK = "mining-block"
TASK = "mining-task"
MINER = "mining-miner"
RUN = "mining-run"
BATCH = "mining-batch"


def approval_key(mspid: str) -> str:
    return composite_key(APPROVAL, mspid)


def block_key(height: int) -> str:
    return composite_key(BLOCK, f"{height:019}")


def task_key(id: bytes) -> str:
    return composite_key(TASK, id.hex())


def miner_key(account: str) -> str:
    return composite_key(MINER, account)


def run_key(task: bytes, sub_task: int, run: int) -> str:
    return composite_key(RUN, task.hex(), str(sub_task), str(run))


def batch_key(number: int) -> str:
    return composite_key(BATCH, f"{number:019}")


def find_zone(context: Context) -> MiningZone | None:
    return context.get(MiningZone, ZONE)


def zone(context: Context) -> MiningZone:
    """Raises NotFound before the organisations have approved mining rules."""
    return context.need(MiningZone, ZONE, "mining rules: none were approved yet (zoneshare coordinator init)")


def put_zone(context: Context, new: MiningZone, first: bool) -> None:
    """With ``first`` mining begins now."""
    context.put(ZONE, new)
    if first:
        context.put(POOL, Pool(0, 0, 0, max(1, rules.floor(new.rules, rules.genesis(new, 0))), 0))
        put_tip(context, rules.genesis(new, context.now))


def tip(context: Context) -> Tip:
    return context.need(Tip, TIP, "tip: mining has not begun")


def put_tip(context: Context, new: Tip) -> None:
    context.put(TIP, new)
    context.put(composite_key(TIME, f"{new.height:019}"), context.now)


def time(context: Context, height: int) -> int:
    """When a block came, ms. Raises NotFound."""
    return context.need(int, composite_key(TIME, f"{height:019}"), f"block {height}")


def pool(context: Context) -> Pool:
    return context.need(Pool, POOL, "mining pool")


def change_pool(context: Context, *, treasury: int = 0, offered: int = 0, claimed: int = 0) -> None:
    """Add to the pool's numbers. Raises LimitExceeded."""
    present = pool(context)
    changed = replace(
        present,
        treasury=rules.add(present.treasury, treasury),
        offered=max(0, rules.add(present.offered, offered)),
        claimed=rules.add(present.claimed, claimed),
    )
    context.put(POOL, changed)


def task(context: Context, id: bytes) -> TaskRecord:
    """Raises NotFound."""
    return context.need(TaskRecord, task_key(id), "such task")


def put_task(context: Context, record: TaskRecord) -> TaskRecord:
    context.put(task_key(record.task.id), record)
    return record


def miner(context: Context, account: str) -> MinerRecord:
    """Raises NotFound for an account that does not mine here."""
    found = context.get(MinerRecord, miner_key(account))
    if found is None:
        raise NotFound("no such miner", account=account)
    return found


def put_miner(context: Context, record: MinerRecord) -> MinerRecord:
    context.put(miner_key(record.account), record)
    return record
