"""A client that is newer, or older, than the network it asks."""

import pytest

from zoneshare.calls import result
from zoneshare_protocols.codec import encode
from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.seal.bids import Entry
from zoneshare_protocols.seal.ledger import Auction, Winner


@pytest.mark.parametrize("kind", [Auction, Winner, tuple[Winner, ...]])
@pytest.mark.parametrize("data", [encode(Entry(1, "ann", bytes(32), 5)), encode(["zoneshare/seal-auction/0"]), b"\xff"])
def test_a_record_of_another_version_is_said_to_be_one(kind: type, data: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        result(kind, data)
    assert str(refused.value) == "the ledger's answer is in the form of another version of zoneshare than this one"
