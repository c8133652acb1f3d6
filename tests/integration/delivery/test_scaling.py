"""Workers follow the lag as KEDA would have them, and nothing is lost or repeated on the way."""

import contextlib
import math
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import OffsetSpec

from tests.integration.conftest import PATIENCE_S
from workers.runtime.bus.kafka.connect import connect_admin
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

PARTITIONS = 4  # of the stage's topics
LEAST, MOST = 1, PARTITIONS
IN_FLIGHT = 16  # frames that a worker holds; they count as lag
THRESHOLD = 24  # frames of lag for each worker: more than it holds, or it would call for company
FRAMES_PER_S = 15  # the line's usual pace
LOOK_S = 0.5  # KEDA's pollingInterval
STABLE_S = 3.0  # of lower demand before workers leave, as a HorizontalPodAutoscaler waits
WORKER = {
    "models.null_detector_ms": 120,  # per batch of 4: 33 frames/s for each worker
    "worker.batch_max": 4,
    "worker.in_flight_frames": IN_FLIGHT,
    "worker.delivery": "exactly-once",
}


def desired(lag: int, partitions: int, threshold: int, least: int, most: int) -> int:
    """Replicas for a lag: KEDA's Kafka scaler, then the HorizontalPodAutoscaler it feeds.

    The scaler cuts the lag to `partitions * threshold`, but only once a whole threshold is beyond
    it (`kafka_scaler.go`, `getTotalLag`, KEDA 2.21); the autoscaler rounds lag / threshold up.
    """
    if lag // threshold > partitions:
        lag = partitions * threshold
    return min(max(math.ceil(lag / threshold), least), most)


class Lag:
    """What KEDA reads: end of the partitions minus the committed positions of the group."""

    def __init__(self, kafka: KafkaSettings, group: str, topic: str) -> None:
        self._admin = connect_admin(kafka)
        self._group = group
        self._partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    def read(self) -> int:
        """Frames; a partition that was never committed counts whole (`offsetResetPolicy`)."""
        committed = self._admin.list_group_offsets(self._group)[self._group]
        ends = self._admin.list_partition_offsets(
            dict.fromkeys(self._partitions, OffsetSpec.LATEST)
        )
        return sum(
            ends[each].offset - max(committed[each].offset if each in committed else 0, 0)
            for each in self._partitions
        )

    def close(self) -> None:
        self._admin.close()


class Autoscaler:
    """Starts workers at once; ends the youngest with SIGTERM when fewer have done for a time."""

    def __init__(self, stage: Any, lag: Lag) -> None:
        self._stage, self._lag = stage, lag
        self._wanted: deque[tuple[float, int]] = deque()
        self.running = [stage.worker(**WORKER) for _ in range(LEAST)]
        self.ended: list[subprocess.Popen[bytes]] = []

    def look(self) -> int:
        """Compare workers with the lag. Returns how many are wanted now."""
        now = time.monotonic()
        wanted = desired(self._lag.read(), PARTITIONS, THRESHOLD, LEAST, MOST)
        self._wanted.append((now, wanted))
        while now - self._wanted[0][0] > STABLE_S:
            self._wanted.popleft()
        while len(self.running) < wanted:
            self.running.append(self._stage.worker(**WORKER))
        while len(self.running) > max(count for _, count in self._wanted):
            youngest = self.running.pop()
            youngest.send_signal(signal.SIGTERM)
            self.ended.append(youngest)
        return wanted


class Line:
    """A camera at a steady pace beside the autoscaler; both take their turn while we wait."""

    def __init__(self, stage: Any, scaler: Autoscaler) -> None:
        self._stage, self._scaler = stage, scaler
        self._sent_at = self._looked_at = time.monotonic()

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the line run until something is true."""

        def step() -> bool:
            now = time.monotonic()
            if due := int((now - self._sent_at) * FRAMES_PER_S):
                self._sent_at += due / FRAMES_PER_S
                self._stage.send(due)
            if now - self._looked_at > LOOK_S:
                self._looked_at = now
                self._scaler.look()
            return condition()

        self._stage.until(step)


@pytest.fixture
def lag(kafka_stage: Any, apache_kafka: KafkaSettings) -> Iterator[Lag]:
    names = f"{kafka_stage.prefix}inspectors", kafka_stage.topics["frames"]
    with contextlib.closing(Lag(apache_kafka, *names)) as lag:
        yield lag


@pytest.mark.slow
def test_workers_come_and_go_with_the_lag_and_every_frame_has_one_outcome(
    kafka_stage: Any, lag: Lag
) -> None:
    stage, scaler = kafka_stage, Autoscaler(kafka_stage, lag)
    stage.send(THRESHOLD)
    stage.until(lambda: not stage.lost())

    line = Line(stage, scaler)
    usual = len(stage.outcomes) + 3 * FRAMES_PER_S
    line.until(lambda: len(stage.outcomes) > usual and len(scaler.running) == LEAST)

    stage.send(10 * PARTITIONS * THRESHOLD)
    assert scaler.look() == len(scaler.running) == MOST
    everyone = [f"worker-{number}" for number in range(MOST)]
    line.until(lambda: all(stage.by(name) for name in everyone))

    line.until(lambda: len(scaler.running) == LEAST)
    assert len(scaler.ended) >= MOST - LEAST
    assert {worker.wait(PATIENCE_S) for worker in scaler.ended} == {0}

    stage.until(lambda: not stage.lost())
    end = time.monotonic() + 1
    stage.until(lambda: time.monotonic() > end)  # what comes late would come twice
    assert stage.repeated() == []
    assert stage.out_of_order() == []
    stage.until(lambda: lag.read() == 0)  # the last worker has committed all


@pytest.mark.parametrize(
    ("waiting", "workers"),
    [(0, 1), (24, 1), (25, 2), (73, 4), (96, 4), (10**6, 4)],
)
def test_replicas_for_a_lag(waiting: int, workers: int) -> None:
    assert desired(waiting, PARTITIONS, THRESHOLD, LEAST, MOST) == workers


def test_frames_in_flight_do_not_call_for_another_worker() -> None:
    assert desired(IN_FLIGHT, PARTITIONS, THRESHOLD, LEAST, MOST) == LEAST


def test_without_a_maximum_one_replica_more_than_partitions_can_be_asked_for() -> None:
    assert desired(4 * 24 + 1, PARTITIONS, THRESHOLD, LEAST, most=100) == PARTITIONS + 1
