"""Every recorded call, made again to the embedded server, gets the same kind of answer as from the real Fabric 2.5.

No answer differs. What was changed in the asking: the two conflicting transactions were given to different orderers,
and Kafka had the one sent later first; here they are sent in the order they have in the recorded block.
"""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fidelity import meaning
from tests.fidelity.recordings import Exchange, exchanges
from tests.fidelity.replay import Replay, replayed

REAL_NODES = {"127.0.0.1:17151": "Org1MSP", "127.0.0.1:17251": "Org2MSP"}


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with replayed(tmp_path_factory.mktemp("replay")) as found:
        yield found


def recorded(one: Exchange) -> Any:
    if one.error:
        details = base64.b64decode(one.error["status_details_bin"] or "")
        return meaning.refusal(one.error["code"], one.error["details"], details, REAL_NODES)
    return [meaning.answer(one, data) for data in one.responses]


def ours(replay: Replay, one: Exchange) -> Any:
    found = replay.answers[one.case]
    if found.code:
        nodes = {address: mspid for mspid, address in replay.addresses.items()}
        return meaning.refusal(found.code, found.details, found.status_details, nodes)
    return [meaning.answer(one, data) for data in found.responses]


@pytest.mark.parametrize("case", list(exchanges()))
def test_the_same_answer(replay: Replay, case: str) -> None:
    one = exchanges()[case]
    assert ours(replay, one) == recorded(one)


def test_every_kind_of_call_was_answered(replay: Replay) -> None:
    assert set(replay.answers) == set(exchanges())
    refused = {case for case, one in exchanges().items() if one.error}
    assert {case for case, found in replay.answers.items() if found.code} == refused
    assert len(refused) == 20


def test_the_transient_value_is_in_no_block(replay: Replay) -> None:
    channel = replay.network.channel("zone-a")
    data = b"".join(channel.block(number).SerializeToString() for number in range(channel.height))
    assert b"secretlen" in data
    assert b"secret\x12\x0512345" not in data, "as it stands in the proposal"
