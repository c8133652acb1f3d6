"""The notifier on an in-memory broker: from events to alarms, and what survives a crash."""

import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schemas.alarm import Alarm
from schemas.camera_state import CameraState
from schemas.documents import samples
from schemas.envelope import WireMessage
from schemas.interruption import InterruptionCause
from schemas.message import Message
from schemas.outcome import FrameRef
from workers.notifier.assembly import make_notifier
from workers.notifier.clock import Now
from workers.notifier.loop import Membership, Notifier
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing, Partition, Record
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settings.process import TopicSettings

TOPICS = TopicSettings()
READ = (TOPICS.outcomes, TOPICS.defects, TOPICS.dead_letters)
GROUP = "notifiers"
DEFECTS = Partition("defects", 0)
OUTCOMES = Partition("outcomes", 0)


class Clock:
    """Times that move when they are told to. The samples were decided at 09:26:53."""

    def __init__(self) -> None:
        self.s = 1000.0
        self.utc = datetime(2026, 3, 14, 9, 27, tzinfo=UTC)

    def __call__(self) -> Now:
        return Now(self.s, self.utc)

    def move(self, seconds: float) -> None:
        self.s += seconds
        self.utc += timedelta(seconds=seconds)

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.utc += timedelta(seconds=seconds)


class Ear:
    """Where the loop hands alarms over; `safe` says that they may be committed."""

    def __init__(self) -> None:
        self.heard: list[Alarm] = []
        self.safe = True

    def deliver(self, alarms: Sequence[Alarm]) -> None:
        self.heard += alarms


class Stage:
    """A broker, a clock, and notifiers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broker, self.clock = folder, MemoryBroker(), Clock()
        for topic in READ:
            self.broker.create_topic(topic, 1)
        self.ear = Ear()

    def notifier(self, states: object = None, **settings: object) -> Notifier:
        membership = Membership()
        self.consumer = self.broker.consumer(GROUP, READ, membership)
        given = {"folder": self.folder, "commit_every_s": 0, "max_age_s": 1e9} | settings
        return make_notifier(
            NotifierProcessSettings.load(None, {f"notifier.{k}": v for k, v in given.items()}),
            self.consumer,
            membership,
            self.ear,  # type: ignore[arg-type]
            states=states,  # type: ignore[arg-type]
            clock=self.clock,
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


# Clocks.


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


# Told once.


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


# The same id again.


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


# Ends and beginnings.


class Announced:
    """Camera states as a feed hands them over."""

    def __init__(self, *states: CameraState | bytes) -> None:
        self.records = [
            Record(Partition(TOPICS.camera_states, 0), n, *_content(each), 0)
            for n, each in enumerate(states)
        ]

    def take(self) -> list[Record]:
        found, self.records = self.records, []
        return found


def _content(state: CameraState | bytes) -> tuple:
    if isinstance(state, bytes):
        return None, state, ()
    message = state.encode()
    return message.key, message.value, message.headers


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


# Whatever a record holds.


def altered(message: Message, **changes: object) -> WireMessage:
    record = message.encode()
    body = json.loads(record.value)
    for path, value in changes.items():
        *parents, leaf = path.split("__")
        node = body
        for parent in parents:
            node = node[parent]
        node[leaf] = value
    text = json.dumps(body).replace('"10^400"', "1" + "0" * 400).replace('"10^5000"', "9" * 5000)
    return WireMessage(record.key, text.encode(), record.headers)


FAR = "9999-12-31T23:59:59.999Z"
OUT, DEF, DEAD = samples.OUTCOME, samples.DEFECT, samples.INTERRUPTION
SWAPPED = {"decided_at": "0001-01-01T00:00:00+14:00"}  # before year 1
HUGE = {"image_score": 1e308, "image_threshold": -1e308}
TYPED = (("ce_type", b"\x01" * 4_000_000),)
ODD = {
    "a topic of 300 characters": altered(DEAD, topic="x" * 300),
    "an empty topic": altered(DEAD, topic="", partition=None),
    "year 9999": altered(DEF, decided_at=FAR),
    "year 9999 under another id": altered(DEF, decided_at=FAR, outcome_id="a" * 32),
    "year 1": altered(DEF, decided_at="0001-01-01T00:00:00Z"),
    "a zone before year 1": altered(DEF, **SWAPPED),
    "an outcome of year 9999": altered(OUT, decided_at=FAR, frame__captured_at=FAR),
    "a sequence of 10^400": altered(OUT, frame__sequence="10^400"),
    "a sequence of 5000 digits": altered(OUT, frame__sequence="10^5000"),
    "records of 10^400": altered(DEAD, records="10^400"),
    "a long epoch": altered(OUT, frame__epoch="e" * 1_000_000),
    "half a surrogate": altered(DEF, worker_id="\ud800"),
    "a control character": altered(DEF, frame__category="\x1b[31m"),
    "a score of 1e308": altered(DEF, **HUGE),
    "a key of 4 MB": WireMessage(b"k" * 4_000_000, b"", ()),
    "a type of 4 MB": WireMessage(b"", b"{}", TYPED),
    "deep nesting": WireMessage(b"", b"[" * 1_000_000, DEF.encode().headers),
    "a link of 1 MB": altered(DEF, evidence__heatmap="h" * 1_000_000),
    "nothing": WireMessage(None, b"", ()),
}


def topic_of(odd: WireMessage) -> str:
    kind = dict(odd.headers).get("ce_type", b"")
    found = {b"outcome": TOPICS.outcomes, b"interruption": TOPICS.dead_letters}
    return next((topic for name, topic in found.items() if name in kind), TOPICS.defects)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_record_costs_no_good_one(stage: Stage, name: str) -> None:
    notifier = stage.notifier()
    odd = ODD[name]
    topic = topic_of(odd)
    stage.broker.producer().publish([Outgoing(topic, odd), Outgoing(topic, odd)])
    stage.publish(TOPICS.defects, defect(7))
    stage.publish(TOPICS.outcomes, outcome(1), outcome(4))
    with capture_logs() as logs:
        for _ in range(80):
            stage.clock.move(1)
            stage.rounds(notifier, 2)
    frames = {frame for alarm in stage.ear.heard for frame in alarm.frame_ids}
    assert "f7" in frames
    assert any("sequence 2 to 3" in message for message in stage.messages)
    assert notifier.counts.events == 5
    assert sum(stage.committed.values()) == 5  # nothing stands
    for alarm in stage.ear.heard:
        assert len(alarm.encode().value) < 5000
        assert alarm.first_seen.year in {2026, datetime.now(UTC).year}
    assert max(len(str(entry)) for entry in logs) < 3000


def test_a_record_that_cannot_be_read_is_set_aside_with_its_coordinates(stage: Stage) -> None:
    notifier = stage.notifier()
    junk = [Outgoing(TOPICS.defects, WireMessage(b"%d" % n, b"", ())) for n in range(50)]
    stage.broker.producer().publish(junk)
    stage.rounds(notifier)
    stage.clock.move(40)
    stage.rounds(notifier)
    lines = [json.loads(line) for line in (stage.folder / "aside.jsonl").read_text().splitlines()]
    assert [(x["topic"], x["partition"], x["offset"]) for x in lines] == [
        ("defects", 0, n) for n in range(50)
    ]
    assert "ce_type is missing" in lines[0]["reason"]
    assert len(stage.ear.heard) <= 3  # one group, whatever keys they have
    assert sum(alarm.count for alarm in stage.ear.heard) == notifier.counts.unreadable == 50
    assert "cannot be read" in stage.ear.heard[0].message


def test_what_is_set_aside_is_bounded(stage: Stage) -> None:
    notifier = stage.notifier(aside_max_bytes=2000)
    junk = [Outgoing(TOPICS.defects, WireMessage(b"", b"", ())) for _ in range(200)]
    stage.broker.producer().publish(junk)
    stage.rounds(notifier, 12)
    sizes = [path.stat().st_size for path in stage.folder.glob("aside*.jsonl")]
    assert len(sizes) == 2
    assert max(sizes) <= 2000
