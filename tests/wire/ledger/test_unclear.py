"""Answers that are lost, and gateways that lie."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_response_pb2, transaction_pb2

from tests.wire.ledger.harness import Site
from zoneshare.gateway import Deadlines, GatewayLedger, Retries
from zoneshare.ledger import BadAnswer, CommitUnknown, LedgerUnavailable, Refused
from zoneshare.transport import Transport, TransportFailure
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.proposal import proposal_hash

NO_WAIT = Deadlines(commit=5, inquiry=0.3)
FAST = Retries(unclear=3, pause=0.0001)
LOST = TransportFailure("UNAVAILABLE", "the connection was lost")


class Faulty:
    """A transport with a hook before and after each call; hooks may raise, or change the answer."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[Any], Any]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.calls.append(name)
            self.before.get(name, lambda: None)()
            return self.after.get(name, lambda answer: answer)(getattr(self._inner, name)(*args))

        return call


def _raise(failure: Exception) -> Any:
    raise failure


def _first(times: int, act: Callable[[], None]) -> Callable[..., Any]:
    left = iter(range(times))

    def hook(*answer: Any) -> Any:
        if next(left, None) is not None:
            act()
        return answer[0] if answer else None

    return hook


@pytest.fixture
def faulty(transport: Transport) -> Iterator[Faulty]:
    return Faulty(transport)


@pytest.fixture
def shaky(running: Site, faulty: Faulty) -> GatewayLedger:
    return running.ledger(faulty, deadlines=NO_WAIT, retries=FAST)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"])
def test_an_answer_lost_after_the_submit_is_asked_for_by_id(shaky: GatewayLedger, faulty: Faulty, code: str) -> None:
    shaky.submit("put", b"once", b"0")
    faulty.calls.clear()
    faulty.after["submit"] = _first(1, lambda: _raise(TransportFailure(code, "gone")))
    committed = shaky.submit("incr", b"once")
    assert committed.payload == b"1"
    assert shaky.evaluate("get", b"once") == b"1"
    assert faulty.calls == ["endorse", "submit", "commit_status", "evaluate"]
    assert shaky.conflicts == 0


def test_what_never_arrived_is_sent_again_as_the_same_transaction(shaky: GatewayLedger, faulty: Faulty) -> None:
    shaky.submit("put", b"sent", b"0")
    faulty.calls.clear()
    faulty.before["submit"] = _first(1, lambda: _raise(LOST))
    assert shaky.submit("incr", b"sent").payload == b"1"
    assert faulty.calls.count("endorse") == 1
    assert faulty.calls.count("submit") == 2


def test_a_lost_verdict_is_asked_for_again(shaky: GatewayLedger, faulty: Faulty) -> None:
    shaky.submit("put", b"verdict", b"0")
    faulty.after["commit_status"] = _first(2, lambda: _raise(LOST))
    assert shaky.submit("incr", b"verdict").payload == b"1"
    assert shaky.evaluate("get", b"verdict") == b"1"


def test_when_nobody_can_say_the_id_is_handed_over(shaky: GatewayLedger, faulty: Faulty) -> None:
    faulty.after["submit"] = faulty.after["commit_status"] = lambda _: _raise(LOST)
    with pytest.raises(CommitUnknown) as unknown:
        shaky.submit("put", b"doubt", b"written")
    faulty.after.clear()
    assert shaky.outcome(unknown.value.tx_id, 5) > 0
    assert shaky.evaluate("get", b"doubt") == b"written"


def test_the_outcome_of_what_never_was_is_unknown(shaky: GatewayLedger) -> None:
    with pytest.raises(CommitUnknown):
        shaky.outcome("f" * 64, 0.05)


def test_a_clear_refusal_of_the_orderer_is_not_retried(shaky: GatewayLedger, faulty: Faulty) -> None:
    faulty.before["submit"] = lambda: _raise(TransportFailure("ABORTED", "status=FORBIDDEN, info=no"))
    with pytest.raises(Refused, match="FORBIDDEN") as refused:
        shaky.submit("put", b"a", b"b")
    assert refused.value.values["code"] == "ABORTED"
    assert faulty.calls.count("submit") == 1


def test_nothing_is_sent_when_no_endorser_answers(shaky: GatewayLedger, faulty: Faulty) -> None:
    faulty.before["endorse"] = lambda: _raise(LOST)
    with pytest.raises(LedgerUnavailable) as down:
        shaky.submit("put", b"a", b"b")
    assert down.value.retryable
    assert "submit" not in faulty.calls


def _rewritten(change: Callable[[Any], None]) -> Callable[[Any], Any]:
    """An endorse answer whose transaction ``change`` was let loose on."""

    def forge(answer: gateway_pb2.EndorseResponse) -> gateway_pb2.EndorseResponse:
        payload = common_pb2.Payload.FromString(answer.prepared_transaction.payload)
        transaction = transaction_pb2.Transaction.FromString(payload.data)
        action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
        change(action)
        transaction.actions[0].payload = action.SerializeToString()
        payload.data = transaction.SerializeToString()
        envelope = common_pb2.Envelope(payload=payload.SerializeToString())
        return gateway_pb2.EndorseResponse(prepared_transaction=envelope)

    return forge


def _flip(action: Any) -> None:
    one = action.action.endorsements[0]
    one.signature = one.signature[:-1] + bytes([one.signature[-1] ^ 1])


def _drop_all(action: Any) -> None:
    del action.action.endorsements[:]


def _swap(action: Any) -> None:
    first, second = action.action.endorsements[0], action.action.endorsements[1]
    first.endorser, second.endorser = second.endorser, first.endorser


def _cut(action: Any) -> None:
    action.action.proposal_response_payload = action.action.proposal_response_payload[:-1]


def _other_arguments(action: Any) -> None:
    action.chaincode_proposal_payload = action.chaincode_proposal_payload.replace(b"honest", b"forged")


@pytest.mark.parametrize("change", [_flip, _drop_all, _swap, _cut, _other_arguments])
@pytest.mark.parametrize("method", ["submit", "endorsed_query"])
def test_a_forged_answer_is_never_signed(
    shaky: GatewayLedger, faulty: Faulty, change: Callable[[Any], None], method: str
) -> None:
    faulty.after["endorse"] = _rewritten(change)
    with pytest.raises(BadAnswer):
        getattr(shaky, method)("put", b"honest", b"value")
    assert "submit" not in faulty.calls


def test_another_transaction_in_place_of_ours_is_never_signed(shaky: GatewayLedger, faulty: Faulty) -> None:
    kept: list[Any] = []

    def keep(answer: Any) -> Any:
        kept.append(answer)
        return answer

    faulty.after["endorse"] = keep
    shaky.submit("put", b"first", b"1")
    faulty.after["endorse"] = lambda _: kept[0]
    sent = faulty.calls.count("submit")
    with pytest.raises(BadAnswer, match="headed otherwise"):
        shaky.submit("put", b"second", b"2")
    assert faulty.calls.count("submit") == sent


def test_endorsers_of_an_unknown_authority_are_not_believed(running: Site, transport: Transport) -> None:
    mine = running.msps
    swapped = {"Org1MSP": mine["Org1MSP"], "Org2MSP": Msp("Org2MSP", mine["Org1MSP"].roots)}
    ledger = running.ledger(transport, msps=swapped)
    with pytest.raises(BadAnswer):
        ledger.submit("put", b"a", b"b")
    assert running.ledger(transport, msps=None).submit("put", b"a", b"b").block > 0


def test_endorsers_that_sign_other_arguments_under_our_header_are_not_believed(running: Site, faulty: Faulty) -> None:
    """All of it fits together, and is not what was asked for: only our own proposal's hash tells."""

    def forge(answer: gateway_pb2.EndorseResponse) -> gateway_pb2.EndorseResponse:
        header = common_pb2.Payload.FromString(answer.prepared_transaction.payload).header

        def change(action: Any) -> None:
            _other_arguments(action)
            response = proposal_response_pb2.ProposalResponsePayload.FromString(action.action.proposal_response_payload)
            response.proposal_hash = proposal_hash(
                header.channel_header, header.signature_header, action.chaincode_proposal_payload
            )
            action.action.proposal_response_payload = response.SerializeToString()

        return _rewritten(change)(answer)

    faulty.after["endorse"] = forge
    with pytest.raises(BadAnswer, match="for another proposal"):
        running.ledger(faulty, msps=None).submit("put", b"honest", b"value")
    assert "submit" not in faulty.calls
