"""Whose turn it is, by a clock of its own."""

from collections import Counter
from functools import partial

from workers.inspector.pipeline.turns import Turn, Turns

SLOW_S = 2.5


class Threads:
    """Some threads that run tasks of known length, one event after another."""

    def __init__(self, size: int) -> None:
        self.now, self.size = 0.0, size
        self.turns = Turns(size, SLOW_S, lambda: self.now)
        self.running: list[tuple[float, Turn]] = []
        self.ran: list[tuple[float, str]] = []  # when a task began, of whom
        self.lengths: list[float] = []  # a task appends its own

    def put(self, line: str, seconds: float, count: int = 1) -> None:
        for _ in range(count):
            self.turns.put(line, partial(self.lengths.append, seconds))

    def start(self) -> None:
        while len(self.running) < self.size and (turn := self.turns.take()):
            turn.task()
            self.running.append((self.now + self.lengths[-1], turn))
            self.ran.append((self.now, str(turn.line)))

    def run(self, until: float) -> None:
        self.start()
        while self.running and min(end for end, _ in self.running) <= until:
            first = min(self.running, key=lambda pair: pair[0])
            self.running.remove(first)
            self.now = first[0]
            self.turns.done(first[1])
            self.start()
        self.now = until

    def counts(self) -> Counter[str]:
        return Counter(name for _, name in self.ran)


def test_one_line_uses_all_threads_in_its_order() -> None:
    threads = Threads(2)
    threads.put("a", 1.0, 10)
    threads.run(4.9)
    assert threads.counts() == {"a": 10}
    assert [began for began, _ in threads.ran] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_lines_of_equal_length_take_turns() -> None:
    threads = Threads(1)
    for name in "abc":
        threads.put(name, 1.0, 5)
    threads.run(5.9)
    assert threads.counts() == {"a": 2, "b": 2, "c": 2}


def test_a_slow_line_delays_the_others_once_and_then_leaves_them_a_thread() -> None:
    threads = Threads(2)
    threads.put("slow", 5.0, 20)
    for _ in range(60):
        threads.put("good", 0.01)
        threads.put("other", 0.01)
        threads.run(threads.now + 1.0)
    assert threads.counts()["good"] == threads.counts()["other"] == 60
    seconds = Counter(int(began) for began, name in threads.ran if name != "slow")
    assert min(seconds) == 5  # the first were delayed, as nobody knew yet
    assert all(seconds[second] == 2 for second in range(6, 60))
    assert 10 <= threads.counts()["slow"] <= 14  # it goes on, on one thread


def test_two_slow_lines_do_not_take_both_threads() -> None:
    threads = Threads(2)
    threads.put("slow 1", 5.0, 20)
    threads.put("slow 2", 5.0, 20)
    threads.run(10.0)
    for _ in range(30):
        threads.put("good", 0.01)
        threads.run(threads.now + 1.0)
    assert threads.counts()["good"] >= 29
    assert threads.counts()["slow 1"] > 2 < threads.counts()["slow 2"]


def test_one_thread_gives_the_others_as_much_time_as_the_slow_line_had() -> None:
    threads = Threads(1)
    threads.put("slow", 5.0, 20)
    threads.put("good", 0.01, 2000)
    threads.run(11.0)
    assert threads.counts()["slow"] == 2
    assert 90 < threads.counts()["good"] < 600


def test_a_line_that_was_idle_has_no_claim_on_the_past() -> None:
    threads = Threads(1)
    threads.put("early", 0.1)
    threads.put("late", 0.1, 100)
    threads.run(8.0)
    threads.put("early", 0.1, 100)
    before = threads.counts()
    threads.run(10.0)
    after = threads.counts() - before
    assert abs(after["early"] - after["late"]) <= 2


def test_a_line_is_fast_again_after_one_fast_task() -> None:
    threads = Threads(2)
    threads.put("a", 5.0)
    threads.run(6.0)
    threads.put("a", 0.1)
    threads.run(7.0)
    threads.put("a", 1.0, 2)
    threads.run(7.5)
    assert [began for began, _ in threads.ran[-2:]] == [7.0, 7.0]
