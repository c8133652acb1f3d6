"""On Apache Kafka: records that retention deleted, topics that are too small, replays that race."""

import contextlib
import json
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from schemas.dead_letter import DeadLetter
from schemas.envelope import WireMessage, event_type
from schemas.interruption import Interruption
from tests.integration.conftest import PATIENCE_S
from workers.cli import app
from workers.runtime.bus.kafka.admin.limits import check_limits
from workers.runtime.bus.kafka.admin.topics import TopicPlan, ensure_topics
from workers.runtime.bus.kafka.connect import connect_admin, connect_consumer, create_topics
from workers.runtime.bus.kafka.delivery import connect_writer
from workers.runtime.bus.kafka.reading.snapshot import read_topic
from workers.runtime.bus.ports import Gap, Outgoing, Partition
from workers.runtime.errors import SettingsError, WorkerError
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration


def write(kafka: KafkaSettings, topic: str, count: int) -> None:
    with contextlib.closing(connect_writer(kafka, "w", f"{topic}-writer")) as writer:
        message = Outgoing(topic, WireMessage(b"k", b"v", ()), 0)
        writer.settle([message] * count, {}, None)


def expire(kafka: KafkaSettings, topic: str, before: int) -> None:
    with contextlib.closing(connect_admin(kafka)) as admin:
        admin.delete_records({TopicPartition(topic, 0): before})


def test_a_position_that_expired_is_a_gap_and_reading_goes_on(
    apache_kafka: KafkaSettings, prefix: str
) -> None:
    topic, group = f"{prefix}gone", f"{prefix}g"
    create_topics(apache_kafka, {topic: 1})
    write(apache_kafka, topic, 10)
    partition = Partition(topic, 0)
    with contextlib.closing(connect_consumer(apache_kafka, group, [topic], "a")) as first:
        while not first.assignment():
            first.poll(0.2)
        first.commit({partition: 2})
    expire(apache_kafka, topic, before=7)
    with contextlib.closing(connect_consumer(apache_kafka, group, [topic], "b")) as second:
        records: list[int] = []
        gaps: list[Gap] = []
        while len(records) < 3:
            records += [record.offset for record in second.poll(0.2)]
            gaps += second.gaps()
    assert records == [7, 8, 9]
    assert gaps == [Gap(partition, 2, 6)]


def test_a_worker_tells_what_expired_once_and_inspects_the_rest(kafka_stage: Any) -> None:
    null = {"models.null_detector_ms": 0}
    worker = kafka_stage.worker(**null)
    kafka_stage.send(8, cameras=1)
    kafka_stage.until(lambda: not kafka_stage.lost())
    worker.terminate()
    assert worker.wait(PATIENCE_S) == 0
    before = set(kafka_stage.sent)
    kafka_stage.send(8, cameras=1)
    frames = kafka_stage.topics["frames"]
    at = {o.record.partition for o in kafka_stage.outcomes}.pop()
    with contextlib.closing(connect_admin(kafka_stage.kafka)) as admin:
        admin.delete_records({TopicPartition(frames, at): 13})
    kafka_stage.worker(**null)
    kafka_stage.until(lambda: len(kafka_stage.outcomes) >= 8 + 3)
    assert {o.record.offset for o in kafka_stage.outcomes if o.outcome_id not in before} == {
        13,
        14,
        15,
    }
    letters = read_topic(kafka_stage.kafka, kafka_stage.topics["dead_letters"])
    kind = event_type("interruption").encode()
    told = [r for r in letters if dict(r.headers)["ce_type"] == kind]
    [interruption] = [Interruption.decode(r.headers, r.value) for r in told]
    assert (interruption.first_offset, interruption.records) == (8, 5)


def test_a_topic_without_room_for_the_largest_frame_is_refused(
    apache_kafka: KafkaSettings, prefix: str
) -> None:
    topic = f"{prefix}small"
    small = apache_kafka.model_copy(update={"max_frame_bytes": 100_000})
    create_topics(small, {topic: 1})
    check_limits(small, topic, topic)
    with pytest.raises(SettingsError, match=f"topic {topic} takes .* kafka.max_frame_bytes"):
        check_limits(apache_kafka.model_copy(update={"max_frame_bytes": 2**20}), topic)
    check_limits(small, events=[topic, f"{prefix}nowhere"])
    tiny = TopicPlan(f"{prefix}tiny", 1, -1, {"max.message.bytes": "2000"})
    ensure_topics(small, [tiny])
    with pytest.raises(SettingsError, match=f"topic {prefix}tiny takes .* its events need 65536"):
        check_limits(small, topic, topic, events=[topic, f"{prefix}tiny"])
    check_limits(apache_kafka, f"{prefix}nowhere")  # nothing to check


def test_a_second_replay_fences_the_first_one_off(apache_kafka: KafkaSettings, prefix: str) -> None:
    topic = f"{prefix}frames"
    create_topics(apache_kafka, {topic: 1})
    message = Outgoing(topic, WireMessage(b"k", b"v", ()))
    first = connect_writer(apache_kafka, "first", f"{prefix}dlq")
    first.settle([], {}, None)
    second = connect_writer(apache_kafka, "second", f"{prefix}dlq")
    second.settle([], {}, None)
    with pytest.raises(WorkerError):
        first.settle([message], {}, None)
    second.settle([message], {}, None)
    first.close()
    second.close()
    assert len(list(read_topic(apache_kafka, topic))) == 1


def test_a_dead_letter_is_replayed_exactly_once(kafka_stage: Any) -> None:
    def dlq(*words: str) -> str:
        topics = kafka_stage.topics | {"resolutions": f"{kafka_stage.prefix}resolutions"}
        given = {f"topics.{key}": name for key, name in topics.items()}
        given["kafka.bootstrap_servers"] = kafka_stage.kafka.bootstrap_servers
        flags = [part for k, v in given.items() for part in ("--set", f"{k}={v}")]
        result = CliRunner().invoke(app, ["dlq", *words, *flags])
        assert result.exit_code == 0, result.output
        return result.output

    kafka_stage.worker(**{"models.null_detector_ms": 0})
    kafka_stage.send(2, data=b"no image at all")
    kafka_stage.until(lambda: not kafka_stage.lost())
    ids = [json.loads(row)["outcome_id"] for row in dlq("list", "--json").splitlines()]
    assert len(ids) == 2
    printed = dlq("replay", "--all", "--why", "again")
    assert "exactly once" in printed
    assert "2 dead letters replayed" in printed
    kafka_stage.until(lambda: len(kafka_stage.outcomes) == 4)
    open_now = [json.loads(row) for row in dlq("list", "--json").splitlines()]
    assert {row["run"][:7] for row in open_now} == {"replay-"}  # what failed again
    printed = dlq("replay", "--id", ids[0], "--why", "once more")
    assert "0 dead letters replayed" in printed
    assert "1 were settled before" in printed


HEAVY = {
    "a header's name": WireMessage(b"k", b"v", (("\x01" * 300_000, b""),)),
    "a header's value": WireMessage(b"k", b"v", (("ce_x", b"\x00" * 900_000),)),
    "ours": WireMessage(b"k", b"v", (("ce_type", b"\x01" * 900_000),)),
    "a key": WireMessage(b"\x01" * 900_000, b"v", ()),
    "a value": WireMessage(b"k", b"\xff" * 900_000, ()),
    "many headers": WireMessage(b"k", b"v", tuple((f"h{n}", b"") for n in range(9_000))),
    "a little of all": WireMessage(b"k" * 40_000, b"v" * 60_000, (("h", b"x" * 40_000),)),
}


def test_records_of_any_weight_have_their_outcome_though_the_topic_takes_little(
    kafka_stage: Any,
) -> None:
    kafka, topics = kafka_stage.kafka, kafka_stage.topics
    worker = kafka_stage.worker(**{"models.null_detector_ms": 0})
    kafka_stage.send(4, cameras=1)
    kafka_stage.until(lambda: not kafka_stage.lost())
    with contextlib.closing(connect_admin(kafka)) as admin:  # later than the check at the start
        small = {"max.message.bytes": str(64 * 1024)}
        resource = ConfigResource(ConfigResourceType.TOPIC, topics["dead_letters"], small)
        admin.alter_configs([resource])
    with contextlib.closing(connect_writer(kafka, "w", f"{kafka_stage.prefix}heavy")) as writer:
        for message in HEAVY.values():
            writer.settle([Outgoing(topics["frames"], message, 0)], {}, None)
    kafka_stage.send(4, cameras=1)
    wanted = 8 + len(HEAVY)
    kafka_stage.until(lambda: len(kafka_stage.outcomes) >= wanted, PATIENCE_S)
    assert not kafka_stage.lost()
    assert len({(o.record.partition, o.record.offset) for o in kafka_stage.outcomes}) == wanted
    assert worker.poll() is None
    letters = [
        DeadLetter.decode(each.headers, each.value)
        for each in read_topic(kafka, topics["dead_letters"])
    ]
    assert len(letters) == len(HEAVY)
    assert {each.record.partition for each in letters} == {0}
    assert max(map(len, kafka_stage.log_of(worker).splitlines())) < 5000
