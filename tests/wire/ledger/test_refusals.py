"""A real gateway's refusals, word for word as recorded from Fabric 2.5, and the error each becomes."""

import pytest

from zoneshare.ledger import Conflict, LedgerUnavailable, Refused
from zoneshare.refusals import invalid, refusal
from zoneshare.transport import TransportFailure
from zoneshare_protocols.errors import NotAllowed, to_wire

NOT_ENDORSED = "failed to endorse transaction, see attached details for more info"
TOO_FEW = "failed to collect enough transaction endorsements, see attached details for more info"
DENIED = "error validating proposal: access denied: channel [zone-a] creator org [Org1MSP]"
NO_CHANNEL = "failed to get config for channel [zone-x]: could not get last config for channel zone-x"

SIMULATION = "error in simulation: failed to execute transaction abc: "
NOT_LAUNCHED = SIMULATION + "could not launch chaincode zoneshare_1.0:def: "
NO_CONNECTION = (
    "connection to zoneshare_1.0:def failed: error cannot create connection for zoneshare_1.0:def: error creating grpc "
    'connection to 127.0.0.1:9999: failed to create new connection: connection error: desc = "transport: error while '
    'dialing: dial tcp 127.0.0.1:9999: connect: connection refused"'
)
NO_SUCH = "chaincode definition for 'zoneshare' exists, but chaincode is not installed"

RECORDED = [
    ("ABORTED", NOT_ENDORSED, (NOT_LAUNCHED + NO_CONNECTION,), LedgerUnavailable, "is away"),
    (
        "ABORTED",
        NOT_ENDORSED,
        (NOT_LAUNCHED + "chaincode registration failed: " + NO_CONNECTION,),
        LedgerUnavailable,
        "is away",
    ),
    (
        "ABORTED",
        NOT_ENDORSED,
        (SIMULATION + "error sending: chaincode stream terminated",),
        LedgerUnavailable,
        "is away",
    ),
    ("ABORTED", NOT_ENDORSED, (NOT_LAUNCHED + NO_SUCH,), Refused, "not installed"),
    ("ABORTED", NOT_ENDORSED, ("chaincode response 500, ValueError: boom",), Refused, "ValueError: boom"),
    ("ABORTED", NOT_ENDORSED, (DENIED,), Refused, "access denied"),
    ("ABORTED", TOO_FEW, ("ProposalResponsePayloads do not match",), Conflict, "different results"),
    ("FAILED_PRECONDITION", "evaluate call to endorser returned error: " + DENIED, (DENIED,), Refused, "denied"),
    ("FAILED_PRECONDITION", "no peers available to evaluate chaincode x in channel zone-a", (), Refused, "no peers"),
    ("INVALID_ARGUMENT", "prepared transaction must be signed", (), Refused, "must be signed"),
    ("UNAVAILABLE", NO_CHANNEL, (), Refused, "zone-x"),
    ("UNAVAILABLE", "no orderers could successfully process transaction", (), LedgerUnavailable, "no orderers"),
    ("DEADLINE_EXCEEDED", "endorse timeout expired", (), LedgerUnavailable, "timeout"),
    (
        "RESOURCE_EXHAUSTED",
        "too many requests for /gateway.Gateway, exceeding limit",
        (),
        LedgerUnavailable,
        "too many",
    ),
    ("RESOURCE_EXHAUSTED", "Received message larger than max (105 vs. 104)", (), Refused, "larger than max"),
    ("PERMISSION_DENIED", "", (), Refused, "no reason given"),
]


@pytest.mark.parametrize(("code", "message", "details", "kind", "words"), RECORDED)
def test_each_refusal_has_its_error_and_keeps_fabrics_code(
    code: str, message: str, details: tuple[str, ...], kind: type[Exception], words: str
) -> None:
    error = refusal(TransportFailure(code, message, details))
    assert type(error) is kind
    assert error.values["code"] == code
    assert words in str(error)


@pytest.mark.parametrize("place", ["details", "message"])
def test_a_contracts_error_is_found_wherever_a_gateway_puts_it(place: str) -> None:
    text = "chaincode response 500, " + to_wire(NotAllowed("not you", caller="me"))
    failure = TransportFailure("ABORTED", NOT_ENDORSED, ("other words", text))
    if place == "message":
        failure = TransportFailure("UNKNOWN", f"evaluate call to endorser returned error: {text}")
    error = refusal(failure)
    assert type(error) is NotAllowed
    assert (error.message, error.values) == ("not you", {"caller": "me"})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("MVCC_READ_CONFLICT", Conflict),
        ("PHANTOM_READ_CONFLICT", Conflict),
        ("ENDORSEMENT_POLICY_FAILURE", Refused),
        ("DUPLICATE_TXID", Refused),
        ("BAD_CREATOR_SIGNATURE", Refused),
    ],
)
def test_validation_codes(code: str, kind: type[Exception]) -> None:
    error = invalid(code, "t1")
    assert type(error) is kind
    assert error.values == {"code": code, "tx_id": "t1"}


def test_a_server_of_another_network_is_called_one() -> None:
    handshake = (
        "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:7051: Tls handshake failed "
        "(TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"
        "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate: OK"
    )
    error = refusal(TransportFailure("UNAVAILABLE", handshake))
    assert isinstance(error, LedgerUnavailable)
    assert str(error).startswith("who listens at 127.0.0.1:7051 is not of this network")
