"""The frame that kills workers is found, and only that frame is given up."""

import threading
from datetime import UTC, datetime

import pytest

from workers.inspector.crash_log import CrashLog
from workers.inspector.triage import Left, Suspicion, Triage
from workers.inspector.work import Ticket
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.store.memory import MemoryStore

P, Q = Partition("frames", 0), Partition("frames", 1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 2


class Killed(BaseException):
    """The process is gone: nothing after it runs."""


class Worker:
    """A process that inspects at once, and dies of some offsets."""

    def __init__(self, store: MemoryStore, deadly: frozenset[int] = frozenset(), frames: int = 4):
        self.done: list[int] = []
        self.rejected: list[tuple[int, int]] = []
        self.deadly = deadly
        suspicion = Suspicion(frames, attempts=LIMIT)
        self.triage = Triage(
            CrashLog(store, "g"), suspicion, self.inspect, self.reject, lambda: True
        )

    def inspect(self, ticket: Ticket) -> None:
        if ticket.record.offset in self.deadly:
            raise Killed
        self.done.append(ticket.record.offset)

    def reject(self, ticket: Ticket, attempts: int) -> None:
        self.rejected.append((ticket.record.offset, attempts))

    def read(self, *offsets: int, partition: Partition = P, lease: int = 1) -> bool:
        """False when it died of them."""
        try:
            for offset in offsets:
                record = Record(partition, offset, None, b"", (), 0)
                self.triage._take(Ticket(record, lease, NOW, 1), threading.Event())
        except Killed:
            return False
        return True


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_the_frame_that_kills_is_rejected_and_the_others_are_inspected(store: MemoryStore) -> None:
    deadly, deaths = frozenset({2}), 0
    while True:
        worker = Worker(store, deadly)
        if worker.read(0, 1, 2, 3):
            break
        deaths += 1
    assert deaths == 1 + LIMIT  # once in company, then alone
    assert worker.done == [0, 1, 3]
    assert worker.rejected == [(2, LIMIT + 1)]


def test_two_deadly_frames_are_both_found(store: MemoryStore) -> None:
    while not (worker := Worker(store, frozenset({1, 2}))).read(0, 1, 2, 3):
        pass
    assert worker.done == [0, 3]
    assert [offset for offset, _ in worker.rejected] == [1, 2]


def test_a_death_that_no_frame_caused_costs_no_frame(store: MemoryStore) -> None:
    for _ in range(10):  # killed from outside, each time after its frames were done
        worker = Worker(store)
        assert worker.read(0, 1)
        assert worker.done == [0, 1]
        assert worker.rejected == []


def test_after_an_orderly_end_nothing_is_suspected(store: MemoryStore) -> None:
    first = Worker(store)
    first.read(0)
    first.triage.leave()
    second = Worker(store, deadly=frozenset({1}))
    assert not second.triage._suspects
    assert not second.read(1)
    assert not second.triage._suspects


def test_a_partition_that_was_handed_over_is_not_suspected(store: MemoryStore) -> None:
    first = Worker(store)
    first.read(0)
    first.read(0, partition=Q)
    first.triage.put(Left(frozenset({P})))
    first.triage.leave(first.triage._queue.get().partitions)  # type: ignore[union-attr]
    second = Worker(store)
    second.read(1)
    second.read(1, partition=Q)
    assert set(second.triage._suspects) == {Q}


def test_a_late_farewell_leaves_the_mark_of_the_new_owner(store: MemoryStore) -> None:
    first, second = Worker(store), Worker(store)
    first.read(0)
    second.read(1)
    first.triage.leave()
    third = Worker(store)
    third.read(2)
    assert P in third.triage._suspects


def test_suspicion_ends_with_what_can_have_been_in_work(store: MemoryStore) -> None:
    Worker(store).read(0)
    second = Worker(store, frames=2)
    second.read(0)
    assert second.triage._suspects == {P: 1}
    second.read(1)
    assert second.triage._suspects == {}


def test_without_the_store_frames_pass(store: MemoryStore) -> None:
    store.available = False
    worker = Worker(store)
    assert worker.read(0, 1)
    worker.triage.leave()
    assert worker.done == [0, 1]


def test_a_frame_runs_alone(store: MemoryStore) -> None:
    Worker(store).read(0)
    running, most = [], []
    idle = threading.Event()

    def inspect(ticket: Ticket) -> None:
        running.append(ticket)
        most.append(len(running))
        idle.clear()
        threading.Timer(0.02, finish).start()

    def finish() -> None:
        running.clear()
        idle.set()

    idle.set()
    log = CrashLog(store, "g")
    triage = Triage(log, Suspicion(3, LIMIT), inspect, lambda ticket, n: None, idle.is_set)
    stop = threading.Event()
    for offset in range(3):
        triage._take(Ticket(Record(P, offset, None, b"", (), 0), 1, NOW, 1), stop)
    assert most == [1, 1, 1]
