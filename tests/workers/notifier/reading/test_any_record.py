"""Whatever a record holds: it is handled or set aside, and the next is read."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from stage import (
    TOPICS,
    Announced,
    Stage,
    defect,
    outcome,
    ref,
)
from structlog.testing import capture_logs

from schemas.camera_state import CameraCondition
from schemas.documents import samples
from schemas.envelope import WireMessage
from schemas.interruption import InterruptionCause
from schemas.message import Message
from workers.notifier.watching import pauses
from workers.runtime.bus.ports import Outgoing


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


def test_what_is_remembered_does_not_grow_with_what_a_record_says(stage: Stage) -> None:
    notifier = stage.notifier()
    long = "x" * 300_000
    for number in range(4):
        said = outcome(number)
        record = said.record.model_copy(update={"topic": long})
        frame = ref(number, camera_id=f"cam-{number}")
        changes = {"record": record, "frame": frame, "worker_id": long}
        stage.publish(TOPICS.outcomes, said.model_copy(update=changes))
        stopped = {
            "interruption_id": f"{number:032x}",
            "cause": InterruptionCause.STOPPED,
            "topic": long,
            "partition": None,
            "worker_id": f"{number}{long}",
        }
        told = samples.INTERRUPTION.model_copy(update=stopped)
        stage.publish(TOPICS.dead_letters, told)
    stage.rounds(notifier, 8)
    notifier._stopped.restore([["worker", long, "2026-01-01T00:00:00Z"]])
    assert len(notifier.watch.roster) == 4
    assert len(notifier._stopped.snapshot()) == 5
    kept = notifier._snapshot({})
    assert len(json.dumps(kept)) < 20_000


def test_a_flood_of_pauses_is_matched_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    fnmatch = pauses.fnmatchcase
    monkeypatch.setattr(pauses, "fnmatchcase", lambda *a: asked.append(a) or fnmatch(*a))
    pause = samples.CAMERA_STATE.model_copy(
        update={
            "state": CameraCondition.PAUSED,
            "until": stage.clock.utc + timedelta(hours=1),
            "announced_at": stage.clock.utc,
        }
    )
    states = [pause.model_copy(update={"camera": f"other-{n}-*"}) for n in range(100)]
    states.append(pause.model_copy(update={"camera": "cam-1"}))
    notifier = stage.notifier(states=Announced(*states))
    for number in range(10):
        said = outcome(number).model_copy(update={"frame": ref(number, camera_id=f"cam-{number}")})
        stage.publish(TOPICS.outcomes, said)
    stage.rounds(notifier, 20)
    assert len(asked) <= 10 * 101
    for _ in range(62):
        stage.clock.move(1)
        stage.rounds(notifier, 1)
    silent = {alarm.camera_id for alarm in stage.ear.heard if alarm.cause == "camera-silent"}
    assert silent == {f"cam-{n}" for n in range(10) if n != 1}
