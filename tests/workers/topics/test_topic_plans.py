"""The settings say how each topic should be."""

import pytest
from typer.testing import CliRunner

from schemas.topics import DEAD_LETTERS, TOPICS
from workers.cli import app
from workers.runtime.bus.kafka.client import record_limit
from workers.topics.settings import TopicsProcessSettings

RUNNER = CliRunner()


def test_every_topic_of_the_stage_is_planned_under_its_own_name() -> None:
    settings = TopicsProcessSettings.load(None, {"topics.dead_letters": "line-7.lost"})
    names = [plan.name for plan in settings.plans()]
    assert len(names) == len(TOPICS)
    assert "line-7.lost" in names
    assert DEAD_LETTERS.name not in names


def test_topics_take_the_largest_dead_letter_and_keep_what_they_should() -> None:
    given = {"kafka.max_frame_bytes": 2**20, "plan.retention_hours": {"frames": 6}}
    settings = TopicsProcessSettings.load(None, given)
    plans = {plan.name: plan for plan in settings.plans()}
    assert {plan.configs["max.message.bytes"] for plan in plans.values()} == {
        str(record_limit(settings.kafka))
    }
    hours = {name: int(plan.configs["retention.ms"]) / 3_600_000 for name, plan in plans.items()}
    assert hours["frames"] == 6
    assert hours["resolutions"] == 24 * 60


def test_replicas_are_left_to_the_broker_unless_they_are_given() -> None:
    (plain, *_) = TopicsProcessSettings.load(None).plans()
    assert plain.replication == -1
    assert "min.insync.replicas" not in plain.configs
    given = {"plan.replication_factor": 3, "plan.min_insync_replicas": 2}
    (safe, *_) = TopicsProcessSettings.load(None, given).plans()
    assert (safe.replication, safe.configs["min.insync.replicas"]) == (3, "2")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("plan.retention_hours={frame: 3}", "unknown frame; allowed: frames, outcomes"),
        ("plan.replication_factor=0", "0 replicas"),
        ("plan.replicas=3", "unknown key"),
    ],
)
def test_wrong_settings_are_named(wrong: str, complaint: str) -> None:
    result = RUNNER.invoke(app, ["topics", "create", "--set", wrong])
    assert result.exit_code == 78
    assert complaint in result.output
