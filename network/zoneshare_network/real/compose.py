"""docker-compose.yaml, made from the topology."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from zoneshare_network.real import settings
from zoneshare_network.real.nodes import GENESIS, HOME, STATE
from zoneshare_network.real.package import package_id
from zoneshare_network.real.site import LOOPBACK, Mode, Site
from zoneshare_network.real.topology import FILE, Member, Node, RealTopology
from zoneshare_network.real.yaml import dump

TOPOLOGY = "network/compose/topology.toml"
FOLDER = "${ZONESHARE_DIR:-./fabric}"
"""On the host: certificates, keys, genesis block. The one-shot services go on as its owner, whoever that is."""
_HEAD = f"""\
# Made from {TOPOLOGY}; change that file, then:
#   zoneshare network compose --topology {TOPOLOGY} > docker-compose.yaml
# Keys and certificates are made by "prepare" in ./fabric, which is not part of the repository.
# Ports are published on {LOOPBACK} unless ZONESHARE_BIND says otherwise.
"""
_KAFKA_STATE = PurePath("/var/lib/kafka/data")
_PREPARED = {"prepare": {"condition": "service_completed_successfully"}}
_LOGGING = {"driver": "json-file", "options": {"max-size": "20m", "max-file": "3"}}


def compose(topology: RealTopology) -> str:
    """The text of docker-compose.yaml."""
    return _HEAD + dump(document(topology))


def document(topology: RealTopology) -> dict[str, Any]:
    """What stands in docker-compose.yaml."""
    site = Site(topology, Mode.COMPOSE, Path(FOLDER))
    services: dict[str, object] = {"prepare": _once(["prepare"], {})}
    services |= {node.name: _broker(site, node) for node in topology.brokers}
    services |= {node.name: _orderer(site, node) for node in topology.orderer_nodes}
    services |= {node.name: _authority(site, node) for node in topology.authorities}
    services |= {
        node.name: _peer(site, member, node) for member in topology.organisations for node in topology.peers_of(member)
    }
    services["chaincode"] = _chaincode(site)
    services["ipfs"] = _ipfs(site)
    waits = {node.name: _healthy() for node in topology.nodes if node != topology.ipfs_node}
    services["setup"] = _once(["setup"], waits)
    stateful = (*topology.brokers, *topology.orderer_nodes, *topology.authorities, *topology.peers, topology.ipfs_node)
    volumes: dict[str, object] = {node.name: {} for node in stateful}
    return {"name": "zoneshare", "services": services, "volumes": volumes}


def _once(command: list[str], waits: Mapping[str, object]) -> dict[str, object]:
    """A service that does its work and ends: again at every ``up``, when it finds nothing left to do."""
    return {
        "build": {"context": ".", "dockerfile": "network/compose/Dockerfile"},
        "image": "zoneshare-network:0.1.0",
        "command": [*command, "--dir", "/fabric", "--topology", f"/{FILE}"],
        "user": "0:0",
        "volumes": [f"{FOLDER}:/fabric", f"./{TOPOLOGY}:/{FILE}:ro"],
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": ["SETGID", "SETUID"],
        **({"depends_on": waits} if waits else {}),
        "restart": "no",
        "logging": _LOGGING,
    }


def _broker(site: Site, node: Node) -> dict[str, object]:
    environment = {
        "CLUSTER_ID": settings.cluster_id(),
        "KAFKA_HEAP_OPTS": settings.kafka_heap(site),
        **settings.environment(settings.broker(site, node, _KAFKA_STATE)),
    }
    return {
        "image": site.topology.images.kafka,
        "environment": environment,
        "volumes": [f"{node.name}:{_KAFKA_STATE}"],
        "healthcheck": _check(_listens(node.port), start="60s"),
        **_runs(),
    }


def _orderer(site: Site, node: Node) -> dict[str, object]:
    return {
        "image": site.topology.images.orderer,
        "environment": {"FABRIC_CFG_PATH": str(HOME), "FABRIC_LOGGING_SPEC": "${ZONESHARE_LOG:-info}"},
        "volumes": [*_home(node), f"{FOLDER}/genesis.block:{GENESIS}:ro", f"{node.name}:{STATE}"],
        "ports": _published(node.port),
        "depends_on": {**_PREPARED, **{one.name: _healthy() for one in site.topology.brokers}},
        "healthcheck": _check(_listens(node.port), start="60s"),
        **_runs(),
    }


def _peer(site: Site, member: Member, node: Node) -> dict[str, object]:
    return {
        "image": site.topology.images.peer,
        "environment": {"FABRIC_CFG_PATH": str(HOME), "FABRIC_LOGGING_SPEC": "${ZONESHARE_LOG:-info}"},
        "volumes": [*_home(node), f"{node.name}:{STATE}"],
        "ports": _published(node.port, node.health_port),
        "depends_on": _PREPARED,
        "healthcheck": _check(_page(node.health_port), start="30s"),
        "labels": {"org.zoneshare.msp": member.mspid},
        **_runs(),
    }


def _authority(site: Site, node: Node) -> dict[str, object]:
    return {
        "image": site.topology.images.ca,
        "command": ["fabric-ca-server", "start", "--home", "/state"],
        "volumes": [
            *_home(node),
            f"{FOLDER}/nodes/{node.name}/fabric-ca-server-config.yaml:/state/fabric-ca-server-config.yaml:ro",
            f"{node.name}:/state",
        ],
        "ports": _published(node.port),
        "depends_on": _PREPARED,
        "healthcheck": _check(_listens(node.port), start="30s"),
        **_runs(),
    }


def _chaincode(site: Site) -> dict[str, object]:
    # Its port is not published: only the peers, in the network of compose, reach it.
    return {
        "build": {"context": ".", "dockerfile": "chaincode/Dockerfile"},
        "image": f"zoneshare-chaincode:{site.topology.chaincode.version}",
        "environment": {
            "CHAINCODE_ID": package_id(site),
            "CHAINCODE_SERVER_ADDRESS": f"0.0.0.0:{site.topology.chaincode.port}",
            "ZONESHARE_ORGANISATIONS": ",".join(site.topology.mspids),
        },
        "read_only": True,
        "cap_drop": ["ALL"],
        **_runs(),
    }


def _ipfs(site: Site) -> dict[str, object]:
    node = site.topology.ipfs_node
    return {
        "image": site.topology.images.ipfs,
        "environment": {"IPFS_PROFILE": "server"},
        "command": ["daemon", "--migrate=true", "--offline"],
        "volumes": [f"{node.name}:/data/ipfs"],
        "ports": [f"{_bind()}:{node.port}:5001"],
        **_runs(),
    }


def _runs() -> dict[str, object]:
    return {"restart": "unless-stopped", "logging": _LOGGING}


def _home(node: Node) -> list[str]:
    return [f"{FOLDER}/nodes/{node.name}:{HOME}:ro"]


def _bind() -> str:
    return f"${{ZONESHARE_BIND:-{LOOPBACK}}}"


def _published(*ports: int) -> list[str]:
    return [f"{_bind()}:{port}:{port}" for port in ports]


def _healthy() -> dict[str, str]:
    return {"condition": "service_healthy"}


def _listens(port: int) -> str:
    """As the kernel says: a connection without a TLS handshake would stand as an error in the node's log each time."""
    return f"grep -qE ':{port:04X} 0+:0000 0A' /proc/net/tcp /proc/net/tcp6"


def _page(port: int) -> str:
    """A peer's /healthz, asked by the shell: the image has no other tool. That of orderers and CAs: see ``health``."""
    ask = 'printf "GET /healthz HTTP/1.0\\r\\n\\r\\n" >&3'
    return f'exec 3<>/dev/tcp/{LOOPBACK}/{port} && {ask} && head -1 <&3 | grep -q " 200 "'


def _check(command: str, *, start: str) -> dict[str, object]:
    return {
        "test": ["CMD", "bash", "-c", command],
        "interval": "10s",
        "timeout": "5s",
        "retries": 6,
        "start_period": start,
        "start_interval": "2s",
    }
