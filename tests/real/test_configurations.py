"""What nodes are told: natively nothing but loopback, in compose each other's names."""

import re
from pathlib import Path

from zoneshare_network.real.site import Site


def _files(site: Site) -> dict[str, str]:
    wanted = ("core.yaml", "orderer.yaml", "server.properties", "fabric-ca-server-config.yaml")
    nodes = site.folder / "nodes"
    return {str(path.relative_to(nodes)): path.read_text() for path in nodes.rglob("*") if path.name in wanted}


def test_plain_processes_listen_on_loopback_only(native_site: Site) -> None:
    files = _files(native_site)
    assert len(files) == 3 + 3 + 4 + 2
    for name, text in files.items():
        hosts = re.findall(r"([\w.]+):\d{4,5}\b", text) + re.findall(r"(?im)^\s*(?:listen)?address: ([^:\s]+)$", text)
        assert hosts, name
        assert {host.strip('"') for host in hosts} == {"127.0.0.1"}, name


def test_no_two_processes_listen_on_the_same_address(native_site: Site) -> None:
    """An orderer whose admin listener is another's ends after its port has opened."""
    listening: list[str] = []
    for text in _files(native_site).values():
        listening += re.findall(r'[lL]istenAddress: "(127\.0\.0\.1:\d+)"', text)
        listening += [f"127.0.0.1:{port}" for port in re.findall(r"(?:ListenPort|^port): (\d+)", text, re.MULTILINE)]
        listening += re.findall(r"(?:PLAINTEXT|CONTROLLER)://(127\.0\.0\.1:\d+)", text.partition("advertised")[0])
    assert len(listening) == 3 * 2 + 3 * 3 + 4 * 3 + 2 * 2
    assert len(set(listening)) == len(listening)


def test_containers_know_each_other_by_name_and_keep_state_on_their_volume(compose_site: Site) -> None:
    files = _files(compose_site)
    assert 'bootstrap: "peer1.org1:7120"' in files["peer0.org1/core.yaml"]
    assert "/var/hyperledger/production" in files["peer0.org1/core.yaml"]
    assert "Location: /var/hyperledger/production" in files["orderer0/orderer.yaml"]
    assert str(compose_site.folder) not in "".join(files.values())
    assert not [name for name in files if name.endswith("server.properties")]


def test_tls_is_on_and_the_builder_is_there(native_site: Site) -> None:
    for name, text in _files(native_site).items():
        if name.endswith("core.yaml"):
            assert re.search(r"tls:\n\s+enabled: true", text)
            path = re.search(r"name: ccaas_builder\n\s+path: (\S+)", text)
            assert path is not None
            for program in ("detect", "build", "release"):
                assert (Path(path[1]) / "bin" / program).stat().st_mode & 0o111
        if name.endswith("orderer.yaml"):
            assert re.search(r"TLS:\n\s+Enabled: true", text)
            assert "BootstrapMethod: file" in text
