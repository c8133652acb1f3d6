"""Apache Kafka (KRaft) on this machine's Java: one broker or three, on free ports.

For tests and for `stream-inspector demo --broker kafka`. Each broker is a controller too. The
settings are for a fast start and little memory, not for production.
"""

import base64
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.runtime.servers.kafka_jars import Jars, kafka_jars
from workers.runtime.servers.process import (
    HOST,
    ServerFailed,
    ServerProcess,
    free_ports,
    require_free,
)

PLAINTEXT = {"PLAINTEXT": "PLAINTEXT"}  # listener name -> security protocol
_READY_S = 90.0
_GRACE_S = 20.0
_CONTROLLER = "CONTROLLER"
_BASE = {
    "process.roles": "broker,controller",
    "controller.listener.names": _CONTROLLER,
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    # Short times: what dies is noticed and aborted soon.
    "group.min.session.timeout.ms": "1000",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Not shorter: a broker that starts again after a kill would abort what timed out meanwhile
    # before it knows its partitions, skip the markers, and leave those transactions open for good.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "5000",
    # Little memory.
    "log.cleaner.dedupe.buffer.size": "2097152",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "background.threads": "2",
}


def server_properties(
    number: int,
    ports: Sequence[Mapping[str, int]],
    listeners: Mapping[str, str],
    extra: Mapping[str, str],
    *,
    controllers: str = "PLAINTEXT",
    advertised: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """The `server.properties` of broker `number` (from 1).

    `ports`: per broker, listener -> port. `advertised`: listener -> port that clients are told.
    """
    brokers = len(ports)
    own = ports[number - 1]
    told = dict(own) | dict(advertised or {})
    protocols = dict(listeners) | {_CONTROLLER: controllers}
    voters = (f"{n}@{HOST}:{each[_CONTROLLER]}" for n, each in enumerate(ports, 1))
    replicas = str(brokers)
    derived = {
        "node.id": str(number),
        "controller.quorum.voters": ",".join(voters),
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in own.items()),
        "advertised.listeners": ",".join(f"{name}://{HOST}:{told[name]}" for name in listeners),
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
        "inter.broker.listener.name": next(iter(listeners)),
        "default.replication.factor": replicas,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": str(brokers // 2 + 1),
        "min.insync.replicas": str(brokers // 2 + 1),
    }
    return _BASE | derived | dict(extra)


class KafkaNode:
    """One broker. `kill` and `start` again keep its port and its data."""

    def __init__(self, number: int, folder: Path, jars: Jars) -> None:
        self._number, self._folder, self._jars = number, folder, jars
        self._process: ServerProcess | None = None
        self._starts = 0
        folder.mkdir(exist_ok=True)

    @property
    def _settings(self) -> Path:
        return self._folder / "server.properties"

    def format(self, cluster_id: str, settings: Mapping[str, str], scram: Sequence[str]) -> None:
        """Prepare its data folder. `scram`: as `kafka-storage format --add-scram` takes them."""
        complete = dict(settings) | {"log.dirs": str(self._folder / "data")}
        self._settings.write_text("".join(f"{k}={v}\n" for k, v in complete.items()))
        self._settings.chmod(0o600)  # may hold passwords
        if (self._folder / "data" / "meta.properties").exists():
            return  # of an earlier run
        users = [part for user in scram for part in ("--add-scram", user)]
        cluster = f"--cluster-id={cluster_id}"  # in one word: it may begin with a dash
        command = self._jars.java(
            "kafka.tools.StorageTool", "format", cluster, "-c", str(self._settings), *users
        )
        done = subprocess.run(  # noqa: S603  (our own command)
            command, capture_output=True, text=True, timeout=_READY_S, check=False
        )
        if done.returncode != 0:
            raise ServerFailed(f"Kafka's data folder: {(done.stdout + done.stderr)[-2000:]}")

    def start(self) -> None:
        """Start it; `wait_until_ready` follows."""
        self._starts += 1
        archiving = self._jars.archiving if self._number == 1 else ()
        command = self._jars.java("kafka.Kafka", str(self._settings), options=archiving)
        self._process = ServerProcess(command, self._log, _GRACE_S)

    @property
    def _log(self) -> Path:
        return self._folder / f"log-{self._starts}"

    def wait_until_ready(self) -> None:
        """Returns when it serves. Raises ServerFailed with the end of its log."""
        deadline = time.monotonic() + _READY_S
        while self._process is not None and self._process.running:
            if "Kafka Server started" in self._log.read_text(errors="replace"):
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        tail = self._process.log_tail() if self._process else ""
        raise ServerFailed(f"Kafka broker {self._number} did not start:\n{tail}")

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._process is not None and self._process.running

    def last_words(self) -> str:
        """The end of its log."""
        return self._process.log_tail() if self._process else ""

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def ask_to_stop(self) -> None:
        """Begin to stop in order."""
        if self._process is not None:
            self._process.ask_to_stop()

    def stop(self) -> None:
        """Stop in order."""
        if self._process is not None:
            self._process.stop()
            self._process = None
            self._jars.keep_archive()


class ApacheKafka:
    """A cluster: starts on enter, stops on exit; dies with this process.

    It forgets its data, unless it has a folder for it.
    """

    def __init__(
        self,
        nodes: int = 1,
        listeners: Mapping[str, str] = PLAINTEXT,
        properties: Mapping[str, str] | None = None,
        scram: Sequence[str] = (),
        *,
        controllers: str = "PLAINTEXT",
        advertised: Mapping[str, int] | None = None,
        port: int = 0,
        folder: Path | None = None,
    ) -> None:
        """`listeners`: name -> protocol, the first one is used between brokers.

        `controllers`: the protocol between controllers. `advertised`: listener -> port of a proxy
        in front of it, for one broker. `port`: of the first broker's first listener; 0: a free
        one. `folder`: keeps the data.
        """
        self._port, self._kept = port, folder
        self._advertised = advertised
        self._controllers = controllers
        self._count, self._listeners, self._scram = nodes, listeners, scram
        self._properties = properties or {}
        self._ports: list[dict[str, int]] = []
        self._folder: Path | None = None
        self.nodes: list[KafkaNode] = []

    @property
    def bootstrap_servers(self) -> str:
        """For the setting `kafka.bootstrap_servers`: the first listener."""
        return self.servers(next(iter(self._listeners)))

    def servers(self, listener: str) -> str:
        """host:port of every broker, on one of the listeners."""
        return ",".join(f"{HOST}:{ports[listener]}" for ports in self._ports)

    def start(self) -> Self:
        """Start all and wait until they serve. Raises ServerFailed."""
        if self._port:
            require_free(self._port)
        jars = kafka_jars()
        names = [*self._listeners, _CONTROLLER]
        free = iter(free_ports(self._count * len(names)))
        self._ports = [{name: next(free) for name in names} for _ in range(self._count)]
        if self._port:
            self._ports[0][names[0]] = self._port
        self._folder = self._kept or Path(tempfile.mkdtemp(prefix="stream-inspector-kafka-"))
        numbers = range(1, self._count + 1)
        self.nodes = [KafkaNode(n, self._folder / str(n), jars) for n in numbers]
        try:
            self._format()
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                node.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def _format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

        def prepare(number: int) -> None:
            settings = server_properties(
                number,
                self._ports,
                self._listeners,
                self._properties,
                controllers=self._controllers,
                advertised=self._advertised,
            )
            self.nodes[number - 1].format(cluster_id, settings, self._scram)

        with ThreadPoolExecutor(self._count) as pool:
            list(pool.map(prepare, range(1, self._count + 1)))

    @property
    def running(self) -> bool:
        """Whether all of them are alive."""
        return bool(self.nodes) and all(node.running for node in self.nodes)

    def last_words(self) -> str:
        """The end of the logs of those that ended."""
        return "\n".join(node.last_words() for node in self.nodes if not node.running)

    def stop(self) -> None:
        """Stop all and forget the data that no folder keeps."""
        for node in self.nodes:
            node.ask_to_stop()
        for node in self.nodes:
            node.stop()
        self.nodes = []
        if self._folder is not None and self._kept is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
