"""What stands in a drone's or a vehicle's journal: one record a kind, under the key its comment names."""

from zoneshare.seal.work import Work
from zoneshare_protocols.codec import Count, Digest, Key32, Record
from zoneshare_protocols.seal.bids import Notice, SealedBid
from zoneshare_protocols.seal.groth16 import Proof
from zoneshare_protocols.seal.results import Locked

MILLION = 1_000_000
AUCTION = "seal-auction"
RECEIVED = "seal-received"
"""Under auction/seat/first: an EncryptedResult that the drone has, and gives a payword for."""
RESULT = "seal-result"
JOURNEY = "seal-journey"
BID = "seal-bid"
LOCKED = "seal-locked"
PAYWORD = "seal-payword"


class Held(Record, frozen=True, tag="seal-held/1"):
    """Under the auction: what the drone needs of it, from before the enclave hears of it."""

    notice: Notice
    results: Key32
    """Opens the results: the private key to ``notice.results_key``."""
    seed: Key32
    """The winners' chains follow from it."""
    work: tuple[Work, ...]
    """In the order of the notice's tasks."""
    sample: Count = MILLION // 4
    """The part of the results that the drone computes again, in millionths."""
    closed: bool = False


class Done(Record, frozen=True, tag="seal-done/1"):
    """Under auction/task: a result as the drone has it."""

    task: Count
    where: str
    """``vehicle``, ``cloud`` or ``local``."""
    result: bytes
    sampled: bool = False
    """The drone has computed it again."""
    wrong: bool = False
    """It is not what it should be."""
    upheld: bool | None = None
    """What the contract said to that."""


class Position(Record, frozen=True, tag="seal-position/1"):
    """Under ``journey``: where a drone is on its route."""

    stop: Count
    stops: Count
    seed: Count
    tasks: tuple[Count, Count]
    """At a stop, at least and at most."""
    pictures: Count
    battery: Count
    """mJ."""
    deficit: Count
    waiting: tuple[Work, ...]
    """Tasks that were carried along."""
    auction: bytes = b""
    """Of the stop it is at, once there is one."""


class Offer(Record, frozen=True, tag="seal-offer/1"):
    """Under the auction: a vehicle's own bid, from before its hash is on the ledger."""

    sealed: SealedBid
    drone: tuple[str, int]
    enclave: tuple[str, int]
    receipt: bytes = b""
    closed: bool = False


class Proven(Record, frozen=True, tag="seal-proven/1"):
    """Under auction/first: a winner's batch with its key, from before anything of it is published."""

    locked: Locked
    proof: Proof
    whole: bool
    """Its results are there; else it only keeps the winner's deposit, since the drone did not give the data."""


class Paid(Record, frozen=True, tag="seal-paid/1"):
    """Under the auction: the highest payword that a winner has."""

    index: Count
    payword: Digest


def place(auction: bytes, *numbers: int) -> str:
    return "/".join([auction.hex(), *(f"{number:010d}" for number in numbers)])
