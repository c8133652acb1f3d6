"""Alarms of defects wait for their pictures, but not for ever."""

from stage import DEFECTS, TOPICS, Announced, Stage, defect, explanation

from schemas.defect import Evidence
from workers.runtime.lifecycle import StopSignal


def test_an_alarm_waits_for_its_picture(stage: Stage) -> None:
    told = Announced()
    notifier = stage.notifier(explained=told)
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    assert stage.ear.heard == []
    assert stage.committed.get(DEFECTS, 0) == 0
    told.add(explanation(2), explanation(1))
    stage.rounds(notifier)
    (alarm,) = stage.ear.heard
    assert alarm.evidence == "s3://plant/outline.png"
    assert alarm.frame_ids == ["f1"]
    assert notifier.awaited.counts == {"came": 1}


def test_an_explanation_that_came_before_its_defect_is_remembered(stage: Stage) -> None:
    notifier = stage.notifier(explained=Announced(explanation(1)))
    stage.rounds(notifier)
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    assert [alarm.evidence for alarm in stage.ear.heard] == ["s3://plant/outline.png"]


def test_it_goes_without_when_the_time_is_over(stage: Stage) -> None:
    notifier = stage.notifier(explained=Announced(), picture_wait_s=4)
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    stage.clock.move(3.9)
    stage.rounds(notifier)
    assert stage.ear.heard == []
    stage.clock.move(0.2)
    stage.rounds(notifier)
    assert [alarm.evidence for alarm in stage.ear.heard] == [None]
    assert notifier.awaited.counts == {"late": 1}


def test_an_expired_frame_is_not_waited_for(stage: Stage) -> None:
    notifier = stage.notifier(explained=Announced(explanation(1, None)))
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    assert [alarm.evidence for alarm in stage.ear.heard] == [None]


def test_where_nobody_explains_nothing_waits_after_a_few(stage: Stage) -> None:
    told = Announced()
    notifier = stage.notifier(explained=told, picture_wait_s=5)
    for number in range(3):
        stage.publish(TOPICS.defects, defect(number, 40 * number))
        stage.rounds(notifier)
        stage.clock.move(40)
        stage.rounds(notifier)
    assert len(stage.ear.heard) == 3
    stage.publish(TOPICS.defects, defect(4, 160))
    stage.rounds(notifier)
    assert len(stage.ear.heard) == 4
    told.add(explanation(9))  # somebody does again
    stage.rounds(notifier)
    stage.clock.move(40)
    stage.publish(TOPICS.defects, defect(5, 240))
    stage.rounds(notifier)
    assert len(stage.ear.heard) == 4


def test_a_worker_of_before_brought_its_pictures_along(stage: Stage) -> None:
    links = {"evidence": Evidence(heatmap="s3://plant/heat.png"), "explanation": None}
    notifier = stage.notifier(explained=Announced())
    stage.publish(TOPICS.defects, defect(1).model_copy(update=links))
    stage.rounds(notifier)
    assert [alarm.evidence for alarm in stage.ear.heard] == ["s3://plant/heat.png"]


def test_the_worst_of_a_group_brings_its_own_picture(stage: Stage) -> None:
    pictures = [explanation(number, f"s3://plant/{number}.png") for number in (1, 2)]
    notifier = stage.notifier(explained=Announced(*pictures))
    worse = defect(2, 1).model_copy(update={"image_score": 9.0})
    stage.publish(TOPICS.defects, defect(1), worse)
    stage.rounds(notifier)
    stage.clock.move(40)
    stage.rounds(notifier)
    found = [alarm.evidence for alarm in stage.ear.heard]
    assert found == ["s3://plant/1.png", "s3://plant/2.png"]


def test_at_the_end_what_waits_is_told_without(stage: Stage) -> None:
    notifier = stage.notifier(explained=Announced())
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    stop = StopSignal()
    stop.set()
    notifier.run(stop)
    assert [alarm.evidence for alarm in stage.ear.heard] == [None]


def test_an_explanation_that_cannot_be_read_is_passed_over(stage: Stage) -> None:
    notifier = stage.notifier(explained=Announced(b"{", explanation(1)))
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    assert [alarm.evidence for alarm in stage.ear.heard] == ["s3://plant/outline.png"]
