"""qscc, cscc and _lifecycle: what clients ask a peer about its ledgers."""

from pathlib import Path

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, ledger_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import policy_pb2, proposal_response_pb2, query_pb2, transaction_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from tests.support.embedded import CHANNEL, Client, enrol
from zoneshare_network.endorser import ProposalRefused
from zoneshare_network.gateway import Gateway, GatewayRefused
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Role
from zoneshare_network.topology import Topology
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import endorsement
from zoneshare_protocols.fabric.config import read
from zoneshare_protocols.stub import ERROR, OK

NONE = "f" * 64


@pytest.fixture
def ledger(client: Client) -> Client:
    return Client(client.network, client.signer, CHANNEL, "qscc")


def ask(client: Client, *args: str | bytes, at: str = "Org1MSP") -> proposal_response_pb2.ProposalResponse:
    return client.ask(at, str(args[0]), *args[1:])


def found(client: Client, *args: str | bytes) -> bytes:
    answer = ask(client, *args)
    assert answer.response.status == OK, answer.response.message
    assert answer.endorsement.signature
    return bytes(answer.response.payload)


def refused(client: Client, *args: str | bytes) -> str:
    answer = ask(client, *args).response
    assert answer.status == ERROR
    return str(answer.message)


def test_the_chain(ledger: Client) -> None:
    channel = ledger.network.channel(CHANNEL)
    info = ledger_pb2.BlockchainInfo.FromString(found(ledger, "GetChainInfo", CHANNEL))
    assert info.height == channel.height
    top = channel.block(info.height - 1)
    assert info.currentBlockHash == blocks.header_hash(top.header)
    assert info.previousBlockHash == top.header.previous_hash


def test_blocks_and_transactions(ledger: Client, client: Client) -> None:
    channel = ledger.network.channel(CHANNEL)
    done = client.submit("put", "sys", "1")
    block = common_pb2.Block.FromString(found(ledger, "GetBlockByNumber", CHANNEL, str(done.block)))
    assert block == channel.block(done.block)
    assert common_pb2.Block.FromString(found(ledger, "GetBlockByTxID", CHANNEL, done.tx_id)) == block
    of_header = found(ledger, "GetBlockByHash", CHANNEL, blocks.header_hash(block.header))
    assert common_pb2.Block.FromString(of_header) == block
    one = transaction_pb2.ProcessedTransaction.FromString(found(ledger, "GetTransactionByID", CHANNEL, done.tx_id))
    assert one.validationCode == transaction_pb2.VALID
    assert one.transactionEnvelope.SerializeToString() in block.data.data


def test_an_invalid_transaction_has_its_code(ledger: Client, client: Client) -> None:
    lonely, tx_id = client.endorsed("put", "sys-lonely", "1", by=("Org1MSP",))
    client.order(lonely)
    client.committed(tx_id)
    one = transaction_pb2.ProcessedTransaction.FromString(found(ledger, "GetTransactionByID", CHANNEL, tx_id))
    assert one.validationCode == transaction_pb2.ENDORSEMENT_POLICY_FAILURE


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("GetBlockByNumber", CHANNEL, "99999"), "Failed to get block number 99999, error no such block number"),
        (("GetBlockByNumber", CHANNEL, "-1"), "Failed to parse block number"),
        (("GetBlockByNumber", CHANNEL, "one"), "Failed to parse block number"),
        (("GetBlockByNumber", CHANNEL), "missing 3rd argument for GetBlockByNumber"),
        (("GetTransactionByID", CHANNEL, NONE), f"Failed to get transaction with id {NONE}, error no such"),
        (("GetBlockByTxID", CHANNEL, NONE), f"Failed to get block for txID {NONE}, error no such"),
        (("GetBlockByHash", CHANNEL, b"\x00" * 32), "Failed to get block hash"),
        (("GetChainInfo", "zone-x"), "Invalid chain ID, zone-x"),
        (("GetChainInfo",), "Incorrect number of arguments, 1"),
        (("Nonsense", CHANNEL), "Requested function Nonsense not found."),
        (("", CHANNEL), "Requested function  not found."),
    ],
)
def test_what_is_not_there(ledger: Client, args: tuple[str | bytes, ...], message: str) -> None:
    assert refused(ledger, *args).startswith(message)


def test_the_gateway_evaluates_them_and_endorses_no_write(ledger: Client) -> None:
    gateway = Gateway(ledger.network)

    def evaluate(*args: str) -> bytes:
        signed = ledger.signed(ledger.propose(*args)[0])
        return bytes(gateway.evaluate(gateway_pb2.EvaluateRequest(proposed_transaction=signed)).result.payload)

    assert ledger_pb2.BlockchainInfo.FromString(evaluate("GetChainInfo", CHANNEL)).height
    with pytest.raises(GatewayRefused, match="chaincode response 500, Failed to get block number 99999") as caught:
        evaluate("GetBlockByNumber", CHANNEL, "99999")
    assert caught.value.code == "UNKNOWN"
    action = endorsement.decode_action(ask(ledger, "GetChainInfo", CHANNEL).payload)
    assert (action.chaincode, action.version, action.results.namespaces) == ("qscc", "syscc", ())


def test_channels_and_their_configuration(network: EmbeddedNetwork, client: Client) -> None:
    member = Client(network, client.signer, "", "cscc")
    answer = member.ask("Org1MSP", "GetChannels")
    assert not answer.HasField("endorsement")
    names = query_pb2.ChannelQueryResponse.FromString(answer.response.payload).channels
    assert [one.channel_id for one in names] == list(network.channels)
    with pytest.raises(ProposalRefused, match="access denied"):
        member.ask("Org2MSP", "GetChannels")
    inside = Client(network, client.signer, CHANNEL, "cscc")
    block = common_pb2.Block.FromString(found(inside, "GetConfigBlock", CHANNEL))
    assert read(block).application.keys() == network.organisations.keys()
    config = configtx_pb2.Config.FromString(found(inside, "GetChannelConfig", CHANNEL))
    assert config.channel_group.groups["Application"].groups.keys() == network.organisations.keys()
    assert refused(inside, "GetConfigBlock", "zone-x") == "Invalid chain ID, zone-x"


def test_what_needs_a_channel(network: EmbeddedNetwork, client: Client) -> None:
    nowhere = Client(network, client.signer, "", "asset")
    assert nowhere.ask("Org1MSP", "get", "k").response.status == ERROR


def test_chaincode_definitions(client: Client) -> None:
    lifecycle = Client(client.network, client.signer, CHANNEL, "_lifecycle")
    wanted = lifecycle_pb2.QueryChaincodeDefinitionArgs(name="asset").SerializeToString()
    one = lifecycle_pb2.QueryChaincodeDefinitionResult.FromString(found(lifecycle, "QueryChaincodeDefinition", wanted))
    assert (one.sequence, one.version, dict(one.approvals)) == (1, "1.0", {"Org1MSP": True, "Org2MSP": True})
    policy = policy_pb2.ApplicationPolicy.FromString(one.validation_parameter)
    assert len(policy.signature_policy.identities) == 2
    (listed,) = lifecycle_pb2.QueryChaincodeDefinitionsResult.FromString(
        found(lifecycle, "QueryChaincodeDefinitions", b"")
    ).chaincode_definitions
    assert (listed.name, listed.validation_parameter) == ("asset", one.validation_parameter)
    missing = lifecycle_pb2.QueryChaincodeDefinitionArgs(name="nochaincode").SerializeToString()
    answer = ask(lifecycle, "QueryChaincodeDefinition", missing).response
    assert (answer.status, answer.message) == (404, "namespace nochaincode is not defined")
    assert "CommitChaincodeDefinition does not exist" in refused(lifecycle, "CommitChaincodeDefinition", b"")
    assert "require exactly two arguments but received 1" in refused(lifecycle, "QueryChaincodeDefinitions")
    assert "error unmarshalling" in refused(lifecycle, "QueryChaincodeDefinition", b"\xff")


def test_installed_chaincodes_are_for_administrators(network: EmbeddedNetwork) -> None:
    admin = Client(network, enrol(network, role=Role.ADMIN), "", "_lifecycle")
    answer = admin.ask("Org1MSP", "QueryInstalledChaincodes", b"").response
    assert answer.status == OK
    (one,) = lifecycle_pb2.QueryInstalledChaincodesResult.FromString(answer.payload).installed_chaincodes
    assert one.package_id.startswith("asset:")
    assert set(one.references) == {"zone-a", "zone-b"}
    member = Client(network, enrol(network), "", "_lifecycle")
    assert "failed ACL check" in member.ask("Org1MSP", "QueryInstalledChaincodes", b"").response.message


def test_a_network_with_no_channels_answers(tmp_path: Path) -> None:
    with EmbeddedNetwork(tmp_path, Topology(channels=())) as network:
        answer = Client(network, enrol(network), "", "cscc").ask("Org1MSP", "GetChannels").response
        assert (answer.status, answer.payload) == (OK, b"")
