"""Clocks that are set, positions that are gone, full disks: a person is told once."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from stage import (
    DEFECTS,
    TOPICS,
    Stage,
    defect,
    outcome,
)
from structlog.testing import capture_logs

from schemas.envelope import WireMessage
from workers.runtime.bus.ports import Outgoing


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_changes_nothing(stage: Stage, step: float) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.publish(TOPICS.defects, defect(1), defect(2, 1))
    stage.rounds(notifier)
    stage.clock.step(step)
    stage.rounds(notifier, 1)
    assert notifier.stalled_s == 0
    assert [alarm.cause for alarm in stage.ear.heard] == ["defect"]
    for _ in range(32):
        stage.clock.move(1)
        stage.rounds(notifier, 1)
    assert [alarm.count for alarm in stage.ear.heard] == [1, 1]
    assert stage.committed[DEFECTS] == 2  # commits go on
    for _ in range(32):
        stage.clock.move(1)
        stage.rounds(notifier, 1)
    assert stage.messages[2:] == ["no outcome for 60 s"]


def test_a_group_whose_positions_are_gone_tells_nothing_again(stage: Stage) -> None:
    stage.clock.utc = datetime.now(UTC)  # as the records
    first = stage.notifier()
    stage.publish(TOPICS.defects, *(defect(number, 60 * number) for number in range(5)))
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.rounds(first)
    stage.clock.move(40)
    stage.rounds(first)
    told = len(stage.ear.heard)
    assert told == 5
    stage.broker.expel(stage.consumer)
    stage.broker._groups.clear()  # as Kafka forgets an empty group
    stage.publish(TOPICS.defects, defect(9, 600))
    with capture_logs() as logs:
        again = stage.notifier()
        stage.rounds(again, 12)
    assert [alarm.frame_ids for alarm in stage.ear.heard[told:]] == [["f9"]]
    assert again.counts.passed_over == {"told-before": 6}
    assert any("where we remember" in entry["event"] for entry in logs)


@pytest.mark.parametrize("days", [3, -3], ids=["ours is ahead", "the writer's is ahead"])
def test_what_comes_after_the_start_is_news_whatever_the_clocks_say(
    stage: Stage, days: int
) -> None:
    stage.publish(TOPICS.defects, defect(1))
    stage.clock.utc = datetime.now(UTC) + timedelta(days=days)
    notifier = stage.notifier(max_age_s=86_400)
    stage.rounds(notifier)
    before = len(stage.ear.heard)
    stage.publish(TOPICS.defects, defect(2, 60), defect(3, 120))
    stage.rounds(notifier)
    assert [alarm.frame_ids for alarm in stage.ear.heard[before:]] == [["f2"], ["f3"]]


def test_a_topic_that_was_made_anew_is_news_whatever_its_records_say_of_time(
    stage: Stage,
) -> None:
    stage.clock.utc = datetime.now(UTC)
    first = stage.notifier()
    stage.publish(TOPICS.defects, *(defect(number, 60 * number) for number in range(5)))
    stage.rounds(first)
    stage.clock.move(40)
    stage.rounds(first)
    stage.broker.expel(stage.consumer)
    stage.broker._groups.clear()
    (log,) = stage.broker._topics[TOPICS.defects]
    log.clear()
    stage.publish(TOPICS.defects, defect(7, 700), defect(8, 800))
    log[:] = [replace(record, timestamp_ms=-1) for record in log]  # from a clock that is wrong
    told = len(stage.ear.heard)
    stage.rounds(stage.notifier(), 12)
    assert [alarm.frame_ids for alarm in stage.ear.heard[told:]] == [["f7"], ["f8"]]


def test_without_any_memory_the_age_bounds_what_is_told_again(stage: Stage) -> None:
    stage.publish(TOPICS.defects, defect(1))
    record = stage.broker.records(TOPICS.defects)[0]
    written = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    stage.clock.utc = written + timedelta(seconds=3700)
    with capture_logs() as logs:
        old = stage.notifier(max_age_s=3600)
        stage.rounds(old)
    assert (stage.ear.heard, old.counts.passed_over) == ([], {"too-old": 1})
    assert any("none remembered" in entry["event"] for entry in logs)
    stage.broker.expel(stage.consumer)
    stage.broker._groups.clear()
    (stage.folder / "watch.json").unlink()  # another machine, or an empty volume
    stage.rounds(stage.notifier(max_age_s=3800))
    assert len(stage.ear.heard) == 1


def test_a_topic_that_was_made_anew_is_read_from_its_start(stage: Stage) -> None:
    stage.clock.utc = datetime.now(UTC)  # as the records
    first = stage.notifier()
    stage.publish(TOPICS.defects, *(defect(number, 60 * number) for number in range(5)))
    stage.rounds(first)
    stage.clock.move(40)
    stage.rounds(first)
    stage.broker.expel(stage.consumer)
    stage.broker._groups.clear()
    stage.broker._topics[TOPICS.defects] = [[]]
    time.sleep(0.01)  # its records are newer, by their times
    stage.publish(TOPICS.defects, defect(20, 1200))
    stage.rounds(stage.notifier(), 12)
    assert stage.ear.heard[-1].frame_ids == ["f20"]


def test_what_was_told_before_a_crash_is_not_told_again(stage: Stage) -> None:
    for _ in range(4):  # crashes before the window closes, so nothing is committed
        stage.publish(TOPICS.defects, defect(1))
        stage.rounds(stage.notifier())
        stage.broker.expel(stage.consumer)
    assert len(stage.ear.heard) == 1


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_nothing_and_repeats_nothing(stage: Stage) -> None:
    for name in ("told.jsonl", "aside.jsonl", "watch.new"):
        (stage.folder / name).symlink_to("/dev/full")
    for start in range(4):
        notifier = stage.notifier()
        stage.publish(TOPICS.defects, defect(start, 60 * start))
        stage.publish(TOPICS.outcomes, outcome(start))
        stage.broker.producer().publish([Outgoing(TOPICS.defects, WireMessage(None, b"", ()))])
        with capture_logs() as logs:
            stage.rounds(notifier)
            stage.clock.move(40)
            stage.rounds(notifier)
        assert notifier.notes.failing
        said = [entry["setting"] for entry in logs if entry["log_level"] == "error"]
        assert said == ["notifier.folder"] * 3  # once for each file
        stage.consumer.close()
    frames = [frame for alarm in stage.ear.heard for frame in alarm.frame_ids]
    assert sorted(frames) == ["f0", "f1", "f2", "f3"]
    assert stage.committed[DEFECTS] == 8
