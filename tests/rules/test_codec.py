"""Canonical bytes: one spelling a value, one type a spelling."""

import contextlib
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.codec import MAX_AMOUNT, Amount, Record, decode, digest, encode, encode_parts
from zoneshare_protocols.errors import Malformed


class Coin(Record, frozen=True, tag="test/coin/1"):
    amount: Amount
    owner: bytes


class Note(Record, frozen=True, tag="test/note/1"):
    amount: Amount
    owner: bytes


class Load(Record, frozen=True, tag="test/load/1"):
    owner: bytes
    cells: memoryview


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 65_537, 3_000_000])
def test_two_parts_are_the_canonical_bytes_and_the_second_is_not_copied(size: int) -> None:
    cells = bytes(size)
    first, rest = encode_parts(Load(b"a", memoryview(cells)))
    assert first + bytes(rest) == encode(Load(b"a", memoryview(cells)))
    assert len(rest) == (size if size >= 65_536 else 0)
    assert not rest or rest.obj is cells
    assert encode_parts(Coin(1, bytes(100_000))) == (encode(Coin(1, bytes(100_000))), memoryview(b""))


@given(st.integers(0, MAX_AMOUNT), st.binary(max_size=64))
def test_every_record_comes_back_as_it_went(amount: int, owner: bytes) -> None:
    coin = Coin(amount, owner)
    assert decode(Coin, encode(coin)) == coin


def test_bytes_of_one_type_are_not_another_type() -> None:
    assert digest(Coin(1, b"a")) != digest(Note(1, b"a"))
    with pytest.raises(Malformed):
        decode(Note, encode(Coin(1, b"a")))


@pytest.mark.parametrize(
    "fields",
    [
        ["test/coin/1", -1, b"a"],
        ["test/coin/1", MAX_AMOUNT + 1, b"a"],
        ["test/coin/1", True, b"a"],
        ["test/coin/1", 1.0, b"a"],
        ["test/coin/1", 1, "a"],
        ["test/coin/1", 1],
        ["test/coin/1", 1, b"a", 0],
        [1, b"a"],
        {"amount": 1, "owner": b"a"},
    ],
)
def test_what_breaks_a_limit_is_refused(fields: object) -> None:
    with pytest.raises(Malformed):
        decode(Coin, msgspec.msgpack.encode(fields))


def test_a_second_spelling_of_the_same_value_is_refused() -> None:
    data = encode(Coin(1, b"a"))
    longer = data.replace(b"\x01\xc4", b"\xcc\x01\xc4")  # 1 as a uint8 in two bytes
    assert longer != data
    with pytest.raises(Malformed, match="canonical"):
        decode(Coin, longer)


@given(st.binary(max_size=80))
def test_garbage_is_malformed_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert encode(decode(Coin, data)) == data


FIRST_DECODED_TOGETHER = """
import sys
import threading
from zoneshare_protocols.codec import Name, Record, decode, encode

sys.setswitchinterval(1e-6)

def decoded(number):
    names = {f"f{field}": Name for field in range(20)}
    inner = type(f"Inner{number}", (Record,), {"__annotations__": names}, frozen=True, tag=f"inner/{number}")
    inners = {f"g{field}": inner if field % 3 else tuple[inner, ...] for field in range(12)}
    outer = type(f"Outer{number}", (Record,), {"__annotations__": inners}, frozen=True, tag=f"outer/{number}")
    one = inner(*["a"] * 20)
    both = [(inner, one), (outer, outer(*[one if field % 3 else (one,) for field in range(12)]))]
    together = threading.Barrier(6)

    def first(kind, record):
        together.wait()
        assert decode(kind, encode(record)) == record

    threads = [threading.Thread(target=first, args=both[number % 2]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

for number in range(100):
    decoded(number)
"""


def test_records_first_decoded_by_many_threads_at_once() -> None:
    """In a process of its own, since it could die."""
    done = subprocess.run([sys.executable, "-c", FIRST_DECODED_TOGETHER], timeout=120, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
