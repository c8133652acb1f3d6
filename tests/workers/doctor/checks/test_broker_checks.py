"""The broker: each thing that can be wrong is found, and nothing else is."""

from dataclasses import replace

import pytest

from workers.doctor.checks.broker import (
    judge_group,
    judge_single,
    judge_spread,
    judge_timeouts,
    judge_transactions,
    judge_version,
)
from workers.doctor.needs import Needs, needs_of
from workers.inspector.settings import InspectorSettings
from workers.runtime.bus.kafka.admin.survey import BrokerFacts, GroupFacts
from workers.runtime.settings.process import KafkaSettings

CONFIGS = {
    "group.min.session.timeout.ms": "6000",
    "group.max.session.timeout.ms": "1800000",
    "transaction.max.timeout.ms": "900000",
}
CLUSTER = BrokerFacts((4, 1), 3, transactions=True, configs=CONFIGS)
GROUP = GroupFacts("Stable", 2, frozenset({"READ", "DESCRIBE"}), {0: 3, 1: 4}, 0)
WORKER = needs_of(InspectorSettings())


def needs(**delivery: str) -> Needs:
    return needs_of(InspectorSettings(worker=delivery))


def test_a_sound_cluster_is_ok() -> None:
    findings = [
        *judge_version(CLUSTER),
        *judge_transactions(CLUSTER, WORKER),
        *judge_single(CLUSTER, KafkaSettings(), WORKER),
        *judge_timeouts(CLUSTER, KafkaSettings()),
        *judge_group(GROUP, WORKER),
    ]
    assert {finding.status for finding in findings} == {"ok"}


def test_an_old_broker_is_told() -> None:
    (finding,) = judge_version(replace(CLUSTER, version=(2, 8)))
    assert (finding.status, finding.setting) == ("warning", "kafka.bootstrap_servers")


@pytest.mark.parametrize(
    ("delivery", "status"),
    [("auto", "warning"), ("exactly-once", "failed"), ("at-least-once", "skipped")],
)
def test_a_broker_without_transactions(delivery: str, status: str) -> None:
    without = replace(CLUSTER, transactions=False)
    (finding,) = judge_transactions(without, needs(delivery=delivery))
    assert finding.status == status


@pytest.mark.parametrize(
    ("nodes", "timeout_ms", "status"),
    [(1, 10_000, "warning"), (1, 30_000, "ok"), (3, 10_000, "ok")],
)
def test_the_only_broker_wants_long_transactions(nodes: int, timeout_ms: int, status: str) -> None:
    kafka = KafkaSettings(transaction_timeout_ms=timeout_ms)
    (finding,) = judge_single(replace(CLUSTER, nodes=nodes), kafka, WORKER)
    assert finding.status == status


@pytest.mark.parametrize(
    ("ours", "setting"),
    [
        ({"session_timeout_ms": 6000}, None),
        ({"session_timeout_ms": 5999}, "kafka.session_timeout_ms"),
        (
            {"session_timeout_ms": 1_800_001, "hung_after_s": 2000},
            "kafka.session_timeout_ms",
        ),
        ({"transaction_timeout_ms": 900_000}, None),
    ],
)
def test_timeouts_beyond_the_brokers_bounds(ours: dict[str, int], setting: str | None) -> None:
    (finding,) = judge_timeouts(CLUSTER, KafkaSettings(**ours))
    assert finding.setting == setting
    assert finding.status == ("failed" if setting else "ok")


def test_a_transaction_longer_than_the_broker_allows() -> None:
    facts = replace(CLUSTER, configs=CONFIGS | {"transaction.max.timeout.ms": "5000"})
    (finding,) = judge_timeouts(facts, KafkaSettings())
    assert finding.setting == "kafka.transaction_timeout_ms"


def test_bounds_that_are_not_told_are_skipped() -> None:
    (finding,) = judge_timeouts(replace(CLUSTER, configs=None), KafkaSettings())
    assert finding.status == "skipped"
    assert "DescribeConfigs" in finding.says


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(GROUP, operations=frozenset({"DESCRIBE"})), "no right to Read the group"),
        (replace(GROUP, expired=12), "12 records"),
        (replace(GROUP, members=0, lag={0: 1000}), "nobody reads"),
    ],
)
def test_a_group_in_trouble(facts: GroupFacts, words: str) -> None:
    (finding,) = judge_group(facts, WORKER)
    assert words in finding.says
    assert finding.setting == "worker.group"


def test_members_that_are_behind_are_at_work() -> None:
    assert judge_group(replace(GROUP, lag={0: 100_000}), WORKER)[0].status == "ok"


def test_a_group_that_is_new() -> None:
    (finding,) = judge_group(GroupFacts("Dead", 0, None, {0: None, 1: None}, 0), WORKER)
    assert finding.status == "ok"
    assert "nothing committed on 2 of 2 partitions" in finding.says


EIGHT = tuple(f"cam-{n}" for n in range(1, 9))


def test_eight_cameras_leave_partitions_empty_and_a_map_is_offered() -> None:
    (finding,) = judge_spread(WORKER, 8, EIGHT, {})
    assert finding.status == "warning"
    assert "cam-8: 7" in (finding.do or "")
    spread = {name: index for index, name in enumerate(EIGHT)}
    (finding,) = judge_spread(replace(WORKER, camera_partitions=spread), 8, EIGHT, {})
    assert finding.says == "8 cameras on 8 of 8 partitions, at most 1 on one"


def test_a_partition_that_the_topic_has_not() -> None:
    (finding,) = judge_spread(replace(WORKER, camera_partitions={"a": 4}), 4, ("a",), {})
    assert (finding.status, finding.setting) == ("failed", "camera.partitions")


def test_one_camera_needs_one_partition() -> None:
    assert judge_spread(WORKER, 4, ("a",), {})[0].status == "ok"


@pytest.mark.parametrize(
    ("ends", "status"), [((5, 6), "ok"), ((5, 0), "warning"), ((0, 0), "skipped")]
)
def test_without_names_what_was_written_tells(ends: tuple[int, ...], status: str) -> None:
    written = {index: (0, end) for index, end in enumerate(ends)}
    assert judge_spread(WORKER, 2, (), written)[0].status == status
