"""The keys of the contract ``claim``, beside those of the auction (:mod:`.auction_state`).

| key | record | written |
|---|---|---|
| ``claim-key/<hash>`` | VerifyingKey | once, by whoever brings one that the zone allows |
| ``claim-proof/<id>/<seat>/<first>`` | ProofRecord of a batch | by the winner: ``prove``, ``release`` |
| ``claim-result/<id>/<seat>/<first>`` | EncryptedResult | once, by the winner, if it publishes it |
| ``claim-shown/<id>/<seat>`` | ShownPayword | by the drone |
| ``claim-dispute/<id>/<seat>/<number>`` | Dispute | ``dispute``, then ``judge`` or ``forfeit`` |

Tasks are auction-task, one key each, so that of an act and the time-out of the same task one commits, however long an
endorsed transaction is held back.
"""

from collections.abc import Callable, Iterable

from zoneshare_chaincode import auction_state
from zoneshare_chaincode.auction_state import key
from zoneshare_chaincode.base import Context
from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.seal.claims import ProofRecord, ShownPayword
from zoneshare_protocols.seal.groth16 import VerifyingKey
from zoneshare_protocols.seal.ledger import Winner
from zoneshare_protocols.seal.recompute import Dispute
from zoneshare_protocols.seal.results import EncryptedResult
from zoneshare_protocols.seal.tasks import SoldTask
from zoneshare_protocols.stub import composite_key

KEY = "claim-key"
PROOF = "claim-proof"
RESULT = "claim-result"
SHOWN = "claim-shown"
DISPUTE = "claim-dispute"


def verifying_key(context: Context, hash: bytes) -> VerifyingKey:
    return context.need(VerifyingKey, composite_key(KEY, hash.hex()), "such verifying key: bring_key puts it there")


def put_verifying_key(context: Context, hash: bytes, record: VerifyingKey) -> None:
    context.put(composite_key(KEY, hash.hex()), record)


def proof(context: Context, auction: bytes, seat: int, first: int) -> ProofRecord:
    return context.need(ProofRecord, key(PROOF, auction, seat, first), "proof of a batch that begins with this task")


def put_proof(context: Context, record: ProofRecord) -> ProofRecord:
    context.put(key(PROOF, record.auction, record.seat, record.first), record)
    return record


def result(context: Context, auction: bytes, seat: int, first: int) -> EncryptedResult:
    return context.need(EncryptedResult, key(RESULT, auction, seat, first), "encrypted result on the ledger")


def put_result(context: Context, encrypted: EncryptedResult) -> None:
    found = encrypted.context
    context.put(key(RESULT, found.auction, found.seat, found.first), encrypted)


def shown(context: Context, auction: bytes, seat: int) -> ShownPayword:
    return context.need(ShownPayword, key(SHOWN, auction, seat), "payword of this winner's on the ledger")


def dispute(context: Context, auction: bytes, seat: int, number: int) -> Dispute:
    return context.need(Dispute, key(DISPUTE, auction, seat, number), "dispute about this task")


def put_dispute(context: Context, record: Dispute) -> Dispute:
    context.put(key(DISPUTE, record.auction, record.seat, record.number), record)
    return record


def move_each(
    context: Context, winner: Winner, numbers: Iterable[int], step: Callable[[SoldTask], SoldTask]
) -> list[int]:
    """Those tasks that ``step`` takes, moved; the others stay as they are. Raises the last refusal if it takes none."""
    moved: list[int] = []
    refusal: RuleBroken | None = None
    for number in numbers:
        try:
            auction_state.put_task(context, winner, number, step(auction_state.sold_task(context, winner, number)))
            moved.append(number)
        except RuleBroken as refused:
            refusal = refused
    if refusal is not None and not moved:
        raise refusal
    return moved
