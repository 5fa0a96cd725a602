"""The network as plain processes on loopback, where Fabric's and Kafka's programs are but Docker is not."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoneshare_network.real import package, settings
from zoneshare_network.real.health import alive
from zoneshare_network.real.setup import Setup
from zoneshare_network.real.site import LOOPBACK, Site
from zoneshare_network.real.topology import Kind, Node
from zoneshare_protocols.errors import LedgerFailed, Misuse

LOCK = "supervisor.lock"
NEEDED = ("peer", "orderer", "kafka-server-start.sh", "kafka-storage.sh")
CHAINCODE = (sys.executable, "-m", "zoneshare_chaincode.host")
_START_S = 120.0
_STOP_S = 20.0
_WATCH_S = 2.0
_RESTARTS = 5


def programs(folders: Sequence[Path], names: Sequence[str] = NEEDED) -> dict[str, Path]:
    """Where each program is. Raises Misuse, naming all that are missing."""
    if not folders:
        raise Misuse(f"say with --bin DIR where the programs are: {', '.join(names)}")
    found = {name: next((at / name for at in folders if os.access(at / name, os.X_OK)), None) for name in names}
    if missing := [name for name, at in found.items() if at is None]:
        raise Misuse(f"not in {', '.join(map(str, folders))}: {', '.join(missing)}")
    return {name: at.resolve() for name, at in found.items() if at is not None}


@dataclass(frozen=True)
class Program:
    """How a node is started."""

    node: Node
    command: tuple[str, ...]
    environment: dict[str, str]


class Native:
    """The nodes' processes, started in order, watched, and stopped by their ids in the order turned round."""

    def __init__(self, site: Site, folders: Sequence[Path], say: Callable[[str], None]) -> None:
        self._site = site
        self._programs = programs(folders)
        self._ca = next((at for at in (folder / "fabric-ca-server" for folder in folders) if at.exists()), None)
        self._say = say
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._restarts: dict[str, int] = {}

    def plan(self) -> list[Program]:
        """All that is started. kubo is not among them: a folder stands for it, or one's own."""
        shape, made = self._site.topology, []
        for node in shape.brokers:
            start, config = self._programs["kafka-server-start.sh"], self._home(node) / "server.properties"
            environment = {"KAFKA_HEAP_OPTS": settings.kafka_heap(self._site), "LOG_DIR": str(self._logs)}
            made.append(Program(node, (str(start), str(config)), environment))
        for node in shape.orderer_nodes:
            made.append(Program(node, (str(self._programs["orderer"]),), self._fabric(node)))
        for node in shape.authorities if self._ca else ():
            home = str(self._home(node))
            made.append(Program(node, (str(self._ca), "start", "--home", home), {}))
        for node in shape.peers:
            made.append(Program(node, (str(self._programs["peer"]), "node", "start"), self._fabric(node)))
        environment = {
            "CHAINCODE_ID": package.package_id(self._site),
            "CHAINCODE_SERVER_ADDRESS": f"{LOOPBACK}:{shape.chaincode.port}",
            "ZONESHARE_ORGANISATIONS": ",".join(shape.mspids),
        }
        return [*made, Program(shape.chaincode_node, CHAINCODE, environment)]

    def run(self, ready: Callable[[], None]) -> int:
        """Until SIGINT or SIGTERM. Returns how many nodes had ended for good. Raises what set-up raises."""
        stop: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _: stop.append(received))
        with _Locked(self._site.folder):
            try:
                self._start_all()
                with Setup(self._site, self._say) as setup:
                    setup.run()
                ready()
                while not stop:
                    self._watch()
                    _sleep(stop)
            finally:
                self._stop_all()
        return sum(count > _RESTARTS for count in self._restarts.values())

    def _start_all(self) -> None:
        plan = self.plan()
        for program in plan:
            _check_free(program.node)
        for kinds in ((Kind.BROKER,), (Kind.ORDERER, Kind.CA, Kind.PEER, Kind.CHAINCODE)):
            group = [program for program in plan if program.node.kind in kinds]
            for program in group:
                self._start(program)
            for program in group:
                self._await(program.node)
            self._say(f"{len(group)} nodes up: {', '.join(program.node.name for program in group)}")

    def _start(self, program: Program) -> None:
        node = program.node
        for folder in (self._logs, self._site.folder / "data" / node.name):
            folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **program.environment}
        with (self._logs / f"{node.name}.log").open("ab") as log:
            if node.kind is Kind.BROKER:
                self._format(program, environment, log.fileno())
            # A process group of its own: Ctrl-C reaches the supervisor only, which stops the nodes in order.
            self._running[node.name] = subprocess.Popen(
                program.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._site.folder,
                start_new_session=True,
            )

    def _format(self, program: Program, environment: dict[str, str], log: int) -> None:
        tool, config = self._programs["kafka-storage.sh"], program.command[-1]
        command = (str(tool), "format", "--ignore-formatted", "-t", settings.cluster_id(), "-c", config)
        if subprocess.run(command, env=environment, stdout=log, stderr=log, check=False).returncode:
            raise LedgerFailed(f"{program.node.name}: its storage cannot be made: see {self._log(program.node)}")

    def _await(self, node: Node) -> None:
        """That it answers, and still lives: an orderer may open its port and then end."""
        limit = time.monotonic() + _START_S
        while not alive(self._site, node).good:
            ended = self._running[node.name].poll()
            if ended is not None or time.monotonic() > limit:
                why = "does not answer" if ended is None else f"ended with {ended}"
                raise LedgerFailed(f"{node.name} {why}: see {self._log(node)}")
            time.sleep(0.1)

    def _watch(self) -> None:
        """A node that has ended is started again, as compose does, but not for ever."""
        for program in self.plan():
            name, count = program.node.name, self._restarts.get(program.node.name, 0)
            code = self._running[name].poll()
            if code is None or count > _RESTARTS:
                continue
            self._restarts[name] = count + 1
            again = "started again" if count < _RESTARTS else f"given up after {_RESTARTS} new starts"
            self._say(f"{name} ended with {code}, {again}: see {self._log(program.node)}")
            if count < _RESTARTS:
                self._start(program)

    def _stop_all(self) -> None:
        for process in reversed(self._running.values()):
            if process.poll() is None:
                process.terminate()
        limit = time.monotonic() + _STOP_S
        for process in reversed(self._running.values()):
            try:
                process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _fabric(self, node: Node) -> dict[str, str]:
        level = os.environ.get("FABRIC_LOGGING_SPEC", "info")
        return {"FABRIC_CFG_PATH": str(self._home(node)), "FABRIC_LOGGING_SPEC": level}

    def _home(self, node: Node) -> Path:
        return self._site.node_folder(node).resolve()

    @property
    def _logs(self) -> Path:
        return (self._site.folder / "logs").resolve()

    def _log(self, node: Node) -> Path:
        return self._logs / f"{node.name}.log"


def supervisor(folder: Path) -> int | None:
    """The process that runs the native network in ``folder``."""
    try:
        with (folder / LOCK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(file.read() or b"0") or None
    except FileNotFoundError:
        pass
    return None


def stop(folder: Path) -> bool:
    """Stop the native network in ``folder`` and wait until it has; False when none runs. Raises LedgerFailed."""
    pid = supervisor(folder)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + 2 * _STOP_S
    while supervisor(folder) == pid:
        if time.monotonic() > limit:
            raise LedgerFailed("the network's process does not end", pid=pid)
        time.sleep(0.1)
    return True


class _Locked:
    def __init__(self, folder: Path) -> None:
        self._file = (folder / LOCK).open("ab+")

    def __enter__(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            self._file.close()
            raise Misuse("this network runs already") from cause
        self._file.truncate(0)
        self._file.write(str(os.getpid()).encode())
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _sleep(stop: list[int]) -> None:
    until = time.monotonic() + _WATCH_S
    while not stop and time.monotonic() < until:
        time.sleep(0.1)


def _check_free(node: Node) -> None:
    for port in node.ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as cause:
                raise Misuse(f"{node.name} cannot listen on {LOOPBACK}:{port}: {cause.strerror}") from cause
