"""The notifier on an in-memory broker: from events to alarms, and what survives a crash."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schemas.alarm import Alarm
from schemas.documents import samples
from schemas.envelope import WireMessage
from schemas.message import Message
from schemas.outcome import FrameRef
from workers.notifier.channels import Channel, DeliveryFailed
from workers.notifier.deliver import Courier, Delivery
from workers.notifier.loop import Membership, Notifier
from workers.notifier.memory import WatchMemory
from workers.notifier.rules import Rules
from workers.notifier.settings import DeliverySettings, RuleSettings, WatchSettings
from workers.notifier.undelivered import Undelivered
from workers.notifier.watch import Watch
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing, Partition
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settings.process import TopicSettings

TOPICS = TopicSettings()
READ = (TOPICS.outcomes, TOPICS.defects, TOPICS.dead_letters)
GROUP = "notifiers"
DEFECTS = Partition("defects", 0)
OUTCOMES = Partition("outcomes", 0)


class Clock:
    """A time that moves when it is told to. The samples were decided at 09:26:53."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 14, 9, 27, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Ear:
    """A channel that remembers, and can be deaf."""

    name = "ear"

    def __init__(self) -> None:
        self.heard: list[Alarm] = []
        self.deaf = False

    def send(self, alarm: Alarm) -> None:
        if self.deaf:
            raise DeliveryFailed("deaf")
        self.heard.append(alarm)


class Stage:
    """A broker, a clock, and notifiers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broker, self.clock = folder, MemoryBroker(), Clock()
        for topic in READ:
            self.broker.create_topic(topic, 1)
        self.ear = Ear()

    def notifier(self) -> Notifier:
        settings = DeliverySettings(attempts=1)
        channel: Channel = self.ear
        courier = Courier(channel, Undelivered(self.folder, channel.name, 2**20), settings)
        membership = Membership()
        memory = WatchMemory(self.folder)
        watch = Watch(WatchSettings(), self.clock())
        watch.restore(memory.load() or {"positions": [], "cameras": []}, self.clock())
        self.consumer = self.broker.consumer(GROUP, READ, membership)
        return Notifier(
            self.consumer,
            membership,
            Rules(RuleSettings()),
            watch,
            Delivery([courier], self.clock),
            topics=TOPICS,
            memory=memory,
            commit_every_s=0,
            now=self.clock,
        )

    def publish(self, topic: str, *messages: Message) -> None:
        self.broker.producer().publish(Outgoing(topic, m.encode()) for m in messages)

    def rounds(self, notifier: Notifier, count: int = 6) -> None:
        for _ in range(count):
            notifier.step(0)

    @property
    def messages(self) -> list[str]:
        return [alarm.message.partition(": ")[2] for alarm in self.ear.heard]

    @property
    def committed(self) -> dict[Partition, int]:
        return self.broker.committed(GROUP)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def ref(number: int, **changes: object) -> FrameRef:
    frame = samples.OUTCOME.frame
    assert frame is not None
    return frame.model_copy(update={"frame_id": f"f{number}", "sequence": number} | changes)


def defect(number: int, seconds: float = 0) -> Message:
    decided = samples.DECIDED + timedelta(seconds=seconds)
    changes = {"outcome_id": f"{number:032x}", "frame": ref(number), "decided_at": decided}
    return samples.DEFECT.model_copy(update=changes)


def outcome(sequence: int) -> Message:
    changes = {"outcome_id": f"{sequence:032x}", "frame": ref(sequence)}
    return samples.OUTCOME.model_copy(update=changes)


def test_a_defect_becomes_an_alarm(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    (alarm,) = stage.ear.heard
    assert alarm.message == "line-1-cam-2: defect on fryum: score 4.81, threshold 3.2"
    assert alarm.frame_ids == ["f1"]
    assert alarm.evidence == "evidence/019ceb8a/heatmap.png"


def test_a_dead_letter_becomes_a_not_inspected_alarm(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.publish(TOPICS.dead_letters, samples.DEAD_LETTER)
    stage.rounds(notifier)
    (alarm,) = stage.ear.heard
    assert (alarm.kind.value, alarm.cause) == ("not-inspected", "undecodable")
    assert "frames 2:90125" in alarm.message


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
    assert (unreadable.cause, unreadable.camera_id) == ("unreadable-event", "line-1-cam-2")
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
    first, repeated, summary = stage.ear.heard
    assert first.alarm_id == repeated.alarm_id
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


def test_an_alarm_on_disk_lets_positions_move_and_goes_out_later(stage: Stage) -> None:
    notifier = stage.notifier()
    stage.ear.deaf = True
    stage.publish(TOPICS.defects, defect(1))
    stage.rounds(notifier)
    stage.clock.move(32)
    stage.rounds(notifier)
    assert (stage.committed[DEFECTS], stage.ear.heard) == (1, [])
    stage.broker.expel(stage.consumer)
    stage.ear.deaf = False
    stage.rounds(stage.notifier())
    assert [alarm.frame_ids for alarm in stage.ear.heard] == [["f1"]]


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
    assert "2 events of defects 0 (1 to 2) could not be unpacked: gzip: damaged" in said.message
    assert notifier.counts.passed_over == 2
    stage.clock.move(70)
    stage.rounds(notifier)
    assert stage.committed[DEFECTS] == 3


def test_events_that_expired_unread_raise_an_alarm(stage: Stage) -> None:
    stage.publish(TOPICS.defects, defect(1), defect(2))
    stage.broker.expire(DEFECTS, 1)
    stage.rounds(stage.notifier())
    assert {alarm.cause for alarm in stage.ear.heard} == {"defect", "expired-events"}


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
    notifier._commit_every = timedelta(hours=1)
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
