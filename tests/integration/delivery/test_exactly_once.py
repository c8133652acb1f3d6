"""Exactly once on Apache Kafka: whatever dies, a committed reader sees each outcome once."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Stage
from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.settings.process import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NULL = {
    "models.null_detector_ms": 30,  # slow enough that frames are in work when something dies
    "worker.in_flight_frames": 32,
    "worker.delivery": "exactly-once",
}

SLOW_TO_COMMIT = (str(Path(__file__).with_name("uncommitted_worker.py")),)


def assert_each_once_and_in_order(stage: Any) -> None:
    stage.until(lambda: not stage.lost())
    end = time.monotonic() + 1
    stage.until(lambda: time.monotonic() > end)  # what comes late would come twice
    assert stage.repeated() == []
    assert stage.out_of_order() == []


def test_killed_workers_lose_and_repeat_nothing(kafka_stage: Any) -> None:
    stage, kills = kafka_stage, 2

    def worker(slot: int) -> Any:  # a stable id: the successor aborts what was left open
        return stage.worker(**NULL, **{"worker.transactional_id": f"{stage.prefix}{slot}"})

    workers = [worker(0), worker(1)]
    for kill in range(kills):
        seen = len(stage.outcomes)
        stage.send(60)
        stage.until(lambda seen=seen: len(stage.outcomes) > seen + 10)
        workers[kill % 2].send_signal(signal.SIGKILL)
        workers[kill % 2] = worker(kill % 2)
    assert_each_once_and_in_order(stage)


def test_a_frozen_worker_comes_back_to_nothing_that_is_its_own(kafka_stage: Any) -> None:
    stage = kafka_stage
    frozen, _ = stage.worker(**NULL), stage.worker(**NULL)
    feed_until_both_work(stage)
    frozen.send_signal(signal.SIGSTOP)
    thaw = time.monotonic() + 8  # longer than its session and its transaction may last
    while time.monotonic() < thaw:
        stage.send(4)
        stage.read()
    frozen.send_signal(signal.SIGCONT)
    stage.send(40)
    assert_each_once_and_in_order(stage)
    assert "partitions lost" in stage.log_of(frozen)


def feed_until_both_work(stage: Any) -> None:
    while not (stage.by("worker-0") and stage.by("worker-1")):
        stage.send(8)
        stage.read()


@pytest.mark.parametrize("brokers", [1, 3])
def test_a_killed_broker_loses_and_repeats_nothing(brokers: int, tmp_path: Path) -> None:
    with ApacheKafka(brokers) as cluster:
        kafka = KafkaSettings(
            bootstrap_servers=cluster.bootstrap_servers, transaction_timeout_ms=30_000
        )
        stage = Stage(kafka, None, tmp_path)
        try:
            stage.worker(**NULL)
            stage.worker(**NULL)
            feed_until_both_work(stage)
            stage.send(60)
            cluster.nodes[0].kill()
            if brokers == 1:  # the other two go on without the third
                cluster.nodes[0].start()
                cluster.nodes[0].wait_until_ready()
            stage.send(20)
            assert_each_once_and_in_order(stage)
        finally:
            stage.close()


def test_a_static_member_that_is_restarted_moves_no_partition(kafka_stage: Any) -> None:
    stage = kafka_stage

    def worker(name: str) -> Any:
        names = {"kafka.group_instance_id": name, "worker.transactional_id": stage.prefix + name}
        return stage.worker(**NULL, **names, **{"kafka.session_timeout_ms": 20_000})  # to start in

    stays, killed = worker("a"), worker("b")
    feed_until_both_work(stage)
    moved = stage.log_of(stays).count("partitions revoked")
    killed.send_signal(signal.SIGKILL)
    worker("b")
    stage.send(60)
    stage.until(lambda: stage.by("worker-2") > 0)
    assert_each_once_and_in_order(stage)
    assert stage.log_of(stays).count("partitions revoked") == moved


def test_a_second_signal_aborts_the_open_transaction(kafka_stage: Any) -> None:
    stage = kafka_stage
    first = stage.worker(SLOW_TO_COMMIT, **NULL)
    stage.send(40)
    stage.until(lambda: "sent, not committed" in stage.log_of(first))
    first.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 128 + signal.SIGTERM
    assert stage.outcomes == []
    stage.worker(**NULL)
    assert_each_once_and_in_order(stage)
