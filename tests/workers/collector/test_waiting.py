"""Frames and outcomes find each other within bounds."""

from datetime import UTC, datetime

import pytest

from schemas.documents import samples
from schemas.frame import Frame
from schemas.outcome import Outcome, RecordRef, Verdict, outcome_id
from workers.collector.outcomes import Waiting
from workers.runtime.bus.ports import Partition, Record


def frame(number: int, size: int = 10) -> Frame:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Frame(f"f{number}", "cam", "bolts", number, moment, "image/png", bytes(size))


def sent(number: int, size: int = 10) -> tuple[Frame, Record]:
    return frame(number, size), Record(Partition("frames", 0), number, None, None, (), 0)


def passed(of: Frame) -> Outcome:
    place = RecordRef(topic="frames", partition=0, offset=of.sequence)
    name = outcome_id(of.source, of.frame_id)
    changes = {"outcome_id": name, "verdict": Verdict.PASS, "record": place}
    return samples.OUTCOME.model_copy(update=changes)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waiting(clock: Clock, outcomes: int = 3, frame_bytes: int = 30) -> Waiting:
    return Waiting(outcomes=outcomes, frame_bytes=frame_bytes, wait_s=5, clock=clock)


def told(hall: Waiting, *, last: bool = False) -> list[tuple[str, str | None]]:
    return [(each.frame.frame_id, each.outcome) for each in hall.decided(last=last)]


@pytest.mark.parametrize("frame_first", [True, False])
def test_either_may_come_first(clock: Clock, frame_first: bool) -> None:
    hall = waiting(clock)
    steps = [lambda: hall.put(*sent(1)), lambda: hall.note(passed(frame(1)))]
    for step in steps if frame_first else reversed(steps):
        step()
    assert told(hall) == [("f1", "pass")]
    assert told(hall) == []
    assert len(hall) == 0


def test_a_frame_waits_so_long(clock: Clock) -> None:
    hall = waiting(clock)
    hall.put(*sent(1))
    clock.now = 4.9
    assert told(hall) == []
    clock.now = 5
    assert told(hall) == [("f1", None)]


def test_frames_beyond_the_memory_go_the_oldest_first(clock: Clock) -> None:
    hall = waiting(clock)
    for number in range(5):
        hall.put(*sent(number))
    assert told(hall) == [("f0", None), ("f1", None)]
    hall.note(passed(frame(2)))
    hall.put(*sent(5))
    assert told(hall) == [("f2", "pass")]
    assert told(hall, last=True) == [("f3", None), ("f4", None), ("f5", None)]


def test_outcomes_beyond_the_memory_are_counted(clock: Clock) -> None:
    hall = waiting(clock)
    for number in range(5):
        hall.note(passed(frame(number)))
    assert hall.forgotten == 2
    for number in (0, 4):
        hall.put(*sent(number))
    assert told(hall) == [("f4", "pass")]


def test_a_frame_that_is_delivered_twice_waits_once(clock: Clock) -> None:
    hall = waiting(clock)
    hall.put(*sent(1, size=20))
    hall.put(*sent(1, size=20))
    assert told(hall) == []  # and its bytes count once
    assert told(hall, last=True) == [("f1", None)]
