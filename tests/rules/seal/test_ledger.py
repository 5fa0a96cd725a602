"""What the ledger keeps of an auction: who takes part, in which order, and what all agree to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.seal.market import TERMS, task
from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import LimitExceeded, NotAllowed
from zoneshare_protocols.seal.attestation import check_proof_key
from zoneshare_protocols.seal.bids import Notice
from zoneshare_protocols.seal.hashchain import ChainMeta
from zoneshare_protocols.seal.ledger import (
    BidderRecord,
    BidList,
    ProofKey,
    SealZone,
    Winner,
    Word,
    bids_digest,
    check_limits,
    taking_part,
)
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.records import Award, Outcome
from zoneshare_protocols.seal.tasks import sold

ID = b"a" * 32


def record(name: str, serial: int, deposit: int = 5, word: Word = Word.AGREED) -> BidderRecord:
    return BidderRecord(ID, name, digest(TERMS), serial.to_bytes(20, "big"), deposit, word)


def test_seats_go_by_serial_and_then_by_account() -> None:
    """Two CAs may give the same serial: that must not stop an auction."""
    found = taking_part(ID, [record("bob", 7), record("ann", 7), record("cid", 1)], {"ann": 1, "bob": 2, "cid": 3})
    assert [(entry.seat, entry.bidder, entry.dwell) for entry in found.entries] == [
        (1, "cid", 3), (2, "ann", 1), (3, "bob", 2)
    ]  # fmt: skip


def test_only_who_has_paid_and_agreed_takes_part() -> None:
    records = [
        record("paid", 1, word=Word.NONE),
        record("agreed", 2, deposit=0),
        record("declined", 3, word=Word.DECLINED),
        record("both", 4),
    ]
    found = taking_part(ID, records, dict.fromkeys(("paid", "agreed", "declined", "both"), 1))
    assert [entry.bidder for entry in found.entries] == ["both"]
    assert [one.silent for one in records] == [True, False, False, False]


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=6, unique=True))
def test_what_is_agreed_to_does_not_depend_on_who_bid_what(hashes: list[bytes]) -> None:
    names = [f"v{n}" for n in range(len(hashes))]
    one = BidList(ID, tuple(zip(names, hashes, strict=True)))
    other = BidList(ID, tuple(zip(names, hashes[::-1], strict=True)))
    assert bids_digest(one) == bids_digest(other)
    assert one.hashes.hashes == tuple(sorted(hashes))


def test_a_winners_tasks_before_anybody_has_moved_them() -> None:
    award = Award(1, 2, 30, 400)
    winner = Winner(ID, 2, "ann", (award,), ChainMeta(2, 1, b"r" * 32), 1000)
    assert winner.fresh(1) == sold(award, 1000)
    assert winner.fresh(1).due == 1400
    assert winner.prices == (30,)


def test_a_winner_has_its_tasks_time_and_the_slack_at_most() -> None:
    notice = Notice("dora", (task(1),), TERMS, Timers(1, 2, 3, 4, 5, 6), b"m" * 32, b"n" * 16)
    most = notice.tasks[0].deadline + TERMS.slack
    check_limits(Outcome((Award(1, 1, 1, most),)), notice)
    with pytest.raises(LimitExceeded):
        check_limits(Outcome((Award(1, 1, 1, most + 1),)), notice)


def test_a_proving_key_is_allowed_by_its_hash() -> None:
    key = ProofKey("result", b"k" * 32, unsafe=True)
    zone = SealZone("zone-a", 1, False, (), (), 1, (key,))
    assert check_proof_key(zone, b"k" * 32) is key
    with pytest.raises(NotAllowed):
        check_proof_key(zone, b"x" * 32)
