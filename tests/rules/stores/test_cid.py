"""CIDs against vectors that others published, and every refusal."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare.stores import cid
from zoneshare_protocols.errors import DataCorrupt, Malformed

VECTORS = {
    b"hello world": "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
    b"": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    b"foo": "bafkreibme22gw2h7y2h7tg2fhqotaqjucnbc24deqo72b6mkl2egezxhvy",
}


@pytest.mark.parametrize(("data", "expected"), VECTORS.items())
def test_published_vectors(data: bytes, expected: str) -> None:
    assert cid.of(data) == expected
    assert cid.to_digest(expected) == hashlib.sha256(data).digest()


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_survives_its_cid(digest: bytes) -> None:
    assert cid.to_digest(cid.from_digest(digest)) == digest


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "b",
        VECTORS[b"foo"].upper(),
        VECTORS[b"foo"][:-1],
        VECTORS[b"foo"] + "a",
        "z" + VECTORS[b"foo"][1:],
        VECTORS[b"foo"][:-1] + "z",
        "../../../../../../../../../../../../../../../../etc/passwd12345",
        "b" + "é" * 58,
        "QmWATWQ7fVPP2EFGu71UkfnqhYXDYH566qy47CnJDgvs8u",
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
    ],
)
def test_another_spelling_is_refused(bad: str) -> None:
    with pytest.raises(Malformed):
        cid.to_digest(bad)


def test_bytes_that_are_not_the_block() -> None:
    with pytest.raises(DataCorrupt):
        cid.check(VECTORS[b"foo"], b"fop")
    with pytest.raises(Malformed):
        cid.from_digest(b"short")
