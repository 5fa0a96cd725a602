"""Bytes from anybody: each gets a typed refusal or an invalid flag, and the network goes on."""

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.embedded import Client
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_protocols.errors import ZoneshareError
from zoneshare_protocols.fabric import transaction
from zoneshare_protocols.fabric.signatures import sign
from zoneshare_protocols.fabric.validation import TxFlag

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLACES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3)


def _spoilt(data: bytes, places: list[tuple[float, int]]) -> bytes:
    spoilt = bytearray(data)
    for where, flip in places:
        spoilt[int(where * len(spoilt))] ^= flip
    return bytes(spoilt)


@FUZZ
@given(places=PLACES, cut=st.floats(0, 1))
def test_spoilt_proposals_are_refused_or_answered(
    network: EmbeddedNetwork, places: list[tuple[float, int]], cut: float
) -> None:
    client = Client(network, network.admin("Org1MSP"))
    data = client.propose("put", "fuzz", "1")[0].SerializeToString()
    for spoilt in (_spoilt(data, places), data[: int(cut * len(data))]):
        if spoilt == data:
            continue
        signed = proposal_pb2.SignedProposal(proposal_bytes=spoilt, signature=sign(client.signer.key, spoilt))
        try:
            answer = network.process_proposal("Org1MSP", signed)
        except ZoneshareError:
            continue
        # A changed argument is a good proposal still, when it is signed.
        assert answer.HasField("endorsement") == (answer.response.status == 200)


@FUZZ
@given(places=PLACES, cut=st.floats(0, 1))
def test_spoilt_transactions_signed_by_a_member_never_stop_a_channel(
    network: EmbeddedNetwork, places: list[tuple[float, int]], cut: float
) -> None:
    client = Client(network, network.admin("Org1MSP"))
    payload = common_pb2.Payload.FromString(client.endorsed("put", "fuzz-tx", "1")[0].payload)
    data = payload.data
    for spoilt in (_spoilt(data, places), data[: int(cut * len(data))]):
        payload.data = spoilt
        client.order(transaction.sign(payload.SerializeToString(), client.signer.key))
    whole = _spoilt(payload.SerializeToString(), places)
    client.order(transaction.sign(whole, client.signer.key))
    assert client.submit("put", "fuzz-after", "1").flag is TxFlag.VALID
