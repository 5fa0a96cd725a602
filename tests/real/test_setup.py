"""Set-up against a pretended network: nothing twice, and safe to run again after a break at any point."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.peer import policy_pb2, query_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from zoneshare_network.real import package, setup
from zoneshare_network.real.remote import Orderer, until
from zoneshare_network.real.setup import Setup
from zoneshare_network.real.site import Site
from zoneshare_protocols.errors import LedgerFailed, PeerRefused
from zoneshare_protocols.fabric import consortium, genesis, wire

ZONES = ("registry", "zone-a", "zone-b")


class Broken(Exception):
    """The set-up container dies here."""


@dataclass
class World:
    """What the nodes know, and how many changes there were."""

    configs: dict[str, Any] = field(default_factory=dict)
    joined: set[tuple[str, str]] = field(default_factory=set)
    packages: dict[str, set[str]] = field(default_factory=dict)
    approved: dict[tuple[str, str], Any] = field(default_factory=dict)
    committed: dict[str, Any] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    break_at: int = -1
    refusing: int = 0

    def change(self, what: str) -> None:
        self.changes.append(what)

    def after(self) -> None:
        if len(self.changes) == self.break_at:
            raise Broken


@dataclass
class FakeOrderer:
    world: World

    def broadcast(self, sent: Any) -> None:
        if self.world.refusing:
            self.world.refusing -= 1
            raise LedgerFailed("SERVICE_UNAVAILABLE")
        if callable(sent):
            sent()
        else:
            self._update(sent)
        self.world.after()

    def _update(self, envelope: common_pb2.Envelope) -> None:
        payload = wire.read(common_pb2.Payload, envelope.payload)
        channel = wire.read(common_pb2.ChannelHeader, payload.header.channel_header).channel_id
        signed = wire.read(configtx_pb2.ConfigUpdateEnvelope, payload.data)
        write = wire.read(configtx_pb2.ConfigUpdate, signed.config_update).write_set
        if channel not in self.world.configs:
            assert len(signed.signatures) == 2
            root = configtx_pb2.ConfigGroup()
            for mspid in write.groups["Application"].groups:
                root.groups["Application"].groups[mspid].values["MSP"].version = 0
            self.world.configs[channel] = root
            self.world.change(f"channel {channel}")
            return
        for mspid, member in write.groups["Application"].groups.items():
            held = self.world.configs[channel].groups["Application"].groups[mspid]
            if "MSP" in member.values and member.values["MSP"].value:
                assert member.values["MSP"].version == held.values["MSP"].version + 1
                held.values["MSP"].CopyFrom(member.values["MSP"])
                self.world.change(f"revoke {channel} {mspid}")
                continue
            assert member.version == held.version + 1
            assert set(member.values) == {*held.values, "AnchorPeers"}
            held.values["AnchorPeers"].CopyFrom(member.values["AnchorPeers"])
            held.version = member.version
            self.world.change(f"anchor {channel} {mspid}")

    def first_block(self, channel: str, signer: Any) -> Any:
        return common_pb2.Block() if channel in self.world.configs else None

    def close(self) -> None: ...


class FakePeer:
    def __init__(self, world: World, address: str, mspid: str, signer: Any) -> None:
        self.world, self.address, self.mspid, self.signer = world, address, mspid, signer

    def query(self, channel: str, chaincode: str, *args: bytes) -> bytes:
        answer: Callable[..., Any] = getattr(self, f"_{args[0].decode()}")
        found = answer(channel, *args[1:])
        self.world.after()
        return wire.write(found)

    def change(self, channel: str, chaincode: str, args: list[bytes], others: list["FakePeer"]) -> Callable[[], None]:
        return lambda: getattr(self, f"_{args[0].decode()}")(channel, args[1], others)

    def discover(self, request: Any) -> Any:
        from fabric_protos.discovery import protocol_pb2

        zone = request.queries[0].channel
        members = protocol_pb2.QueryResult()
        for mspid in ("Org1MSP", "Org2MSP"):
            for _ in range(sum(1 for _, joined in self.world.joined if joined == zone) // 2):
                members.members.peers_by_org[mspid].peers.add()
        return protocol_pb2.Response(results=[members, protocol_pb2.QueryResult()])

    def close(self) -> None: ...

    def _QueryInstalledChaincodes(self, channel: str, _: bytes) -> Any:
        kind = lifecycle_pb2.QueryInstalledChaincodesResult
        have = self.world.packages.get(self.address, set())
        return kind(installed_chaincodes=[kind.InstalledChaincode(package_id=one) for one in have])

    def _InstallChaincode(self, channel: str, data: bytes) -> Any:
        self.world.packages.setdefault(self.address, set()).add(self.world_package)
        self.world.change(f"install {self.address}")
        return lifecycle_pb2.InstallChaincodeResult(package_id=self.world_package)

    def _GetChannels(self, channel: str) -> Any:
        zones = [zone for address, zone in self.world.joined if address == self.address]
        return query_pb2.ChannelQueryResponse(channels=[query_pb2.ChannelInfo(channel_id=zone) for zone in zones])

    def _JoinChain(self, channel: str, block: bytes) -> Any:
        zone = next(z for z in self.world.configs if (self.address, z) not in self.world.joined)
        self.world.joined.add((self.address, zone))
        self.world.change(f"join {self.address} {zone}")
        return common_pb2.Block()

    def _GetChannelConfig(self, channel: str, _: bytes) -> Any:
        return configtx_pb2.Config(channel_group=self.world.configs[channel])

    def _QueryChaincodeDefinition(self, channel: str, _: bytes) -> Any:
        if channel not in self.world.committed:
            raise PeerRefused("namespace zoneshare is not defined")
        return self.world.committed[channel]

    def _QueryApprovedChaincodeDefinition(self, channel: str, data: bytes) -> Any:
        found = self.world.approved.get((channel, self.mspid))
        asked = wire.read(lifecycle_pb2.QueryApprovedChaincodeDefinitionArgs, data)
        if found is None or found.sequence != asked.sequence:
            raise PeerRefused("could not fetch approved chaincode definition (name: 'zoneshare', sequence: '1')")
        return lifecycle_pb2.QueryApprovedChaincodeDefinitionResult(
            sequence=found.sequence,
            version=found.version,
            validation_parameter=found.validation_parameter,
            source=found.source,
        )

    def _CheckCommitReadiness(self, channel: str, data: bytes) -> Any:
        wanted = wire.read(lifecycle_pb2.CheckCommitReadinessArgs, data).sequence
        ready = {
            mspid: (found := self.world.approved.get((channel, mspid))) is not None and found.sequence == wanted
            for mspid in ("Org1MSP", "Org2MSP")
        }
        return lifecycle_pb2.CheckCommitReadinessResult(approvals=ready)

    def _ApproveChaincodeDefinitionForMyOrg(self, channel: str, data: bytes, others: list[Any]) -> None:
        made = wire.read(lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs, data)
        self.world.approved[channel, self.mspid] = made
        self.world.change(f"approve {channel} {self.mspid} {made.sequence}")

    def _CommitChaincodeDefinition(self, channel: str, data: bytes, others: list["FakePeer"]) -> None:
        assert {self.mspid, *(peer.mspid for peer in others)} == {"Org1MSP", "Org2MSP"}
        made = wire.read(lifecycle_pb2.CommitChaincodeDefinitionArgs, data)
        self.world.committed[channel] = lifecycle_pb2.QueryChaincodeDefinitionResult(
            sequence=made.sequence, version=made.version, validation_parameter=made.validation_parameter
        )
        self.world.change(f"commit {channel} {made.sequence}")

    world_package = ""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, native_site: Site) -> World:
    made = World()
    monkeypatch.setattr(setup, "Orderer", lambda *_: FakeOrderer(made))
    monkeypatch.setattr(setup, "Peer", lambda address, _, mspid, signer: FakePeer(made, address, mspid, signer))
    monkeypatch.setattr(FakePeer, "world_package", package.package_id(native_site))
    monkeypatch.setattr("zoneshare_network.real.remote._POLL_S", 0.0)
    return made


def _run(site: Site) -> list[str]:
    said: list[str] = []
    with Setup(site, said.append) as made:
        made.run()
    return said


def test_all_is_made_once_and_a_second_run_finds_nothing_to_do(world: World, native_site: Site) -> None:
    first = _run(native_site)
    peers, zones, members = 4, len(ZONES), 2
    assert len(world.changes) == peers + zones * (1 + peers + members + members + 1)
    assert len(set(world.changes)) == len(world.changes)
    assert first[-1] == "zone-b: ready, 4 peers see each other"
    before = list(world.changes)
    assert _run(native_site) == [f"{zone}: ready, 4 peers see each other" for zone in ZONES]
    assert world.changes == before


def test_a_break_at_any_point_leaves_nothing_that_a_second_run_does_not_mend(world: World, native_site: Site) -> None:
    _run(native_site)
    complete = sorted(world.changes)
    for point in range(1, len(complete) + 1):
        world.__init__()  # type: ignore[misc] # the fakes hold on to this object
        world.break_at = point
        with pytest.raises(Broken):
            _run(native_site)
        world.break_at = -1
        _run(native_site)
        assert sorted(world.changes) == complete, point


def test_a_new_version_is_the_next_sequence_in_every_zone(
    world: World, native_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(native_site)
    old = native_site.topology
    import msgspec

    newer = Site(
        msgspec.structs.replace(old, chaincode=msgspec.structs.replace(old.chaincode, version="1.1")),
        native_site.mode,
        native_site.folder,
    )
    monkeypatch.setattr(FakePeer, "world_package", package.package_id(newer))
    count = len(world.changes)
    _run(newer)
    assert {found.sequence for found in world.committed.values()} == {2}
    assert {found.version for found in world.committed.values()} == {"1.1"}
    assert len(world.changes) - count == 4 + len(ZONES) * 3


def test_orderers_that_are_not_ready_are_asked_again(world: World, native_site: Site) -> None:
    world.refusing = 5
    _run(native_site)
    assert len(world.committed) == 3


def test_every_organisations_policy_is_what_is_approved(world: World, native_site: Site) -> None:
    _run(native_site)
    for made in world.approved.values():
        found = wire.read(policy_pb2.ApplicationPolicy, made.validation_parameter).signature_policy
        assert found.rule.n_out_of.n == 2
        assert made.source.local_package.package_id == package.package_id(native_site)


def test_waiting_ends_with_the_last_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneshare_network.real.remote._POLL_S", 0.0)
    monkeypatch.setattr("zoneshare_network.real.remote._REFUSED_S", 0.02)

    def fail(kind: type[LedgerFailed]) -> None:
        raise kind("because")

    with pytest.raises(LedgerFailed, match=r"it: not within 0 s: because"):
        until("it", lambda: fail(LedgerFailed), seconds=0.02)
    with pytest.raises(PeerRefused, match="it: because"):
        until("it", lambda: fail(PeerRefused), seconds=60)


def test_an_orderer_that_is_not_there_is_a_typed_error(native_site: Site) -> None:
    tls = (native_site.folder / "nodes/orderer0/tls/ca.crt").read_bytes()
    orderer = Orderer("127.0.0.1:1", tls)
    with pytest.raises(LedgerFailed, match="UNAVAILABLE"):
        orderer.broadcast(common_pb2.Envelope())
    orderer.close()


def test_a_new_channels_update_says_who_and_by_which_policies() -> None:
    made = consortium.new_channel("zone-x", "C", ["Org1MSP", "Org2MSP"])
    written = made.write_set.groups["Application"]
    assert (made.channel_id, written.version) == ("zone-x", 1)
    assert set(written.groups) == {"Org1MSP", "Org2MSP"}
    assert set(written.policies) == {"Readers", "Writers", "Admins", "Endorsement", "LifecycleEndorsement"}
    assert set(made.read_set.groups["Application"].groups) == {"Org1MSP", "Org2MSP"}
    assert genesis.application_group({}).mod_policy == written.mod_policy
