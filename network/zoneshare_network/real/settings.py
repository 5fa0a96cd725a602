"""Settings of Fabric's and Kafka's programs, the same for containers and for plain processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from zoneshare_network.real.site import LOOPBACK, Mode, Site
from zoneshare_network.real.topology import Member, Node

_ROOM = 1024 * 1024
"""Bytes a Kafka message may be larger than a block's transactions."""
_CLUSTER = "em9uZXNoYXJlLWthZmthMA"
"""KRaft cluster id: 16 bytes in base64; the name of the cluster, no secret."""

Settings = dict[str, object]
"""By Fabric's dotted names, for instance "peer.gossip.bootstrap"."""


def listen(site: Site) -> str:
    """Containers have a network of their own; a plain process listens on loopback only."""
    return LOOPBACK if site.mode is Mode.NATIVE else "0.0.0.0"  # noqa: S104 - a container's own network


@dataclass(frozen=True)
class Places:
    """Folders as the node sees them: ``home`` has msp/ and tls/, ``state`` is where its ledger goes."""

    home: PurePath
    state: PurePath


def peer(site: Site, member: Member, node: Node, places: Places, builder: PurePath) -> Settings:
    """Of core.yaml; ``builder`` is the external builder that takes packages of type ccaas."""
    here, home, state = listen(site), places.home, places.state
    others = [one for one in site.topology.peers_of(member) if one != node] or [node]
    return {
        "peer.id": node.name,
        "peer.networkId": "zoneshare",
        "peer.localMspId": member.mspid,
        "peer.mspConfigPath": str(home / "msp"),
        "peer.fileSystemPath": str(state),
        "peer.listenAddress": f"{here}:{node.port}",
        "peer.address": site.address(node),
        "peer.chaincodeListenAddress": f"{here}:{node.second_port}",
        "peer.gossip.bootstrap": " ".join(site.address(one) for one in others),
        "peer.gossip.endpoint": site.address(node),
        "peer.gossip.externalEndpoint": site.address(node),
        "peer.gossip.useLeaderElection": False,
        "peer.gossip.orgLeader": True,
        # Without this group, which has no defaults in the peer's code, no organisation can approve a chaincode.
        "peer.gossip.pvtData": {
            "pullRetryThreshold": "60s",
            "transientstoreMaxBlockRetention": 1000,
            "pushAckTimeout": "3s",
            "btlPullMargin": 10,
            "reconcileBatchSize": 10,
            "reconcileSleepInterval": "1m",
            "reconciliationEnabled": True,
            "skipPullingInvalidTransactionsDuringCommit": False,
            "implicitCollectionDisseminationPolicy": {"requiredPeerCount": 0, "maxPeerCount": 1},
        },
        "peer.tls.enabled": True,
        "peer.tls.cert.file": str(home / "tls" / "server.crt"),
        "peer.tls.key.file": str(home / "tls" / "server.key"),
        "peer.tls.rootcert.file": str(home / "tls" / "ca.crt"),
        "peer.gateway.enabled": True,
        "peer.gateway.endorsementTimeout": "30s",
        "peer.gateway.broadcastTimeout": "30s",
        "peer.gateway.dialTimeout": "60s",
        "peer.discovery.enabled": True,
        "peer.discovery.authCacheEnabled": True,
        "peer.discovery.authCacheMaxSize": 1000,
        "peer.discovery.authCachePurgeRetentionRatio": "0.75",
        "peer.discovery.orgMembersAllowedAccess": True,
        "peer.authentication.timewindow": "15m",
        "peer.keepalive.minInterval": "30s",
        "peer.deliveryclient.reconnectTotalTimeThreshold": "3600s",
        "peer.deliveryclient.connTimeout": "3s",
        "peer.deliveryclient.reConnectBackoffThreshold": "10s",
        "peer.limits.concurrency.endorserService": 2500,
        "peer.limits.concurrency.deliverService": 2500,
        "peer.limits.concurrency.gatewayService": 500,
        "peer.maxRecvMsgSize": 104857600,
        "peer.maxSendMsgSize": 104857600,
        "peer.BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
        "peer.client.connTimeout": "3s",
        "peer.handlers": {
            "authFilters": [{"name": "DefaultAuth"}, {"name": "ExpirationCheck"}],
            "decorators": [{"name": "DefaultDecorator"}],
            "endorsers": {"escc": {"name": "DefaultEndorsement"}},
            "validators": {"vscc": {"name": "DefaultValidation"}},
        },
        "chaincode.mode": "net",
        "chaincode.keepalive": 0,
        "chaincode.installTimeout": "60s",
        "chaincode.startuptimeout": "60s",
        "chaincode.executetimeout": "30s",
        "chaincode.system": {"_lifecycle": "enable", "cscc": "enable", "lscc": "enable", "qscc": "enable"},
        "chaincode.logging": {"level": "info", "shim": "warning"},
        "chaincode.externalBuilders": [{"name": "ccaas_builder", "path": str(builder)}],
        "ledger.state.stateDatabase": "goleveldb",
        "ledger.state.totalQueryLimit": 100000,
        "ledger.history.enableHistoryDatabase": True,
        "ledger.pvtdataStore.collElgProcMaxDbBatchSize": 5000,
        "ledger.pvtdataStore.collElgProcDbBatchesInterval": 1000,
        "ledger.pvtdataStore.deprioritizedDataReconcilerInterval": "60m",
        "ledger.pvtdataStore.purgeInterval": 100,
        "ledger.snapshots.rootDir": str(state / "snapshots"),
        "metrics.provider": "disabled",
        "operations.listenAddress": f"{here}:{node.health_port}",
        "vm.endpoint": "",
    }


def orderer(site: Site, node: Node, places: Places, genesis: PurePath) -> Settings:
    """Of orderer.yaml."""
    here, home, state = listen(site), places.home, places.state
    return {
        "General.ListenAddress": here,
        "General.ListenPort": node.port,
        "General.LocalMSPID": node.mspid,
        "General.LocalMSPDir": str(home / "msp"),
        "General.BootstrapMethod": "file",
        "General.BootstrapFile": str(genesis),
        "General.TLS.Enabled": True,
        "General.TLS.Certificate": str(home / "tls" / "server.crt"),
        "General.TLS.PrivateKey": str(home / "tls" / "server.key"),
        "General.TLS.RootCAs": [str(home / "tls" / "ca.crt")],
        "General.Authentication.TimeWindow": "15m",
        "General.Keepalive.ServerMinInterval": "30s",
        "FileLedger.Location": str(state),
        "Kafka.Version": "2.0.0",
        "Kafka.Topic.ReplicationFactor": min(3, site.topology.kafka.brokers),
        "Kafka.Retry.ShortInterval": "1s",
        "Kafka.Retry.ShortTotal": "10m",
        "Operations.ListenAddress": f"{here}:{node.health_port}",
        # Each its own: two orderers on one host with the default die one after the other.
        "Admin.ListenAddress": f"{LOOPBACK}:{node.second_port}",
        "ChannelParticipation.Enabled": False,
        "Metrics.Provider": "disabled",
        "Consensus.WALDir": str(state / "etcdraft" / "wal"),
        "Consensus.SnapDir": str(state / "etcdraft" / "snapshot"),
    }


def broker(site: Site, node: Node, state: PurePath) -> Settings:
    """Of server.properties: three copies of each transaction, two of them written before it is acknowledged."""
    shape, here = site.topology, listen(site)
    copies = min(3, shape.kafka.brokers)
    largest = shape.batch.absolute_max_bytes + _ROOM
    voters = ",".join(f"{n}@{site.host(one)}:{one.second_port}" for n, one in enumerate(shape.brokers))
    return {
        "node.id": shape.brokers.index(node),
        "process.roles": "broker,controller",
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{here}:{node.port},CONTROLLER://{here}:{node.second_port}",
        "advertised.listeners": f"PLAINTEXT://{site.address(node)}",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(state),
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": shape.kafka.min_insync,
        "min.insync.replicas": shape.kafka.min_insync,
        "unclean.leader.election.enable": False,
        "log.retention.ms": -1,
        "message.max.bytes": largest,
        "replica.fetch.max.bytes": largest,
        "auto.create.topics.enable": True,
    }


def kafka_heap(site: Site) -> str:
    """KAFKA_HEAP_OPTS."""
    return f"-Xms{site.topology.kafka.heap_mb}m -Xmx{site.topology.kafka.heap_mb}m"


def cluster_id() -> str:
    """KRaft's, one for all brokers."""
    return _CLUSTER


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """As environment variables of a Kafka container: node.id is KAFKA_NODE_ID."""
    return {f"KAFKA_{name}".replace(".", "_").upper(): _text(value) for name, value in settings.items()}


def nested(settings: Mapping[str, object]) -> dict[str, object]:
    """As the mapping of a YAML file."""
    root: dict[str, object] = {}
    for name, value in settings.items():
        place = root
        *path, last = name.split(".")
        for part in path:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise TypeError(f"{name} is a value and a group of values")
            place = inner
        place[last] = value
    return root


def properties(settings: Mapping[str, object]) -> str:
    """As Java's properties."""
    return "".join(f"{name}={_text(value)}\n" for name, value in settings.items())


def _text(value: object) -> str:
    """As Java writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
