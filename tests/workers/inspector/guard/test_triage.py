"""The frame that kills workers is found, and only that frame is given up."""

import threading
import time
from datetime import UTC, datetime

import pytest

from workers.inspector.guard.crash_log import CrashLog
from workers.inspector.guard.triage import Left, Limits, Triage, TrialImpossible
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.settling.results import Ticket
from workers.runtime.store.memory import MemoryStore

P, Q = Partition("frames", 0), Partition("frames", 1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ATTEMPTS = 2


class Killed(BaseException):
    """The process is gone: nothing after it runs."""


class Trials:
    """Processes that die of some offsets; `impossible`: none can be started."""

    def __init__(self, deadly: frozenset[int] = frozenset(), *, impossible: bool = False):
        self.deadly, self.impossible = deadly, impossible
        self.tried: list[int] = []

    def survives(self, ticket: Ticket) -> bool:
        if self.impossible:
            raise TrialImpossible("no memory")
        self.tried.append(ticket.record.offset)
        return ticket.record.offset not in self.deadly

    def close(self) -> None:
        """Nothing to end."""


class Worker:
    """A process that inspects at once, and dies of some offsets."""

    def __init__(
        self,
        store: MemoryStore,
        deadly: frozenset[int] = frozenset(),
        frames: int = 8,
        trials: Trials | None = None,
    ):
        self.done: list[int] = []
        self.together: list[int] = []  # how many were tried since nothing was in work
        self.rejected: list[tuple[int, int]] = []
        self.deadly = deadly
        self._batch: list[int] = []
        limits = Limits(frames, group=4, attempts=ATTEMPTS)
        self.trials = trials or Trials(deadly)
        self.triage = Triage(
            *(CrashLog(store, "g"), limits, self.inspect, self.reject, self.idle),
            trials=self.trials,
        )

    def inspect(self, ticket: Ticket) -> None:
        self._batch.append(ticket.record.offset)

    def idle(self) -> bool:
        """Does all work: a batch that holds a deadly frame ends the process before any is done."""
        batch, self._batch = self._batch, []
        if self.deadly & set(batch):
            raise Killed
        self.done += batch
        self.together += [len(batch)] if batch else []
        return True

    def reject(self, ticket: Ticket, alone: int) -> None:
        self.rejected.append((ticket.record.offset, alone))

    def read(self, *offsets: int, partition: Partition = P, lease: int = 1) -> bool:
        """False when it died of them."""
        stop = threading.Event()
        try:
            for offset in offsets:
                record = Record(partition, offset, None, b"", (), 0)
                self.triage._take(Ticket(record, lease, NOW, 1), stop)
            self.triage._try_group(stop)
            self.idle()
        except Killed:
            return False
        return True


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_the_frame_that_kills_is_rejected_and_the_others_are_inspected(store: MemoryStore) -> None:
    deaths = 0
    while not (worker := Worker(store, frozenset({6}))).read(*range(10)):
        deaths += 1
        assert not worker.rejected
    assert deaths == 2  # in company, in its group; then a process of its own dies
    assert worker.trials.tried == [4, 5, 6, 6, 7]
    assert worker.done == [n for n in range(10) if n != 6]
    assert worker.rejected == [(6, ATTEMPTS)]


def test_marks_that_somebody_wrote_reject_no_frame(store: MemoryStore) -> None:
    for mark in (
        b"x 0 40",
        b"x 0 " + b"9" * 18,
        b"x",
        b"x 0 " + b"9" * 5000,
        "x 0 \u00b2".encode(),
    ):
        store.put("in-work:g:frames:0", mark)
        for offset in range(40):
            store.put(f"attempts:g:frames:0:{offset}", b"99")
        worker = Worker(store)
        assert worker.read(*range(40))
        assert (worker.done, worker.rejected) == (list(range(40)), [])
        assert len(worker.trials.tried) <= 4  # as many as a group holds


def test_a_frame_that_only_the_worker_dies_of_is_not_rejected(store: MemoryStore) -> None:
    """It died of something else: of publishing, say."""
    for _ in range(10):
        worker = Worker(store, frozenset({2}), trials=Trials())
        assert not worker.read(*range(4))
        assert worker.rejected == []


def test_a_frame_that_kills_only_sometimes_is_not_rejected(store: MemoryStore) -> None:
    class Sometimes(Trials):
        def survives(self, ticket: Ticket) -> bool:
            super().survives(ticket)
            return len(self.tried) % 2 == 0

    store.put("in-work:g:frames:0", b"x 0 4")
    worker = Worker(store, trials=Sometimes())
    assert worker.read(*range(4))
    assert worker.rejected == []


def test_without_a_trial_process_frames_go_on(store: MemoryStore) -> None:
    store.put("in-work:g:frames:0", b"x 0 4")
    worker = Worker(store, trials=Trials(impossible=True))
    assert worker.read(*range(4))
    assert (worker.done, worker.rejected) == ([0, 1, 2, 3], [])


def test_two_deadly_frames_are_both_found(store: MemoryStore) -> None:
    rejected: set[int] = set()
    for _ in range(12):
        worker = Worker(store, frozenset({1, 6}))
        done = worker.read(*(n for n in range(10) if n not in rejected))
        rejected |= {offset for offset, _ in worker.rejected}
        if done:
            break
    assert rejected == {1, 6}


def test_a_death_that_no_frame_caused_costs_no_frame(store: MemoryStore) -> None:
    for _ in range(10):  # killed from outside, each time after its frames were done
        worker = Worker(store)
        assert worker.read(0, 1)
        assert worker.done == [0, 1]
        assert worker.rejected == []


def test_suspected_frames_are_tried_in_groups(store: MemoryStore) -> None:
    Worker(store).read(0)
    second = Worker(store, frames=6)
    second.read(*range(10))
    assert second.together == [4, 2, 4]  # the last ones are free of suspicion: no group
    assert second.triage._suspected == {}


def test_a_group_that_died_is_tried_one_by_one_and_what_follows_is_not(store: MemoryStore) -> None:
    Worker(store).read(0)
    assert not Worker(store, frozenset({2})).read(*range(8))
    third = Worker(store)
    third.read(*range(8))
    assert third.together == [1, 1, 1, 1, 4]


def test_after_an_orderly_end_nothing_is_suspected(store: MemoryStore) -> None:
    first = Worker(store)
    first.read(0)
    first.triage.leave()
    second = Worker(store)
    second.read(*range(8))
    assert second.together == [8]


def test_a_partition_that_was_handed_over_is_not_suspected(store: MemoryStore) -> None:
    first = Worker(store)
    first.read(0)
    first.read(0, partition=Q)
    first.triage.leave(frozenset({P}))
    second = Worker(store)
    second.read(1)
    second.read(1, partition=Q)
    assert set(second.triage._suspected) == {Q}


def test_a_late_farewell_leaves_the_mark_of_the_new_owner(store: MemoryStore) -> None:
    first, second = Worker(store), Worker(store)
    first.read(0)
    second.read(1)
    first.triage.leave()
    assert CrashLog(store, "g").open(P) is not None


def test_the_thread_tries_groups_and_takes_marks_away(store: MemoryStore) -> None:
    Worker(store).read(0)
    worker = Worker(store)
    stop = threading.Event()
    thread = threading.Thread(target=worker.triage.run, args=(stop,))
    for offset in range(3):
        worker.triage.put(Ticket(Record(P, offset, None, b"", (), 0), 1, NOW, 1))
    worker.triage.put(Left(frozenset({P})))
    thread.start()
    deadline = time.monotonic() + 5
    while store.get("in-work:g:frames:0") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    stop.set()
    thread.join(5)
    assert worker.done == [0, 1, 2]


def test_without_the_store_frames_pass(store: MemoryStore) -> None:
    store.available = False
    worker = Worker(store)
    assert worker.read(0, 1)
    worker.triage.leave()
    assert worker.done == [0, 1]


def test_a_mark_that_cannot_be_read_is_a_death(store: MemoryStore) -> None:
    store.put("in-work:g:frames:0", b"\xff 1 x")
    worker = Worker(store)
    worker.read(0)
    assert worker.triage._suspected
