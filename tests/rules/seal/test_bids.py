import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.rules.seal.market import TERMS, task
from zoneshare_protocols.codec import Record, decode, digest, encode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    BadSignature,
    LimitExceeded,
    Malformed,
    NotAllowed,
    RuleBroken,
    TooEarly,
    TooLate,
)
from zoneshare_protocols.seal.bids import (
    MAX_BIDDERS,
    Notice,
    Quote,
    Result,
    SealedBid,
    SignedQuote,
    aad,
    bid_set,
    check_cover,
    check_quote,
    check_result,
    check_sealed,
    padded,
    seats,
    unpadded,
)
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.records import Award, Outcome
from zoneshare_protocols.sharing.keys import sign

PLATFORM = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
ENCLAVE = Ed25519PrivateKey.from_private_bytes(b"e" * 32)
TASKS = (task(0, urgency=1), task(1, urgency=9), task(2, urgency=5))
NOTICE = Notice("drone", TASKS, TERMS, Timers(1, 2, 3, 4, 5, 6), b"m" * 32, b"n" * 16)
QUOTE = Quote(b"m" * 32, NOTICE.id, ENCLAVE.public_key().public_bytes_raw(), b"x" * 32, 1000, True)
BIDS = [SealedBid(NOTICE.id, name, bytes([number]) * 64) for number, name in enumerate("abc")]
SET = bid_set(
    NOTICE.id, {bid.bidder: bid.hash for bid in BIDS}, {"a": 30, "b": 10, "c": 20}, dict.fromkeys("abc", 9000)
)
OUTCOME = Outcome((Award(1, 3, 50, 100), Award(2, 1, 20, 100)), local=(0,))
RESULT = Result(NOTICE.id, digest(QUOTE), digest(SET), OUTCOME)


def attested(quote: Quote) -> SignedQuote:
    return SignedQuote(quote, sign(PLATFORM, quote))


def verify(signed: SignedQuote, now: int = 1500, *, simulated: bool = True) -> None:
    check_quote(signed, NOTICE, PLATFORM.public_key().public_bytes_raw(), now, 1000, allow_simulated=simulated)


def test_a_quote_of_this_program_and_auction_is_believed() -> None:
    verify(attested(QUOTE))
    verify(attested(replace(QUOTE, simulated=False)), simulated=False)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"measurement": b"o" * 32}, BadProof, "another program"),
        ({"auction": b"o" * 32}, BadProof, "another auction"),
        ({"made": 499}, TooLate, "old"),
        ({"made": 1501}, TooEarly, "future"),
    ],
)
def test_other_quotes_are_refused(change: dict[str, bytes | int], error: type[RuleBroken], words: str) -> None:
    with pytest.raises(error, match=words):
        verify(attested(replace(QUOTE, **change)))
    with pytest.raises(BadSignature):
        verify(SignedQuote(replace(QUOTE, **change), attested(QUOTE).signature))


def test_a_simulated_enclave_is_refused_where_none_may_be() -> None:
    with pytest.raises(NotAllowed, match="simulated"):
        verify(attested(QUOTE), simulated=False)


def test_every_word_of_the_notice_is_in_the_auctions_id() -> None:
    others: list[Notice] = [
        replace(NOTICE, terms=replace(TERMS, slack=1)),
        replace(NOTICE, tasks=TASKS[:2]),
        replace(NOTICE, measurement=b"o" * 32),
        replace(NOTICE, timers=replace(NOTICE.timers, claim=9)),
        replace(NOTICE, nonce=b"o" * 16),
    ]
    assert len({NOTICE.id, *(other.id for other in others)}) == len(others) + 1


def test_a_bid_is_its_makers_and_comes_once() -> None:
    bid = BIDS[0]
    check_sealed(bid, NOTICE.id, "a", ["b", "c"])
    with pytest.raises(BadProof):
        check_sealed(bid, b"o" * 32, "a", [])
    with pytest.raises(NotAllowed):
        check_sealed(bid, NOTICE.id, "b", [])
    with pytest.raises(AlreadyExists):
        check_sealed(bid, NOTICE.id, "a", ["a"])
    with pytest.raises(LimitExceeded):
        check_sealed(bid, NOTICE.id, "a", map(str, range(MAX_BIDDERS)))
    with pytest.raises(Malformed):
        decode(SealedBid, encode(SealedBid(NOTICE.id, "a", b"short")))


def test_seats_go_by_certificate_serial() -> None:
    assert seats({"a": 30, "b": 10, "c": 20}) == {"b": 1, "c": 2, "a": 3}
    assert [entry.bidder for entry in SET.entries] == ["b", "c", "a"]
    with pytest.raises(Malformed, match="same certificate"):
        seats({"a": 1, "b": 1})
    with pytest.raises(Malformed, match="not observed"):
        bid_set(NOTICE.id, {"a": b"h" * 32}, {"a": 1}, {})


def test_the_enclave_takes_the_whole_set_and_nothing_else() -> None:
    check_cover(SET, BIDS)
    check_cover(SET, BIDS[::-1])
    changed = replace(BIDS[0], sealed=b"z" * 64)
    for wrong in (BIDS[:2], [*BIDS, changed], [changed, *BIDS[1:]], [*BIDS, BIDS[0]]):
        with pytest.raises(BadProof):
            check_cover(SET, wrong)


def signed(result: Result) -> bytes:
    return sign(ENCLAVE, result)


def test_a_result_of_this_enclave_over_this_set_is_recorded() -> None:
    check_result(RESULT, signed(RESULT), QUOTE, SET, NOTICE)
    with pytest.raises(BadSignature):
        check_result(RESULT, sign(PLATFORM, RESULT), QUOTE, SET, NOTICE)
    with pytest.raises(BadSignature):
        check_result(RESULT, None, QUOTE, SET, NOTICE)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"auction": b"o" * 32}, BadProof),
        ({"quote": b"o" * 32}, BadProof),
        ({"bids": b"o" * 32}, BadProof),
        ({"outcome": replace(OUTCOME, local=())}, Malformed),
        ({"outcome": replace(OUTCOME, dropped=(0,))}, Malformed),
        ({"outcome": replace(OUTCOME, awards=OUTCOME.awards[::-1])}, Malformed),
        ({"outcome": replace(OUTCOME, awards=(Award(1, 4, 50, 100), OUTCOME.awards[1]))}, Malformed),
        ({"refused": (3,)}, Malformed),
        ({"refused": (9,)}, Malformed),
    ],
)
def test_other_results_are_refused(
    change: dict[str, bytes | Outcome | tuple[int, ...]], error: type[RuleBroken]
) -> None:
    other = replace(RESULT, **change)
    with pytest.raises(error):
        check_result(other, signed(other), QUOTE, SET, NOTICE)


def test_a_winner_has_no_more_than_n_max_tasks() -> None:
    one = replace(NOTICE, terms=replace(TERMS, max_tasks=1))
    bids = replace(SET, auction=one.id)
    result = replace(RESULT, auction=one.id, bids=digest(bids))
    check_result(result, signed(result), QUOTE, bids, one)
    both = replace(result, outcome=Outcome((Award(1, 3, 50, 100), Award(2, 3, 20, 100)), local=(0,)))
    with pytest.raises(Malformed, match="too many"):
        check_result(both, signed(both), QUOTE, bids, one)


def test_what_a_bid_is_bound_to() -> None:
    places = {aad(a, b, e) for a in (b"1" * 32, b"2" * 32) for b in ("a", "b") for e in (b"1" * 32, b"2" * 32)}
    assert len(places) == 8


@given(st.binary(max_size=3000))
def test_padding_comes_off_and_hides_the_length(bid: bytes) -> None:
    data = padded(bid)
    assert len(data) % 1024 == 0
    assert unpadded(data) == bid


def test_wrong_padding_is_refused() -> None:
    for wrong in (b"", b"\0\0", b"\0\0\0\2a", b"\0\0\0\1ab"):
        with pytest.raises(Malformed):
            unpadded(wrong)


def test_no_record_of_the_ledger_has_a_price_but_the_payments() -> None:
    ledger: list[type[Record]] = [Notice, SealedBid, Quote, SignedQuote, Result]
    for kind in ledger:
        assert not {"price", "bid", "free", "items"} & set(kind.__struct_fields__)
    assert Award.__struct_fields__ == ("task", "seat", "payment", "within")
