"""Runs rows: load, fault after fault, recovery timed, then what the observer found."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos.faults import Row
from benchmarks.chaos.observer import Findings
from benchmarks.chaos.proxy import Proxy
from benchmarks.chaos.stage import Stage
from benchmarks.chaos.surroundings import Unavailable
from benchmarks.chaos.world import World
from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.servers.embedded import EmbeddedStore
from workers.runtime.settings.process import KafkaSettings

SESSION_MS, HEARTBEAT_MS = 6000, 1000
_DIRECT, _THROUGH_PROXY = "PLAINTEXT", "PROXIED"


@dataclass(slots=True)
class Result:
    """Of one row, or of several that share a stage."""

    titles: tuple[str, ...]
    faults: int
    sent: int
    findings: Findings
    recovery_s: dict[str, list[float | None]]  # title -> seconds; None: it did not recover
    ends: dict[int, int]  # exit code of workers -> how often
    surprises: list[str]
    gap_alarms: int
    seconds: float
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Nothing lost, repeated or out of order, everything recovered."""
        recovered = all(None not in times for times in self.recovery_s.values())
        return self.findings.clean and recovered and not self.surprises


@contextmanager
def world(brokers: int) -> Iterator[World]:
    """Servers: Kafka (with a way through a proxy when it is one broker) and Redis."""
    with ExitStack() as stack:
        network = stack.enter_context(Proxy()) if brokers == 1 else None
        names = [_DIRECT, _THROUGH_PROXY] if network else [_DIRECT]
        cluster = ApacheKafka(
            brokers,
            listeners=dict.fromkeys(names, "PLAINTEXT"),
            advertised={_THROUGH_PROXY: network.port} if network else None,
        )
        kafka = stack.enter_context(cluster)
        if network:
            network.upstream = int(kafka.servers(_THROUGH_PROXY).rpartition(":")[2])
        store = stack.enter_context(EmbeddedStore())
        redis = stack.enter_context(Proxy(store.port))
        settings = KafkaSettings(
            bootstrap_servers=kafka.bootstrap_servers,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        yield World(kafka, settings, redis, store, network)


def run_rows(
    rows: Sequence[Row],
    repeats: Callable[[Row], int],
    there: World,
    *,
    rate: float,
    name: str,
    say: Callable[[str], None],
) -> Result:
    """Rows that share a stage. Raises TimeoutError when it never starts to flow."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="stream-inspector-chaos-"))
    through = (f"127.0.0.1:{there.network.port}",) if there.network else ()
    kafka = there.settings.model_copy(update={"transaction_timeout_ms": rows[0].transaction_ms})
    there.settings = kafka
    times: dict[str, list[float | None]] = {row.title: [] for row in rows}
    with Stage(
        kafka.bootstrap_servers,
        there.redis.port,
        folder,
        name,
        rate=rate,
        kafka=kafka,
        stable_ids=rows[0].stable_ids,
        worker_servers=through,
        with_gate=any(row.gate for row in rows),
        explains=any(row.explains for row in rows),
    ) as stage:
        if not stage.settles():
            raise TimeoutError(f"no outcomes came: see {folder}")
        for row in rows:
            try:
                for number in range(repeats(row)):
                    took = _strike(stage, there, row, number)
                    times[row.title].append(took)
                    say(f"{row.title} {number + 1}: {'not recovered' if took is None else took}")
            except Unavailable as missing:
                say(f"{row.title}: left out: {missing}")
        stage.conclude()
        sent = stage.sent()
        return Result(
            tuple(times),
            sum(map(len, times.values())),
            len(sent),
            stage.findings(sent),
            times,
            dict(stage.ends),
            stage.surprises,
            stage.observer.gap_alarms,
            round(time.monotonic() - started, 1),
            {"logs": str(folder), "camera_exit": stage.unsent, "answers": stage.answers},
        )


def _strike(stage: Stage, there: World, row: Row, number: int) -> float | None:
    """Cause one fault; seconds that a partition stood still at most, until all is well again."""
    stage.rest(random.uniform(0.5, 1.5))  # noqa: S311  (no secret)
    at = row.fault(stage, there, number)
    if not stage.flows(at):
        return None
    took = stage.observer.standstill_s(at, time.time())
    return round(took, 1) if stage.settles() else None
