"""From topics to answers on the in-memory broker: what is written down, sent, and sent again."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas.frame import Frame, encode_frame
from schemas.outcome import RejectReason, Verdict
from tests.workers.gate.parts import frame, outcome
from workers.gate.answers import Answer
from workers.gate.channels.channel import ChannelDown
from workers.gate.courier import Courier
from workers.gate.feed import Feed
from workers.gate.journal import Journal, read
from workers.gate.lane import Lane, Rules
from workers.gate.loop import Gate
from workers.gate.marks import Mark
from workers.gate.parts import Told, announced, judged
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.memory_reader import MemoryReader
from workers.runtime.bus.ports import Outgoing

PATIENCE_S = 20.0


class Wire:
    """A channel whose other end is this test."""

    name, moves = "wire", False

    def __init__(self) -> None:
        self.took: list[Answer] = []
        self.cut = False

    def open(self) -> None: ...

    def send(self, answer: Answer) -> None:
        if self.cut:
            raise ChannelDown("cut")
        self.took.append(answer)

    def beat(self, *, ready: bool) -> None: ...

    def close(self) -> None: ...


class Line:
    """A broker, and a gate that may be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broker, self.wire = folder, MemoryBroker(), Wire()
        for topic in ("frames", "outcomes"):
            self.broker.create_topic(topic, 2)
        self._stack = ExitStack()
        self.stopped = threading.Event()

    def start(self, deadline_s: float = 30.0) -> None:
        source: queue.Queue[Told] = queue.Queue(1000)
        self.feeds = [
            self._feed("outcomes", judged, source),
            self._feed("frames", announced, source),
        ]
        journal = self._stack.enter_context(Journal(self.folder))
        mark = Mark(self.folder, self.wire.name)
        courier = Courier(self.wire, lambda: True, beat_s=1, tolerance_s=0.05, mark=mark)
        lanes = {"line-1": Lane("line-1", Rules(deadline_s=deadline_s))}
        self.gate = Gate(lanes, source, journal, [courier])
        self.gate.restore(list(read(self.folder)))
        for each in (courier, *self.feeds):
            self._stack.enter_context(each)  # type: ignore[arg-type]
        self.stopped.clear()
        thread = threading.Thread(target=self._run)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(self.stopped.set)

    def _run(self) -> None:
        while not self.stopped.is_set():
            self.gate.step()

    def _feed(self, topic: str, how: Callable[..., Told | None], into: queue.Queue[Told]) -> Feed:
        return Feed(
            topic, lambda pulse, since: MemoryReader(self.broker, topic), how, into, back_s=60
        )

    def stop(self) -> None:
        self._stack.close()

    def send(self, *frames: Frame) -> None:
        for each in frames:
            self.broker.append(Outgoing("frames", encode_frame(each)))

    def judge(
        self,
        *frames: Frame,
        verdict: Verdict | None = Verdict.PASS,
        rejected: RejectReason | None = None,
    ) -> None:
        for each in frames:
            message = outcome(each, verdict, rejected).encode()
            self.broker.append(Outgoing("outcomes", message))

    def told(self, count: int) -> list[tuple[int, str]]:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.wire.took) < count:
            assert time.monotonic() < deadline, self.wire.took
            time.sleep(0.005)
        return [(each.key.number, each.decision.value) for each in self.wire.took]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    found = Line(tmp_path)
    yield found
    found.stop()


def test_outcomes_become_answers_in_order(line: Line) -> None:
    line.start()
    parts = [frame(number) for number in range(4)]
    line.send(*parts)
    line.judge(parts[1], parts[0])
    line.judge(parts[2], verdict=Verdict.DEFECT)
    line.judge(parts[3], verdict=None, rejected=RejectReason.UNDECODABLE)
    expected = [(0, "pass"), (1, "pass"), (2, "reject"), (3, "not-inspected")]
    assert line.told(4) == expected
    assert [(each.key.number, each.decision.value) for each in read(line.folder)] == expected
    assert line.gate.decisions == {"pass": 2, "reject": 1, "not-inspected": 1}


def test_a_part_that_nobody_judges_is_answered_in_time(line: Line) -> None:
    line.start(deadline_s=0.3)
    begun = time.monotonic()
    line.send(frame(0))
    assert line.told(1) == [(0, "not-inspected")]
    assert 0.2 < time.monotonic() - begun < 5
    assert not line.wire.took[0].late or time.monotonic() - begun > 0.35


def test_other_cameras_and_replays_are_nobodys_parts(line: Line) -> None:
    line.start()
    foreign, again = frame(0, camera="line-2"), frame(0)
    again = Frame(**{name: getattr(again, name) for name in again.__slots__} | {"run": "r1"})
    mine = frame(1)
    line.send(foreign, again, mine)
    line.judge(foreign, mine)
    assert line.told(1) == [(1, "pass")]


def test_a_start_answers_what_is_left_and_nothing_twice(line: Line) -> None:
    line.start()
    parts = [frame(number) for number in range(6)]
    line.send(*parts[:4])
    line.judge(*parts[:2])
    line.told(2)
    line.stop()
    line.judge(parts[2], verdict=Verdict.DEFECT)
    line.send(*parts[4:])
    line.wire.took.clear()
    line.start()
    line.judge(*parts[3:])
    told = line.told(6)
    again = [(each.key.number, each.again) for each in line.wire.took]
    assert told == [(n, "reject" if n == 2 else "pass") for n in range(6)]
    assert again == [(n, n < 2) for n in range(6)]  # the same answers, once more
    assert len(list(read(line.folder))) == 6


def test_a_start_that_does_not_know_what_arrived_says_again_what_may_still_help(
    line: Line,
) -> None:
    line.start()
    first, second = frame(0), frame(1)
    line.send(first)
    line.judge(first)
    line.told(1)
    line.stop()
    (line.folder / "sent.wire").write_text("of another folder")
    line.wire.took.clear()
    line.start()
    assert line.told(1) == [(0, "pass")]
    assert line.wire.took[0].again
    line.stop()
    (line.folder / "sent.wire").unlink()
    line.wire.took.clear()
    line.start(deadline_s=0.001)
    line.send(second)
    assert line.told(1) == [(1, "not-inspected")]


def test_a_start_repeats_so_few_answers_that_new_ones_do_not_wait(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.gate.loop._REPEATED", 2)
    line.start()
    parts = [frame(number) for number in range(7)]
    line.send(*parts[:6])
    line.judge(*parts[:4])
    line.told(4)
    line.wire.cut = True
    line.judge(*parts[4:6])
    _until(lambda: line.gate.decisions.total() == 6)
    line.stop()
    line.wire.cut = False
    line.wire.took.clear()
    line.start()
    line.send(parts[6])
    line.judge(parts[6])
    assert [number for number, _ in line.told(5)] == [2, 3, 4, 5, 6]


def test_what_was_decided_and_never_arrived_is_told_by_the_next_start_as_late(line: Line) -> None:
    line.start()
    parts = [frame(number) for number in range(3)]
    line.send(*parts)
    line.judge(parts[0])
    line.told(1)
    line.wire.cut = True
    line.judge(parts[1], verdict=Verdict.DEFECT)
    line.judge(parts[2])
    _until(lambda: line.gate.decisions.total() == 3)
    line.stop()
    line.wire.cut = False
    line.start(deadline_s=0.001)  # the time of all of them is over by now
    assert line.told(3) == [(0, "pass"), (1, "reject"), (2, "pass")]
    assert [each.late for each in line.wire.took] == [False, True, True]
    assert len(list(read(line.folder))) == 3


def test_a_record_that_tells_of_no_part_shows_as_a_missing_number(line: Line) -> None:
    line.start()
    first = frame(0)
    line.send(first)
    message = encode_frame(frame(1))
    spoiled = tuple((name, b"x" if name == "ce_time" else data) for name, data in message.headers)
    line.broker.append(Outgoing("frames", type(message)(message.key, message.value, spoiled)))
    line.send(frame(2))
    line.judge(first)
    assert line.told(2) == [(0, "pass"), (1, "not-inspected")]
    assert line.feeds[1].unreadable == 1


def test_a_broker_that_is_away_is_said_and_used_when_it_is_back(line: Line) -> None:
    line.start()
    first = frame(0)
    line.send(first)
    line.judge(first)
    line.told(1)
    line.broker.available = False
    _until(lambda: all(feed.problem for feed in line.feeds))
    line.broker.available = True
    _until(lambda: not any(feed.problem for feed in line.feeds))
    second = frame(1)
    line.send(second)
    line.judge(second)
    assert line.told(2) == [(0, "pass"), (1, "pass")]


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
