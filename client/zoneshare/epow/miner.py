"""A miner: its engine, its coordinator, and the ledger that takes its blocks. It needs the coordinator for work only.

Tips come from the ledger itself; without a coordinator the miner goes on with task-free loops.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from zoneshare.epow.engine import Engine, Finished, Won
from zoneshare.epow.ledger import Mining
from zoneshare.epow.matrices import Buffer
from zoneshare.epow.memory import take_ahead
from zoneshare.epow.messages import (
    EPOW,
    Done,
    Fetch,
    Mine,
    Piece,
    Prove,
    Proven,
    Reveal,
    Revealed,
    Run,
    Taken,
    Verified,
    Welcome,
    Work,
)
from zoneshare.epow.news import News
from zoneshare.identity import Identity
from zoneshare.ledger import LedgerUnavailable
from zoneshare.trade.moment import Clock, answered
from zoneshare.trade.peers import PeerBook, renewed
from zoneshare.trade.wire import Connection, PeerGone, connect
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.exact import multiply
from zoneshare_protocols.epow.hashing import matrix_bytes, matrix_hash
from zoneshare_protocols.epow.ledger import Mined, Shown
from zoneshare_protocols.epow.records import Assignment, BlockHeader, Tip
from zoneshare_protocols.errors import DataCorrupt, NotAllowed, NotFound, StaleTip, ZoneshareError
from zoneshare_protocols.sharing.records import Trust

log = logging.getLogger(__name__)

SILENCE_S = 24 * 3600.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts to reach the coordinator again."""


@dataclass
class Tally:
    """What came of the mining."""

    verified: int = 0
    """nsub-tasks."""
    blocks: int = 0
    stale: int = 0
    """Blocks of ours that came second."""
    taken: list[str] = field(default_factory=list)
    """Why runs were taken away, the latest last."""
    connected: bool = False
    tip: Tip | None = None


class Miner:
    """Use :meth:`run`; :meth:`stop` ends it cleanly. ``wanted``: nsub-tasks claimed each block time.

    ``trusted`` asks the zone's ledger whom the zone trusts, and blocks.
    """

    def __init__(
        self,
        mining: Mining,
        identity: Identity,
        trusted: Callable[[], Iterable[Trust]],
        address: tuple[str, int],
        *,
        clock: Clock,
        wanted: int | None = None,
        memory: int = 512 << 20,
        free_loops: bool = True,
    ) -> None:
        self._mining, self._identity, self._trusted, self._address = mining, identity, trusted, address
        self._clock = clock
        self.wanted, self._memory, self._free_loops = wanted, memory, free_loops
        self.tally = Tally()
        self.engine: Engine | None = None
        self._stopped = asyncio.Event()
        self._connection: Connection | None = None
        self._events: asyncio.Queue[Won | Finished | Tip] = asyncio.Queue()
        self._waiting: list[tuple[Run, int, set[bytes]]] = []
        self._buffers: dict[bytes, Buffer] = {}
        self._won: dict[bytes, Won] = {}
        self._sent: dict[bytes, Finished] = {}
        self._submitting: dict[int, asyncio.Task[None]] = {}

    def stop(self) -> None:
        """From the event loop: after the loop at work, and without a run half done."""
        self._stopped.set()

    async def run(self) -> None:
        """Until :meth:`stop`. Waits for a ledger that is away for a moment. Raises what no second try can mend."""
        async with renewed(self._trusted, self._clock) as peers:
            await self._run(peers)

    async def _run(self, peers: PeerBook) -> None:
        zone = await answered(self._clock, self._mining.zone)
        self.wanted = zone.rules.max_claim if self.wanted is None else self.wanted
        loop = asyncio.get_running_loop()

        def told(event: Won | Finished | Tip) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is over
                loop.call_soon_threadsafe(self._events.put_nowait, event)

        news = await answered(self._clock, lambda: News(self._mining, lambda block: told(block.tip)))
        self.engine = engine = Engine(
            self._identity.account, zone.rules.basic, told, memory=self._memory, free_loops=self._free_loops
        )
        await asyncio.to_thread(engine.blocks.prepare)
        take_ahead(4 * engine.basic**2)
        self._new_tip(news.tip)
        news.start()
        engine.start()
        tasks = [asyncio.create_task(work) for work in (self._act(), self._talk(peers), self._stopped.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            news.close()
            tasks += self._submitting.values()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(engine.stop)
            if self._connection is not None:
                await self._connection.close()

    @property
    def _engine(self) -> Engine:
        if self.engine is None:
            raise NotAllowed("the miner is not running")
        return self.engine

    # What the engine and the ledger say.

    async def _act(self) -> None:
        while True:
            match await self._events.get():
                case Tip() as tip:
                    self._new_tip(tip)
                case Finished() as finished:
                    await self._finished(finished)
                    self._engine.taken(finished)
                case Won() as won:
                    await self._claim_block(won)

    def _new_tip(self, tip: Tip) -> None:
        if self.tally.tip is None or tip.height > self.tally.tip.height:
            self.tally.tip = tip
        self._engine.new_tip(tip)

    async def _finished(self, finished: Finished) -> None:
        self._sent[digest(finished.assignment)] = finished
        await self._send(_done(finished))

    async def _claim_block(self, won: Won) -> None:
        if won.assignment is None:
            self._begin_submit(won, None)
            return
        id = digest(won.assignment)
        self._won[id] = won
        await self._send(Prove(id))

    def _begin_submit(self, won: Won, shown: Shown | None) -> None:
        """Beside all else, for the ledger may be away. A second block at the same tip would be stale."""
        height = won.header.height
        if height not in self._submitting:
            self._submitting[height] = task = asyncio.create_task(self._submit(won, shown))
            task.add_done_callback(lambda _: self._submitting.pop(height))

    async def _submit(self, won: Won, shown: Shown | None) -> None:
        blocks = {"left": won.left, "right": won.right} if shown is not None else None
        try:
            mined = await answered(self._clock, lambda: self._submit_once(won.header, shown, blocks))
        except StaleTip:
            self.tally.stale += 1
            return
        except ZoneshareError as refused:
            log.warning("a block of ours was not taken: %s", refused)
            return
        self.tally.blocks += 1
        self._new_tip(mined.tip)

    def _submit_once(self, header: BlockHeader, shown: Shown | None, blocks: dict[str, bytes] | None) -> Mined:
        """Raises StaleTip unless the ledger takes the block, or has taken it when it gave no clear answer."""
        try:
            return self._mining.submit_block(header, shown, blocks)
        except StaleTip:
            with contextlib.suppress(NotFound):
                first = self._mining.block(header.height)
                if first.hash == header.hash:
                    return first
            raise

    # What the coordinator says.

    async def _talk(self, peers: PeerBook) -> None:
        for attempt in range(1 << 30):
            try:
                self._connection = await connect(*self._address, self._identity, peers, EPOW)
                await self._greet(self._connection)
                attempt = 0  # noqa: PLW2901  # it answered: pauses begin anew
                while True:
                    for message in await self._connection.receive_many(SILENCE_S):
                        await self._heard(message)
            except (PeerGone, LedgerUnavailable) as gone:
                log.info("the coordinator, or its ledger, is gone: %s", gone)
            finally:
                self.tally.connected = False
            if self._connection is not None:
                await self._connection.close()
            self._engine.forget()
            self._waiting.clear()
            self._buffers.clear()
            await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])

    async def _greet(self, connection: Connection) -> None:
        await connection.send(Mine(self.wanted or 0))
        welcome = await connection.receive(Welcome)
        if welcome.zone.coordinator != connection.peer.account:
            raise NotAllowed("that is not the zone's coordinator", account=connection.peer.account)
        self._new_tip(welcome.tip)
        self.tally.connected = True
        # What it had not answered to yet; it takes a result once, however often it is sent.
        for finished in list(self._sent.values()):
            await connection.send(_done(finished))

    async def _heard(self, message: object) -> None:
        match message:
            case Work():
                await self._work(message)
            case Piece():
                self._piece(message)
            case Verified():
                finished = self._sent.pop(message.assignment, None)
                if finished is not None:
                    self.tally.verified += finished.assignment.count
            case Taken():
                self._taken(message)
            case Reveal():
                await self._reveal(message)
            case Proven():
                won = self._won.pop(message.assignment, None)
                if won is not None:
                    self._begin_submit(won, message.shown)

    async def _reveal(self, asked: Reveal) -> None:
        """A single result that is asked for is computed anew: that is cheaper than keeping all of them."""
        finished = self._sent.get(asked.assignment)
        if finished is None:
            return
        position = asked.nsub - finished.assignment.first
        if not 0 <= position < finished.assignment.count:
            raise NotAllowed("the nsub-task is not in the run", nsub_task=asked.nsub)
        blocks = (self._engine.blocks.small(side[position]) for side in (finished.run.left, finished.run.right))
        result = await asyncio.to_thread(multiply, *blocks)
        await self._send(Revealed(asked.assignment, matrix_bytes(result)))

    async def _work(self, work: Work) -> None:
        self._new_tip(work.tip)
        for assignment in work.carried:
            self._engine.carry(assignment, work.scale)
            self._waiting = [(_carried(run, assignment), scale, lacking) for run, scale, lacking in self._waiting]
        missing: list[bytes] = []
        for run in work.runs:
            lacking = {hash for hash in (*run.left, *run.right) if hash not in self._engine.blocks}
            missing += [hash for hash in dict.fromkeys((*run.left, *run.right)) if self._first(hash, lacking)]
            self._waiting.append((run, work.scale, lacking))
        if missing:
            await self._send(Fetch(tuple(missing)))
        self._begin()

    def _first(self, hash: bytes, lacking: set[bytes]) -> bool:
        """Whether a block has to be asked for; once, however many runs wait for it."""
        if hash not in lacking or hash in self._buffers:
            return False
        basic = self._engine.basic
        self._buffers[hash] = Buffer(hash, basic * basic)
        return True

    def _piece(self, piece: Piece) -> None:
        buffer = self._buffers.get(piece.hash)
        if buffer is None:
            return
        buffer.add(piece)
        if not buffer.complete:
            return
        del self._buffers[piece.hash]
        basic = self._engine.basic
        block = buffer.cells("<i1").astype(np.int8, copy=False).reshape(basic, basic)
        if matrix_hash(block) != piece.hash:
            raise DataCorrupt("the coordinator sent another block than it named")
        self._engine.blocks.put(piece.hash, block)
        for _, _, lacking in self._waiting:
            lacking.discard(piece.hash)
        self._begin()

    def _begin(self) -> None:
        """Hand runs to the engine whose blocks are all here, in order."""
        while self._waiting and not self._waiting[0][2]:
            run, scale, _ = self._waiting.pop(0)
            self._engine.add(run, scale)
        self._engine.blocks.trim(self._needed)

    def _needed(self) -> set[bytes]:
        runs = [*(run for run, _, _ in self._waiting), *(finished.run for finished in self._sent.values())]
        return {hash for run in runs for hash in (*run.left, *run.right)} | self._engine.needed()

    def _taken(self, taken: Taken) -> None:
        self.tally.taken.append(taken.why)
        self._sent.pop(taken.assignment, None)
        self._won.pop(taken.assignment, None)
        self._waiting = [each for each in self._waiting if digest(each[0].assignment) != taken.assignment]
        self._engine.drop_digest(taken.assignment)

    async def _send(self, message: Done | Fetch | Prove | Revealed) -> None:
        if self._connection is None or not self.tally.connected:
            return
        with contextlib.suppress(PeerGone):  # the reader sees it too, and connects again
            await self._connection.send(message)


def _carried(run: Run, assignment: Assignment) -> Run:
    """The run under its new assignment, if it is that one."""
    old = run.assignment
    same = (old.task, old.sub_task, old.run) == (assignment.task, assignment.sub_task, assignment.run)
    return Run(assignment, run.left, run.right) if same else run


def _done(finished: Finished) -> Done:
    return Done(finished.assignment, finished.result, matrix_bytes(finished.sum))
