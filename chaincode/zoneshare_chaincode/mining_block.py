"""Taking a block: the draw, the tip, and the product itself, which a peer does again (one product a block)."""

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from zoneshare_chaincode import mining_state as state
from zoneshare_chaincode import vault
from zoneshare_chaincode.base import Context
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.epow import zone as rules
from zoneshare_protocols.epow.blocks import check_free, check_involved, check_tip
from zoneshare_protocols.epow.difficulty import SCALE_ONE, extend, scale_factor
from zoneshare_protocols.epow.exact import Int8, multiply
from zoneshare_protocols.epow.hashing import matrix_hash, nsub_hash, product_hash
from zoneshare_protocols.epow.ledger import BatchRecord, Mined, MinerRecord, MiningZone, Shown
from zoneshare_protocols.epow.records import BlockHeader, LspField, Tip
from zoneshare_protocols.epow.rewards import block_reward
from zoneshare_protocols.errors import Malformed, NotAllowed
from zoneshare_protocols.sharing import merkle


def take(context: Context, header: BlockHeader, shown: Shown | None) -> Mined:
    """Raises StaleTip, NotWon, NotAllowed, FakeResult, Malformed, BadProof, NotFound (a winner with no account)."""
    zone, tip = state.zone(context), state.tip(context)
    check_tip(header, tip)
    if isinstance(header.work, LspField):
        scale = _involved(context, header, shown, zone, tip)
    else:
        scale = SCALE_ONE
        check_free(header, tip, zone.rules)
    pool = state.pool(context)
    reward = block_reward(zone.rules, pool.treasury)
    vault.account(context, header.miner)
    if reward:
        vault.credit(context, header.miner, reward)
    new = extend(tip, zone.rules, header.hash, context.now)
    state.put_tip(context, new)
    context.put(state.POOL, rules.after_block(pool, reward, zone.rules, new))
    miner = context.get(MinerRecord, state.miner_key(header.miner))
    if miner is not None:
        state.put_miner(context, replace(miner, blocks=miner.blocks + 1))
    mined = Mined(header, header.hash, context.now, reward, tip.difficulty, scale, new)
    context.put(state.block_key(new.height), mined)
    context.event("block", mined)
    return mined


def _involved(context: Context, header: BlockHeader, shown: Shown | None, zone: MiningZone, tip: Tip) -> int:
    lsp = header.work
    if shown is None or not isinstance(lsp, LspField):
        raise Malformed("a task-involved loop's block shows its assignment", height=header.height)
    assigned = shown.assigned
    batch = context.need(BatchRecord, state.batch_key(shown.batch), f"batch {shown.batch}")
    if batch.root is None or batch.height != tip.height:
        raise NotAllowed("a result draws only at the tip it was assigned for", assigned=batch.height, tip=tip.height)
    merkle.verify(batch.root, batch.size, shown.index, encode(assigned), shown.path)
    miner = state.miner(context, header.miner)
    if miner.claim is None:
        raise NotAllowed("the miner has claimed nothing", miner=header.miner)
    verified = _verified(context.stub.transient, lsp, zone.rules.basic)
    check_involved(header, tip, zone.rules, claim=miner.claim, assignment=assigned.assignment, verified=verified)
    if assigned.nsubs[lsp.nsub_task - assigned.assignment.first] != lsp.nsub_hash:
        raise NotAllowed("the matrices are not those that were assigned", nsub_task=lsp.nsub_task)
    return scale_factor(zone.rules, miner.claim.claimed)


def _verified(transient: Mapping[str, bytes], lsp: LspField, basic: int) -> bytes | None:
    """The LSP field's digest when the blocks that were shown have its hashes and product."""
    left, right = (_block(transient, name, basic) for name in ("left", "right"))
    if nsub_hash(matrix_hash(left), matrix_hash(right)) != lsp.nsub_hash:
        return None
    return digest(lsp) if product_hash(multiply(left, right)) == lsp.result_hash else None


def _block(transient: Mapping[str, bytes], name: str, basic: int) -> Int8:
    data = transient.get(name, b"")
    if len(data) != basic * basic:
        raise Malformed("a block shows its nsub-task's two matrices as transient data", name=name, bytes=len(data))
    return np.frombuffer(data, np.int8).reshape(basic, basic)
