"""Hostile and broken records on every topic that the notifier reads, seeded, beside good ones.

Through the broker in memory and the real loop: every good one is told, and the process lives.
"""

import json
import random
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from stage import GROUP, READ, TOPICS, Announced, Stage, defect, ref
from structlog.testing import capture_logs

from schemas.documents import samples
from schemas.envelope import WireMessage
from schemas.message import Message
from schemas.outcome import FrameRef, Verdict
from schemas.review import Judgement, Review
from workers.runtime.bus.ports import Outgoing, Partition, Record

SEED = 20260314
ROUNDS = 12
BROKEN = 1000  # records of a round
GOOD = 100

MISSED = Review.of(
    samples.OUTCOME.model_copy(update={"verdict": Verdict.PASS}),
    Judgement.MISSED,
    by="ada",
    at=samples.DECIDED,
)
MESSAGES: dict[str, tuple[Message, ...]] = {
    TOPICS.outcomes: (samples.OUTCOME, samples.REJECTED),
    TOPICS.defects: (samples.DEFECT,),
    TOPICS.dead_letters: (samples.DEAD_LETTER, samples.INTERRUPTION),
    TOPICS.camera_states: (samples.CAMERA_STATE,),
    TOPICS.reviews: (samples.REVIEW, MISSED),
}
VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, 2**63, 10**17, 10**18, 10**400, 1e308, -1e308, 0.1),
    *("", "x" * 300, "x" * 100_000, "\x00", "\u202e", "\x1b[2J", "\ud800", "cam-" * 80),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "NaN"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", [], {}, [[]], {"a": {"b": []}}),
)
TEXTS = (b"", b"null", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000, b"\xff\xfe", b"{}", b'""')
HEADERS = (b"", b"\x00", b"\xff\xfe", b"9" * 400, b"x" * 300_000, b"\xe2\x80\xae", b"1.0")


def flip(random_: random.Random, data: bytes) -> bytes:
    """Other bytes, in one of the ways in which records break."""
    found = bytearray(data)
    for _ in range(random_.randint(1, 6)):
        at = random_.randrange(len(found) + 1)
        way = random_.randrange(4)
        if way == 0:
            found[at : at + 1] = random_.randbytes(1)
        elif way == 1:
            del found[at : at + random_.randint(1, 64)]
        elif way == 2:
            found[at:at] = random_.randbytes(random_.randint(1, 64))
        else:
            found = found[:at]
    return bytes(found)


def places(node: object) -> list[tuple[dict, str]]:
    """Every field of a message, however deep."""
    found: list[tuple[dict, str]] = []
    if isinstance(node, dict):
        for name, value in node.items():
            found += [(node, name), *places(value)]
    elif isinstance(node, list):
        for value in node:
            found += places(value)
    return found


def broken_value(random_: random.Random, message: Message) -> bytes | None:
    way = random_.random()
    if way < 0.2:
        return flip(random_, message.encode().value)
    if way < 0.3:
        return random_.choice((None, *TEXTS))
    body = json.loads(message.encode().value)
    for _ in range(random_.randint(1, 3)):
        node, name = random_.choice(places(body))
        node[name] = deepcopy(random_.choice(VALUES))
    return json.dumps(body).encode()


def broken_headers(random_: random.Random, message: Message) -> tuple[tuple[str, bytes], ...]:
    found = list(message.encode().headers)
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(len(found)) if found else 0
        way = random_.randrange(4)
        if way == 0 and found:
            del found[at]
        elif way == 1 and found:
            found[at] = (found[at][0], flip(random_, found[at][1]))
        elif way == 2 and found:
            found[at] = (found[at][0], random_.choice(HEADERS))
        else:
            found.append((random_.choice(("ce_type", "ce_time", "ce_x", "", "\u202e")), b"\xff"))
    return tuple(found)


def broken(random_: random.Random, message: Message) -> WireMessage:
    """A record that is broken in its key, its headers, its value, or all of them."""
    record = message.encode()
    key, value, headers = record.key, record.value, record.headers
    parts = random_.randrange(1, 8)
    if parts & 1:
        value = broken_value(random_, message)  # type: ignore[assignment]
    if parts & 2:
        headers = broken_headers(random_, message)
    if parts & 4:
        key = random_.choice((None, b"", b"\xff", b"k" * 100_000, b"cam\x00"))
    return WireMessage(key, value, headers)


def good_frame(number: int, camera: str) -> FrameRef:
    return ref(number, camera_id=camera)


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.slow
def test_a_broken_record_costs_no_good_one(tmp_path: Path, round_: int) -> None:
    random_ = random.Random(SEED + round_)  # noqa: S311
    stage = Stage(tmp_path)
    outgoing = [
        Outgoing(topic, broken(random_, random_.choice(MESSAGES[topic])))
        for topic in random_.choices(READ, k=BROKEN)
    ]
    for number in range(GOOD):  # defects, and a gap of one part in the outcomes of each camera
        camera = f"good-{number}"
        told = defect(number).model_copy(update={"frame": good_frame(number, camera)})
        outgoing.append(Outgoing(TOPICS.defects, told.encode()))
    order = list(range(len(outgoing)))
    random_.shuffle(order)
    seen = [
        Outgoing(
            TOPICS.outcomes,
            samples.OUTCOME.model_copy(
                update={"frame": good_frame(n, "watched"), "outcome_id": f"{n:032x}"}
            ).encode(),
        )
        for n in range(GOOD)
        if n != GOOD // 2
    ]
    stage.broker.producer().publish([*(outgoing[n] for n in order), *seen])
    announced = [
        Record(Partition(TOPICS.camera_states, 0), n, one.key, one.value, one.headers, 0)
        for n, one in enumerate(broken(random_, samples.CAMERA_STATE) for _ in range(BROKEN // 10))
    ]
    feed = Announced()
    feed.records = announced
    with capture_logs() as logs:
        notifier = stage.notifier(states=feed, **{"rules.max_windows": 10_000})
        for _ in range(120):
            notifier.step(0)
            stage.clock.move(1)
    told = Counter(frame for alarm in stage.ear.heard for frame in alarm.frame_ids)
    assert all(told[f"f{number}"] for number in range(GOOD))
    assert any(f"sequence {GOOD // 2}" in message for message in stage.messages)
    total = len(outgoing) + len(seen)
    assert notifier.counts.events == total + len(announced)
    assert sum(stage.broker.committed(GROUP).values()) == total  # nothing stands
    assert notifier.counts.unreadable > BROKEN // 4
    assert max(len(str(entry)) for entry in logs) < 4000
    assert "an alarm could not be made" not in {entry["event"] for entry in logs}
    for alarm in stage.ear.heard:
        alarm.decode(alarm.encode().headers, alarm.encode().value)


def test_the_sample_of_a_timestamp_that_nobody_can_believe(tmp_path: Path) -> None:
    """Times of records are a producer's word, too."""
    stage = Stage(tmp_path)
    notifier = stage.notifier()
    stage.publish(TOPICS.defects, *(defect(n, 60 * n) for n in range(4)))
    log = stage.broker._topics[TOPICS.defects][0]
    log[:] = [
        replace(r, timestamp_ms=t) for r, t in zip(log, (-1, 0, 2**62, -(2**62)), strict=True)
    ]
    stage.rounds(notifier)
    assert len(stage.ear.heard) == 4
    assert notifier.counts.unreadable == 0
