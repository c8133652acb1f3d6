"""Ids used again, ends in order, and the all-clear, through the loop."""

from datetime import timedelta

from stage import (
    DEFECTS,
    TOPICS,
    Announced,
    Stage,
    defect,
    outcome,
    ref,
)

from schemas.documents import samples
from schemas.interruption import InterruptionCause


def test_eight_defects_under_one_id_are_eight(stage: Stage) -> None:
    notifier = stage.notifier()
    same = {"frame_id": "1"}
    events = [
        samples.DEFECT.model_copy(update={"frame": ref(number, **same), "outcome_id": "0" * 32})
        for number in range(8)
    ]
    outcomes = [
        samples.OUTCOME.model_copy(update={"frame": ref(number, **same), "outcome_id": "0" * 32})
        for number in range(8)
    ]
    stage.publish(TOPICS.defects, *events, *events)  # and all of them delivered twice
    stage.publish(TOPICS.outcomes, *outcomes)
    stage.rounds(notifier)
    stage.clock.move(40)
    stage.rounds(notifier)
    defects = [alarm for alarm in stage.ear.heard if alarm.cause == "defect"]
    assert sum(alarm.count for alarm in defects) == 8
    doubts = [alarm for alarm in stage.ear.heard if alarm.cause == "camera-contradiction"]
    assert "camera contradicts itself: frame id '1'" in doubts[0].message
    assert notifier.watch.identities.repeated == 7


def test_an_announced_end_is_no_alarm_and_a_broken_one_costs_nothing(stage: Stage) -> None:
    end = samples.CAMERA_STATE.model_copy(update={"frames": 2, "announced_at": stage.clock.utc})
    notifier = stage.notifier(states=Announced(b"[" * 10_000, end))
    stage.publish(TOPICS.outcomes, outcome(0), outcome(1))
    stage.rounds(notifier)
    for _ in range(100):
        stage.clock.move(1)
        stage.rounds(notifier, 1)
    assert [alarm.cause for alarm in stage.ear.heard] == ["unreadable-event"]
    assert stage.ear.heard[0].camera_id == TOPICS.camera_states


def test_an_all_clear_follows_a_silence(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.outcomes, outcome(1))
    stage.rounds(notifier)
    for _ in range(61):
        stage.clock.move(1)
        stage.rounds(notifier, 1)
    stage.publish(TOPICS.outcomes, outcome(2))
    stage.rounds(notifier)
    silence, clear = stage.ear.heard
    assert (silence.phase, silence.severity) == ("first", "critical")
    assert (clear.phase, clear.severity, clear.cause) == ("all-clear", "info", silence.cause)
    assert clear.camera_id == silence.camera_id


def test_an_all_clear_follows_when_a_stopped_worker_inspects_again(stage: Stage) -> None:
    stop = samples.INTERRUPTION.model_copy(
        update={
            "cause": InterruptionCause.STOPPED,
            "partition": None,
            "noticed_at": samples.DECIDED,
        }
    )
    notifier = stage.notifier()
    stage.publish(TOPICS.dead_letters, stop)
    stage.rounds(notifier)
    stage.publish(TOPICS.outcomes, outcome(1))  # it was in work at the stop
    stage.rounds(notifier)
    assert len(stage.ear.heard) == 1
    stage.broker.expel(stage.consumer)
    again = stage.notifier()  # what stopped is remembered
    later = samples.DECIDED + timedelta(seconds=40)
    stage.publish(TOPICS.outcomes, outcome(2).model_copy(update={"decided_at": later}))
    stage.rounds(again)
    _, clear = stage.ear.heard
    assert (clear.phase, clear.cause, clear.severity) == ("all-clear", "inspection-stopped", "info")
    assert clear.message == "frames: inspector-0 inspects again after 40 s"


def test_events_that_expired_unread_are_told(stage: Stage) -> None:
    stage.publish(TOPICS.defects, *(defect(number) for number in range(5)))
    stage.broker.expire(DEFECTS, 3)
    stage.rounds(stage.notifier())
    expired = next(alarm for alarm in stage.ear.heard if alarm.cause == "events-expired")
    assert (expired.count, expired.severity) == (3, "critical")
    assert "3 events of defects 0 (0 to 2)" in expired.message
