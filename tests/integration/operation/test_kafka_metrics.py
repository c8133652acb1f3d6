"""What a worker tells of itself on Apache Kafka: transactions, lag, partitions."""

import urllib.request
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from workers.runtime.servers.process import HOST, free_ports, listens

pytestmark = pytest.mark.integration

Told = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(port: int) -> Told:
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(told: Told, name: str, **labels: str) -> float | None:
    return told.get((f"inspector_{name}", frozenset(labels.items())))


def test_transactions_lag_and_partitions(kafka_stage: Any) -> None:
    (port,) = free_ports(1)
    kafka_stage.send(30)
    kafka_stage.worker(**{"models.null_detector_ms": 5, "health.port": port})
    kafka_stage.until(lambda: not kafka_stage.lost())

    def caught_up() -> bool:
        """Gauges are set every 2 s; the markers of transactions must not look like lag."""
        told = scrape(port) if listens(port) else {}
        lags = [value(told, "lag_records", partition=str(n)) for n in range(4)]
        return lags == [0, 0, 0, 0] and value(told, "assigned_partitions") == 4

    kafka_stage.until(caught_up)
    told = scrape(port)
    committed = value(told, "transactions_total", result="committed")
    assert committed
    assert value(told, "transaction_seconds_count") == committed
    assert value(told, "transactions_total", result="aborted") == 0
    assert value(told, "rebalances_total", event="assigned") == 1
    assert value(told, "frames_total") == 30
    assert value(told, "latency_seconds_count") == 30
    assert value(told, "since_progress_seconds") == 0
    assert value(told, "server_up", server="broker") == 1
    assert value(told, "ready") == 1
