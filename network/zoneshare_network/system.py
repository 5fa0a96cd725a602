"""Fabric's system chaincodes, as far as clients ask them: qscc (the ledger), cscc (channels), _lifecycle (queries)."""

from collections.abc import Callable, Mapping
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, ledger_pb2
from fabric_protos.peer import query_pb2, transaction_pb2

from zoneshare_network import lifecycle, lifecycle_queries
from zoneshare_network.channel import Channel
from zoneshare_network.store import Snapshot
from zoneshare_network.view import READERS
from zoneshare_protocols.errors import Malformed, NotFound, ZoneshareError
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.msp import Identity
from zoneshare_protocols.fabric.proposal import ChaincodeCall
from zoneshare_protocols.stub import ERROR, OK, Response

QSCC, CSCC = "qscc", "cscc"
NAMES = frozenset({QSCC, CSCC, lifecycle.NAMESPACE})
VERSION = "syscc"


class SystemChaincodes:
    """What every peer of the network answers about its ledgers. ``installed`` are the chaincodes they all run."""

    def __init__(self, channels: Mapping[str, Channel], installed: Mapping[str, Any]) -> None:
        self._channels = channels
        self._installed = installed

    def invoke(self, mspid: str, call: ChaincodeCall, who: Identity) -> Response:
        """The answer of the peer of ``mspid`` to ``who``, whose proposal has passed the peer's checks."""
        if call.chaincode == lifecycle.NAMESPACE:
            return lifecycle_queries.invoke(mspid, call, who, self._channels, self._installed)
        function, *rest = (*call.args, b"")[: max(1, len(call.args))]
        answer = _FUNCTIONS.get((call.chaincode, function.decode(errors="replace")))
        if answer is None:
            return Response(ERROR, f"Requested function {function.decode(errors='replace')} not found.")
        try:
            return Response(OK, payload=answer(self, who, rest))
        except ZoneshareError as failure:
            return Response(ERROR, failure.message)

    def _chain_info(self, who: Identity, args: list[bytes]) -> bytes:
        with self._read(who, "GetChainInfo", args).view() as view:
            snapshot, top = view.snapshot, view.snapshot.height - 1
            return wire.write(
                ledger_pb2.BlockchainInfo(
                    height=snapshot.height,
                    currentBlockHash=snapshot.block_hash(top),
                    previousBlockHash=snapshot.block_hash(top - 1) if top else b"",
                )
            )

    def _block_by_number(self, who: Identity, args: list[bytes]) -> bytes:
        channel, text = self._read(who, "GetBlockByNumber", args, 1), _text(args[1])
        if not (text.isascii() and text.isdigit()):
            raise Malformed(
                f'Failed to parse block number with error strconv.ParseUint: parsing "{text}": invalid syntax'
            )
        with channel.view() as view:
            return _block(view.snapshot, int(text))

    def _block_by_hash(self, who: Identity, args: list[bytes]) -> bytes:
        with self._read(who, "GetBlockByHash", args, 1).view() as view:
            number = view.snapshot.number_of(args[1])
            if number is None:
                raise NotFound(f"Failed to get block hash {_text(args[1])}, error no such block hash in index")
            return _block(view.snapshot, number)

    def _block_by_transaction(self, who: Identity, args: list[bytes]) -> bytes:
        with self._read(who, "GetBlockByTxID", args, 1).view() as view:
            number, _ = _place(view.snapshot, _text(args[1]), "Failed to get block for txID")
            return _block(view.snapshot, number)

    def _transaction(self, who: Identity, args: list[bytes]) -> bytes:
        with self._read(who, "GetTransactionByID", args, 1).view() as view:
            number, position = _place(view.snapshot, _text(args[1]), "Failed to get transaction with id")
            block = common_pb2.Block.FromString(_block(view.snapshot, number))
        envelope = common_pb2.Envelope.FromString(block.data.data[position])
        code = blocks.flags(block)[position]
        return wire.write(transaction_pb2.ProcessedTransaction(transactionEnvelope=envelope, validationCode=code))

    def _channel_names(self, _who: Identity, _args: list[bytes]) -> bytes:
        found = [query_pb2.ChannelInfo(channel_id=name) for name in self._channels]
        return wire.write(query_pb2.ChannelQueryResponse(channels=found))

    def _config_block(self, who: Identity, args: list[bytes]) -> bytes:
        channel = self._read(who, "GetConfigBlock", args)
        return wire.write(channel.block(channel.last_config))

    def _channel_config(self, who: Identity, args: list[bytes]) -> bytes:
        channel = self._read(who, "GetChannelConfig", args)
        envelope = common_pb2.Envelope.FromString(channel.block(channel.last_config).data.data[0])
        payload = common_pb2.Payload.FromString(envelope.payload)
        return wire.write(configtx_pb2.ConfigEnvelope.FromString(payload.data).config)

    def _read(self, who: Identity, function: str, args: list[bytes], further: int = 0) -> Channel:
        """The channel that the first argument names, if ``who`` may read it and there are ``further`` arguments."""
        if not args:
            raise Malformed("Incorrect number of arguments, 1")
        if len(args) <= further:
            raise Malformed(f"missing 3rd argument for {function}")
        name = _text(args[0])
        channel = self._channels.get(name)
        if channel is None:
            raise NotFound(f"Invalid chain ID, {name}")
        if not channel.allows(READERS, who):
            raise NotFound(f"access denied for [{function}][{name}]: [the policy {READERS} is not satisfied]")
        return channel


_FUNCTIONS: dict[tuple[str, str], Callable[[SystemChaincodes, Identity, list[bytes]], bytes]] = {
    (QSCC, "GetChainInfo"): SystemChaincodes._chain_info,
    (QSCC, "GetBlockByNumber"): SystemChaincodes._block_by_number,
    (QSCC, "GetBlockByHash"): SystemChaincodes._block_by_hash,
    (QSCC, "GetBlockByTxID"): SystemChaincodes._block_by_transaction,
    (QSCC, "GetTransactionByID"): SystemChaincodes._transaction,
    (CSCC, "GetChannels"): SystemChaincodes._channel_names,
    (CSCC, "GetConfigBlock"): SystemChaincodes._config_block,
    (CSCC, "GetChannelConfig"): SystemChaincodes._channel_config,
}


def _block(snapshot: Snapshot, number: int) -> bytes:
    found = snapshot.block(number)
    if found is None:
        raise NotFound(f"Failed to get block number {number}, error no such block number [{number}] in index")
    return found


def _place(snapshot: Snapshot, tx_id: str, failure: str) -> tuple[int, int]:
    found = snapshot.transaction(tx_id)
    if found is None:
        raise NotFound(f"{failure} {tx_id}, error no such transaction ID [{tx_id}] in index")
    return found.block, found.position


def _text(argument: bytes) -> str:
    return argument.decode(errors="replace")
