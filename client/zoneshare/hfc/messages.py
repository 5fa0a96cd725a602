"""What the SDK's process and the hfc worker say to each other: canonical records in frames, over one socket.

Imported by both sides, so nothing here may load a protobuf message: the two processes have different ones.
"""

import struct

from zoneshare_protocols.codec import Record, encode

HEAD = struct.Struct(">I")
"""Before each frame: its length in bytes."""
INTERPRETER = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"


class Node(Record, frozen=True, tag="hfc/node/1"):
    """A peer or an orderer: host:port, the TLS roots its certificate must chain to (PEM), and the name in it."""

    name: str
    endpoint: str
    tls_roots: bytes
    server_name: str


class Network(Record, frozen=True, tag="hfc/network/1"):
    """Whom the worker talks to; the first thing it hears."""

    peers: tuple[tuple[Node, ...], ...]
    """By organisation, the client's own first."""
    orderers: tuple[Node, ...]
    client_key: bytes = b""
    client_certificate: bytes = b""
    """PEM, for nodes that ask who connects."""

    def __repr__(self) -> str:
        return f"Network(peers={self.peers!r}, orderers={self.orderers!r})"


class Evaluate(Record, frozen=True, tag="hfc/evaluate/1"):
    """A peer.SignedProposal for a peer of the own organisation: Answer with its ProposalResponse."""

    proposal: bytes


class Endorse(Record, frozen=True, tag="hfc/endorse/1"):
    """A peer.SignedProposal for a peer of every organisation: Answer with their equal ProposalResponses."""

    proposal: bytes


class Order(Record, frozen=True, tag="hfc/order/1"):
    """A signed common.Envelope for the orderers, its verdict expected first. An empty Answer: it is ordered."""

    channel: str
    tx_id: str
    envelope: bytes
    seek: bytes
    """A signed envelope with an orderer.SeekInfo from the newest block on, should no event hub be open."""


class Expect(Record, frozen=True, tag="hfc/expect/1"):
    """From now on listen for the transaction's verdict. An empty Answer: we do."""

    channel: str
    tx_id: str
    seek: bytes


class Await(Record, frozen=True, tag="hfc/await/1"):
    """Verdict of an expected transaction; Failed with NOT_FOUND when nobody has expected it."""

    channel: str
    tx_id: str


class Verdict(Record, frozen=True, tag="hfc/verdict/1"):
    """What the committed block says of a transaction: peer.TxValidationCode by name."""

    flag: str
    block: int


class Settle(Record, frozen=True, tag="hfc/settle/1"):
    """The verdict of an expected transaction, found elsewhere. An empty Answer: who waits for it has it."""

    channel: str
    tx_id: str
    verdict: Verdict


class Open(Record, frozen=True, tag="hfc/open/1"):
    """Blocks from where a signed SeekInfo says; the call's number names the stream. An empty Answer: it is open."""

    seek: bytes
    skip_first: bool
    """Wait for the first block, and leave it out."""


class Next(Record, frozen=True, tag="hfc/next/1"):
    """The stream's next common.Block, whenever it comes."""

    stream: int


class Shut(Record, frozen=True, tag="hfc/shut/1"):
    """End a stream, and whoever waits for its next block."""

    stream: int


class Cancel(Record, frozen=True, tag="hfc/cancel/1"):
    """Nobody waits any more for the answer to a call."""

    number: int


Request = Network | Evaluate | Endorse | Order | Expect | Await | Settle | Open | Next | Shut | Cancel


class Call(Record, frozen=True, tag="hfc/call/1"):
    number: int
    request: Request
    timeout_ms: int
    """0: as long as it takes."""


class Answer(Record, frozen=True, tag="hfc/answer/1"):
    parts: tuple[bytes, ...] = ()


class Failed(Record, frozen=True, tag="hfc/failed/1"):
    """As of a gateway: gRPC's status by name, its message, and what the peers said."""

    code: str
    message: str
    details: tuple[str, ...] = ()


class Reply(Record, frozen=True, tag="hfc/reply/1"):
    number: int
    result: Answer | Verdict | Failed


def frame(message: Call | Reply) -> bytes:
    """The message as it goes into the socket."""
    body = encode(message)
    return HEAD.pack(len(body)) + body
