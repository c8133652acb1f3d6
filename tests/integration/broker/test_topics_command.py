"""On Apache Kafka: missing topics are created as planned, existing ones are only compared."""

import contextlib
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from schemas.topics import TOPICS
from workers.cli import app
from workers.runtime.bus.kafka.connect import connect_admin
from workers.runtime.settings.process import KafkaSettings
from workers.topics.settings import setting_of

pytestmark = pytest.mark.integration


def create(kafka: KafkaSettings, prefix: str, *more: str) -> str:
    names = {setting_of(topic): f"{prefix}{topic.name}" for topic in TOPICS}
    given = [f"topics.{key}={name}" for key, name in names.items()]
    given += [f"kafka.bootstrap_servers={kafka.bootstrap_servers}"]
    flags = [part for each in given for part in ("--set", each)]
    result = CliRunner().invoke(app, ["topics", "create", *flags, *more])
    assert result.exit_code == 0, result.output
    return result.output


def described(kafka: KafkaSettings, topic: str) -> tuple[int, dict[str, Any]]:
    with contextlib.closing(connect_admin(kafka)) as admin:
        (found,) = admin.describe_topics([topic])
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        configs = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return len(found["partitions"]), {key: entry["value"] for key, entry in configs.items()}


def test_missing_topics_are_created_as_planned(apache_kafka: KafkaSettings, prefix: str) -> None:
    retention = ("--set", "plan.retention_hours={frames: 5}")
    output = create(apache_kafka, prefix, "--set", "topics.partitions=3", *retention)
    assert output.count("created") == len(TOPICS)
    partitions, configs = described(apache_kafka, f"{prefix}frames")
    assert partitions == 3
    assert configs["retention.ms"] == str(5 * 3_600_000)
    assert int(configs["max.message.bytes"]) > 8 * 2**20


def test_existing_topics_are_compared_and_left_alone(
    apache_kafka: KafkaSettings, prefix: str
) -> None:
    create(apache_kafka, prefix, "--set", "topics.partitions=2")
    again = create(apache_kafka, prefix, "--set", "topics.partitions=2")
    assert again.count("there") == len(TOPICS)
    assert "wanted" not in again
    wider = create(apache_kafka, prefix, "--set", "topics.partitions=6")
    assert wider.count("partitions 2, wanted 6") == len(TOPICS)
    assert described(apache_kafka, f"{prefix}frames")[0] == 2


def test_a_dry_run_creates_nothing(apache_kafka: KafkaSettings, prefix: str) -> None:
    output = create(apache_kafka, prefix, "--dry-run")
    assert output.count("missing") == len(TOPICS)
    with contextlib.closing(connect_admin(apache_kafka)) as admin:
        assert not {name for name in admin.list_topics() if name.startswith(prefix)}
