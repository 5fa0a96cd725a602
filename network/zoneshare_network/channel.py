"""One channel: its ledger, how a block gets into it, and who waits for that."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from fabric_protos.common import common_pb2

from zoneshare_network.durable import Fault, no_fault
from zoneshare_network.store import ChannelStore, Snapshot, TransactionRecord
from zoneshare_network.view import ChannelView
from zoneshare_protocols.errors import LedgerFailed, NotAllowed
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import config as configs
from zoneshare_protocols.fabric import identity, proposal, transaction
from zoneshare_protocols.fabric.config import ChannelConfig
from zoneshare_protocols.fabric.flags import InvalidTransaction
from zoneshare_protocols.fabric.msp import Identity
from zoneshare_protocols.fabric.policy import Policy
from zoneshare_protocols.fabric.validation import BlockValidation, TxFlag, Update, state_updates, validate_block


class CommitStatus(NamedTuple):
    tx_id: str
    block: int
    flag: TxFlag


@dataclass(eq=False)
class Waiter:
    """Somebody who waits for a transaction: ``notify`` is called, by any thread, when there is something to see."""

    notify: Callable[[], None]
    found: CommitStatus | None = None


class Channel:
    """A channel whose ledger is the file ``path``. :meth:`commit` is for one thread; the rest for any number."""

    def __init__(self, name: str, path: Path, fault: Fault = no_fault) -> None:
        self.name = name
        self.store = ChannelStore(path, fault)
        self._changed = threading.Condition()
        self._waiting: dict[str, list[Waiter]] = {}
        self._watchers: list[Callable[[], None]] = []
        self._closed = False
        self._failure: LedgerFailed | None = None
        self._config: ChannelConfig | None = None
        self.last_config = 0
        with self.store.snapshot() as snapshot:
            self.height = snapshot.height
            if self.height:
                self.last_config = _last_config(_block(snapshot, self.height - 1))
                self._config = configs.read(_block(snapshot, self.last_config))

    @property
    def config(self) -> ChannelConfig:
        """As of the last block. Raises LedgerFailed for a channel without one."""
        if self._config is None:
            raise LedgerFailed("the channel has no configuration yet", channel=self.name)
        return self._config

    def allows(self, policy: str, who: Identity) -> bool:
        """Whether ``who`` satisfies the policy of this path, as the last configuration has it."""
        return _satisfied(cast(Any, self.config.policies[policy]), who)

    def authorise(self, policy: str, creator: bytes, signature: bytes, message: bytes, at_ms: int) -> Identity:
        """The identity behind ``creator`` (SerializedIdentity), who has signed ``message`` and satisfies ``policy``.

        Raises Malformed, NotAllowed or BadSignature.
        """
        parsed = identity.parse(creator)
        msp = self.config.msps.get(parsed.mspid)
        if msp is None:
            raise NotAllowed(f"MSP {parsed.mspid} is unknown")
        who = msp.validate(parsed, at_ms)
        who.verify(signature, message)
        if not self.allows(policy, who):
            raise NotAllowed(f"the policy {policy} is not satisfied", mspid=who.mspid)
        return who

    @contextmanager
    def view(self) -> Iterator[ChannelView[Snapshot]]:
        """The channel as of its newest block, for as long as the context lasts."""
        with self.store.snapshot() as snapshot:
            yield ChannelView(self.config, snapshot)

    def commit(self, block: common_pb2.Block) -> BlockValidation | None:
        """Validate the block, write it with all it changes, tell who waits. None for a config block.

        Raises LedgerFailed when it cannot be written; the channel then takes no more.
        """
        number = block.header.number
        if is_config(block):
            config = configs.read(block)
            blocks.set_flags(block, [TxFlag.VALID])
            self._write(block, (), ())
            self._config, self.last_config = config, number
            self._announce(())
            return None
        with self.view() as view:
            found = validate_block(block, view)
        blocks.set_flags(block, found.flags)
        records = records_of(block, found)
        self._write(block, records, state_updates(found))
        self._announce(records)
        return found

    def _write(
        self, block: common_pb2.Block, records: tuple[TransactionRecord, ...], updates: Sequence[Update]
    ) -> None:
        data = block.SerializeToString(deterministic=True)
        self.store.commit(block.header.number, blocks.header_hash(block.header), data, records, updates)

    def _announce(self, records: tuple[TransactionRecord, ...]) -> None:
        with self._changed:
            number = self.height
            self.height += 1
            for record in records:
                for waiter in self._waiting.pop(record.id, ()):
                    waiter.found = CommitStatus(record.id, number, TxFlag(record.flag))
                    waiter.notify()
            self._tell()

    def _tell(self) -> None:
        for notify in self._watchers:
            notify()
        self._changed.notify_all()

    def fail(self, failure: LedgerFailed) -> None:
        """The ledger cannot be written: whoever waits, or asks from now on, gets ``failure``."""
        with self._changed:
            self._failure = failure
        self._wake_all()

    @property
    def failure(self) -> LedgerFailed | None:
        return self._failure

    def status(self, tx_id: str) -> CommitStatus | None:
        """The validation code of a transaction on the ledger, where it was first seen."""
        with self.store.snapshot() as snapshot:
            found = snapshot.transaction(tx_id)
        return found and CommitStatus(tx_id, found.block, TxFlag(found.flag))

    def wait(self, tx_id: str, timeout_s: float | None = None) -> CommitStatus | None:
        """As :meth:`status`, once the transaction is on the ledger; None when it is not in time.

        Raises LedgerFailed when the channel closes or fails meanwhile.
        """
        event = threading.Event()
        with self.waiting(tx_id, event.set) as waiter:
            found = self.status(tx_id)
            if found is None and not self.stopped:
                event.wait(timeout_s)
                found = waiter.found
        if found is None:
            self.check_running()
        return found

    @contextmanager
    def waiting(self, tx_id: str, notify: Callable[[], None]) -> Iterator[Waiter]:
        """Calls ``notify`` when the transaction is on the ledger (it is ``found`` then) or the channel stops.

        Look at :meth:`status` inside: what was there before is not told.
        """
        waiter = Waiter(notify)
        with self._changed:
            self._waiting.setdefault(tx_id, []).append(waiter)
        try:
            yield waiter
        finally:
            self._forget(tx_id, waiter)

    def _forget(self, tx_id: str, waiter: Waiter) -> None:
        with self._changed:
            waiters = self._waiting.get(tx_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._waiting.pop(tx_id, None)

    def deliver(self, start: int, going_on: Callable[[], bool] = lambda: True) -> Iterator[common_pb2.Block]:
        """Blocks from number ``start`` on, as they come, until the channel closes or ``going_on`` turns false.

        After ``going_on`` has changed, call :meth:`wake`.
        """
        for number in itertools.count(start):
            with self._changed:
                while number >= self.height and not self.stopped and going_on():
                    self._changed.wait()
                if number >= self.height or self._closed or not going_on():
                    return
            yield self.block(number)

    def block(self, number: int) -> common_pb2.Block:
        """Raises LedgerFailed where the ledger has no such block."""
        with self.store.snapshot() as snapshot:
            return _block(snapshot, number)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def watched(self, notify: Callable[[], None]) -> Iterator[None]:
        """Calls ``notify``, by any thread, after each block and when the channel stops."""
        with self._changed:
            self._watchers.append(notify)
        try:
            yield
        finally:
            with self._changed:
                self._watchers.remove(notify)

    def close(self) -> None:
        with self._changed:
            self._closed = True
        self._wake_all()
        self.store.close()

    @property
    def stopped(self) -> bool:
        """Whether there will be no more blocks."""
        return self._closed or self._failure is not None

    def check_running(self) -> None:
        """Raises LedgerFailed where the channel has stopped."""
        if self.stopped:
            raise self._failure or LedgerFailed("the network has been stopped", channel=self.name)

    def _wake_all(self) -> None:
        with self._changed:
            for waiters in self._waiting.values():
                for waiter in waiters:
                    waiter.notify()
            self._tell()


@lru_cache(maxsize=4096)
def _satisfied(policy: Policy, who: Identity) -> bool:
    return policy.satisfied_by([who])


def _block(snapshot: Snapshot, number: int) -> common_pb2.Block:
    data = snapshot.block(number)
    if data is None:
        raise LedgerFailed("the ledger lacks a block", number=number)
    return common_pb2.Block.FromString(data)


def _last_config(block: common_pb2.Block) -> int:
    value = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.SIGNATURES]).value
    return int(common_pb2.OrdererBlockMetadata.FromString(value).last_config.index)


def records_of(block: common_pb2.Block, found: BlockValidation) -> tuple[TransactionRecord, ...]:
    """What the ledger keeps of a block's transactions, invalid ones too, whose id is their creator's to use."""
    records = []
    for position, (flag, tx) in enumerate(zip(found.flags, found.transactions, strict=True)):
        try:
            signed = tx or transaction.open_envelope(block.data.data[position])
        except InvalidTransaction:
            continue
        # Nobody may use up another's id: it is made of its creator, who has signed.
        ours = signed.tx_id == proposal.transaction_id(signed.nonce, signed.creator_bytes)
        if ours and flag is not TxFlag.BAD_CREATOR_SIGNATURE:
            records.append(TransactionRecord(signed.tx_id, position, flag, signed.timestamp_ms))
    return tuple(records)


def is_config(block: common_pb2.Block) -> bool:
    """Whether it is a config block: the orderer makes them, of one envelope, and takes no such envelope from others."""
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    return bool(common_pb2.ChannelHeader.FromString(payload.header.channel_header).type == common_pb2.CONFIG)
