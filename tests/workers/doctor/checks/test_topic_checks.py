"""A topic: each thing that can be wrong is found, names its setting, and says how to mend it."""

from dataclasses import replace

import pytest

from workers.doctor.checks.topics import judge_topic
from workers.doctor.findings import Finding
from workers.doctor.needs import TopicNeed
from workers.runtime.bus.kafka.admin.survey import BrokerFacts, Hidden, TopicFacts
from workers.runtime.settings.process import TopicSettings

NEED = TopicNeed("frames", "Read", 1000)
CLUSTER = BrokerFacts((4, 1), 3, transactions=True, configs=None)
CONFIGS = {
    "max.message.bytes": "1000",
    "cleanup.policy": "delete",
    "retention.ms": str(24 * 3_600_000),
    "min.insync.replicas": "2",
}
SOUND = TopicFacts(4, 3, 0, frozenset({"READ", "DESCRIBE"}), CONFIGS)


def judged(found: object = SOUND, **settings: object) -> list[Finding]:
    topics = TopicSettings(**settings)  # type: ignore[arg-type]
    return judge_topic("lines", found, NEED, topics, CLUSTER)  # type: ignore[arg-type]


def test_a_sound_topic_is_ok() -> None:
    (finding,) = judged()
    assert finding.status == "ok"
    assert finding.says == "4 partitions, 3 replicas, Read"


BROKEN = {
    "no leader": replace(SOUND, leaderless=1),
    "no right to Read": replace(SOUND, operations=frozenset({"DESCRIBE"})),
    "takes messages of at most 999 bytes": replace(
        SOUND, configs=CONFIGS | {"max.message.bytes": "999"}
    ),
    "cleanup.policy compact": replace(SOUND, configs=CONFIGS | {"cleanup.policy": "compact"}),
    "min.insync.replicas 2 with 1 replicas": replace(SOUND, replicas=1),
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_topic_fails(words: str) -> None:
    found = [finding for finding in judged(BROKEN[words]) if words in finding.says]
    assert [finding.status for finding in found] == ["failed"]
    assert all(finding.do and finding.setting for finding in found)


ODD = {
    "kept 1 hours, 24 are meant": replace(SOUND, configs=CONFIGS | {"retention.ms": "3600000"}),
    "one replica on a cluster of 3": replace(
        SOUND, replicas=1, configs=CONFIGS | {"min.insync.replicas": "1"}
    ),
    "it has 3 partitions": replace(SOUND, partitions=3),
}


@pytest.mark.parametrize("words", ODD)
def test_an_odd_topic_is_told(words: str) -> None:
    (finding,) = judged(ODD[words])
    assert words in finding.says
    assert finding.status == "warning"
    assert finding.do


def test_for_ever_is_long_enough() -> None:
    assert judged(replace(SOUND, configs=CONFIGS | {"retention.ms": "-1"}))[0].status == "ok"


def test_several_faults_are_several_lines() -> None:
    found = judged(replace(SOUND, leaderless=4, operations=frozenset()))
    assert [finding.status for finding in found] == ["failed", "failed"]


def test_what_is_not_told_is_not_held_against_it() -> None:
    (finding,) = judged(TopicFacts(4, 3, 0, None, None))
    assert finding.status == "ok"
    assert "not told" in finding.says


def test_a_topic_that_is_missing() -> None:
    assert judged(None, create=True)[0].status == "skipped"
    (finding,) = judged(None, create=False)
    assert (finding.status, finding.setting) == ("failed", "topics.frames")


def test_a_topic_that_is_not_shown() -> None:
    (finding,) = judged(Hidden)
    assert finding.status == "failed"
    assert "--operation Read --topic lines" in (finding.do or "")
