"""The notifier on an in-memory broker: from events to alarms, and what survives a crash."""

from datetime import timedelta

from stage import (
    DEFECTS,
    GROUP,
    OUTCOMES,
    READ,
    TOPICS,
    Stage,
    defect,
    outcome,
)
from structlog.testing import capture_logs

from schemas.documents import samples
from schemas.envelope import WireMessage
from schemas.outcome import Verdict
from schemas.review import Judgement, Review
from workers.runtime.bus.ports import Outgoing
from workers.runtime.lifecycle import StopSignal


def test_a_defect_becomes_an_alarm(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    (alarm,) = stage.ear.heard
    assert alarm.message == "line-1-cam-2: defect on fryum: score 4.81, threshold 3.2"
    assert alarm.frame_ids == ["f1"]
    assert alarm.evidence.startswith("s3://plant/evidence/")


def test_a_dead_letter_becomes_a_not_inspected_alarm(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.dead_letters, samples.DEAD_LETTER)
    stage.rounds(notifier)
    (alarm,) = stage.ear.heard
    assert (alarm.kind.value, alarm.cause) == ("not-inspected", "undecodable")
    assert "frames 2:90125" in alarm.message


def test_a_missed_defect_becomes_a_critical_alarm_about_its_category_once(stage: Stage) -> None:
    notifier = stage.notifier()
    passed = samples.OUTCOME.model_copy(update={"verdict": Verdict.PASS, "image_score": 2.1})
    for minutes in (1, 2):  # said again, of the same part
        at = samples.DECIDED + timedelta(minutes=minutes)
        said = Review.of(passed, Judgement.MISSED, by="ada", at=at, kind="scratch", note="packing")
        stage.publish(TOPICS.reviews, said)
    stage.publish(TOPICS.reviews, samples.REVIEW)  # a false alarm
    stage.rounds(notifier)
    (alarm,) = stage.ear.heard
    assert (alarm.kind.value, alarm.cause, alarm.severity.value) == (
        *("defect", "missed-defect"),
        "critical",
    )
    assert (alarm.category, alarm.frame_ids) == ("fryum", [samples.FRAME.frame_id])
    assert stage.messages == [
        "defect on fryum was missed (scratch), it scored 2.1, threshold 3.2; by ada: packing"
    ]


def test_an_interruption_becomes_a_critical_alarm(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.dead_letters, samples.INTERRUPTION)
    stage.rounds(notifier)
    (alarm,) = stage.ear.heard
    assert (alarm.kind.value, alarm.cause, alarm.severity.value) == (
        "not-inspected",
        "expired",
        "critical",
    )
    assert alarm.count == 1200


def test_a_dead_letter_without_a_camera_is_told_too(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.dead_letters, samples.DEAD_LETTER.model_copy(update={"frame": None}))
    stage.rounds(notifier)
    assert stage.ear.heard[0].camera_id == "frames-2"


def test_a_gap_and_a_silence_become_not_inspected_alarms(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.outcomes, outcome(1), outcome(4))
    stage.rounds(notifier)
    for _ in range(70):
        stage.clock.move(1)
        stage.rounds(notifier, 1)
    assert stage.messages == [
        "2 frames without an outcome (sequence 2 to 3)",
        "no outcome for 60 s",
    ]
    assert {alarm.kind.value for alarm in stage.ear.heard} == {"not-inspected"}


def test_an_event_that_cannot_be_read_is_told_and_the_next_is_handled(stage: Stage) -> None:
    notifier = stage.notifier()
    record = samples.DEFECT.encode()
    headers = tuple((n, v.replace(b".v1", b".v9")) for n, v in record.headers)
    newer = WireMessage(record.key, record.value, headers)
    stage.broker.producer().publish([Outgoing(TOPICS.defects, newer)])
    stage.publish(TOPICS.defects, defect(2))
    stage.rounds(notifier)
    unreadable, fine = stage.ear.heard
    assert (unreadable.cause, unreadable.camera_id) == ("unreadable-event", "defects")
    assert fine.cause == "defect"


def test_positions_wait_for_the_window_and_move_when_it_closes(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.defects, defect(1), defect(2, 1), defect(3, 2))
    stage.publish(TOPICS.outcomes, outcome(1), outcome(2))
    stage.rounds(notifier)
    assert stage.committed == {DEFECTS: 0, OUTCOMES: 2}
    stage.clock.move(32)
    stage.rounds(notifier)
    assert stage.committed == {DEFECTS: 3, OUTCOMES: 2}
    assert stage.ear.heard[-1].count == 2


def test_positions_pass_the_markers_of_transactions(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.rounds(notifier)
    partition = next(p for p in stage.committed if p == OUTCOMES)
    stage.consumer._positions[partition] += 1  # as the client does when it meets a marker
    stage.rounds(notifier)
    assert stage.committed[OUTCOMES] == 2


def test_after_a_crash_the_open_window_is_built_again_with_the_same_ids(stage: Stage) -> None:
    crashed = stage.notifier()
    stage.publish(TOPICS.defects, defect(1), defect(2, 1))
    stage.rounds(crashed)
    stage.broker.expel(stage.consumer)
    again = stage.notifier()
    stage.publish(TOPICS.defects, defect(3, 2))
    stage.rounds(again)
    stage.clock.move(32)
    stage.rounds(again)
    _, summary = stage.ear.heard  # the first one was told, and is not told again
    assert (summary.count, summary.frame_ids) == (2, ["f2", "f3"])


def test_after_a_crash_a_gap_across_it_is_seen(stage: Stage) -> None:
    crashed = stage.notifier()
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.rounds(crashed)
    stage.broker.expel(stage.consumer)
    stage.publish(TOPICS.outcomes, outcome(3))
    again = stage.notifier()
    stage.rounds(again)
    stage.clock.move(6)
    stage.rounds(again)
    assert stage.messages == ["1 frame without an outcome (sequence 2)"]


def test_what_nobody_was_told_and_no_disk_has_is_not_committed(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.ear.safe = False
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    stage.clock.move(32)
    stage.rounds(notifier)
    assert stage.committed.get(DEFECTS, 0) == 0
    stage.ear.safe = True
    stage.rounds(notifier)
    assert stage.committed[DEFECTS] == 1


def test_a_stop_closes_the_windows_and_commits(stage: Stage) -> None:
    notifier, stop = stage.notifier(), StopSignal()
    stage.publish(TOPICS.defects, defect(1), defect(2, 1))
    stage.rounds(notifier)
    stop.set()
    notifier.run(stop)
    assert [alarm.count for alarm in stage.ear.heard] == [1, 1]
    assert stage.committed[DEFECTS] == 2


def test_events_that_cannot_be_unpacked_raise_an_alarm_and_are_committed(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.defects, defect(1), defect(2), defect(3))
    stage.broker.spoil(DEFECTS, 1, 2, "gzip: damaged")
    stage.rounds(notifier)
    alarms = {alarm.cause: alarm for alarm in stage.ear.heard}
    assert set(alarms) == {"defect", "unreadable-event"}
    said = alarms["unreadable-event"]
    assert (said.severity, said.count) == ("critical", 2)
    assert "2 events of defects 0 (1 to 2) could not be unpacked (gzip: damaged)" in said.message
    assert notifier.counts.lost == 2
    stage.clock.move(70)
    stage.rounds(notifier)
    assert stage.committed[DEFECTS] == 3


def test_a_broker_that_is_away_is_waited_for_and_silence_is_still_told(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.rounds(notifier)
    stage.broker.available = False
    for _ in range(61):
        stage.clock.move(1)
        assert not notifier.step(0)
    assert notifier.away
    assert stage.messages == ["no outcome for 60 s"]
    stage.broker.available = True
    assert notifier.step(0)
    assert not notifier.away


def test_a_long_stall_of_our_own_is_nobodys_silence(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.rounds(notifier)
    stage.clock.move(100)
    assert notifier.stalled_s == 100
    stage.rounds(notifier)
    assert (notifier.stalled_s, stage.ear.heard) == (0, [])


def test_positions_of_a_lost_membership_are_left_to_the_next_owner(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.rounds(notifier)
    stage.publish(TOPICS.outcomes, outcome(2))
    stage.broker.expel(stage.consumer)
    notifier.step(0)
    assert stage.committed == {OUTCOMES: 1}


def test_partitions_that_move_away_take_their_windows_along(stage: Stage) -> None:
    first = stage.notifier()
    stage.publish(TOPICS.defects, defect(1), defect(2, 1))
    stage.rounds(first)
    stage.broker.expel(stage.consumer)
    stage.rounds(first)
    stage.clock.move(40)
    stage.rounds(first)
    assert len(stage.ear.heard) == 1  # no summary from the one that lost the partition
    assert DEFECTS not in stage.committed or stage.committed[DEFECTS] == 0


def test_what_was_revoked_since_the_last_round_is_not_committed(stage: Stage) -> None:
    notifier = stage.notifier()
    notifier._commit_every_s = 3600.0
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.publish(TOPICS.defects, defect(1))
    stage.publish(TOPICS.dead_letters, samples.DEAD_LETTER)
    stage.rounds(notifier)
    stage.broker.consumer(GROUP, READ)
    kept = stage.consumer.assignment()
    assert len(kept) < len(READ)
    with capture_logs() as logs:
        notifier._commit()
    assert set(stage.committed) == kept
    assert logs == []
