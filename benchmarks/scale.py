"""A thousand cameras on a desk: `make bench-scale` simulates a planned stage, event by event.

Cameras send, partitions queue, workers batch, detect and publish; then one worker is killed and
another joins. All times are the constants of `stream-inspector plan`, and its prediction stands
beside each figure. Nothing is measured here: what the queues make of the constants is.
"""

import argparse
import heapq
import json
import random
import statistics
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from workers.offline.plan.constants import Constants
from workers.offline.plan.demand import Demand
from workers.offline.plan.queue import Service
from workers.offline.plan.run import Plan, plan
from workers.offline.plan.spread import cameras_by_partition

_IN_FLIGHT = 128  # worker.in_flight_frames


@dataclass(slots=True)
class Worker:
    """Its partitions, what waits for its device, and what it did."""

    partitions: set[int] = field(default_factory=set)
    waiting: deque[tuple[float, float, int]] = field(
        default_factory=deque
    )  # ready, sent, partition
    working: list[tuple[float, float, int]] = field(default_factory=list)
    alarm: float | None = None  # when the oldest is as old as a batch may be
    alive: bool = True
    busy_s: float = 0.0
    batches: int = 0
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One frame's outcome."""

    sent: float
    done: float
    partition: int


class Stage:
    """The simulation: a heap of what happens when."""

    def __init__(self, plan: Plan, seed: int, *, jitter: bool):
        self._service, self._demand = plan.service, plan.demand
        self._now, self._count, self._events = 0.0, 0, list[tuple[float, int, Callable[[], None]]]()
        self._chance = random.Random(seed)  # noqa: S311  arrivals, no secret
        self._jitter = jitter
        self.workers = [Worker() for _ in range(plan.workers)]
        self.log = [deque[tuple[float, int]]() for _ in range(plan.partitions)]  # unread frames
        self.resting = [0.0] * plan.partitions  # nobody reads it until then
        self.verdicts: list[Verdict] = []
        self.moved: set[int] = set()  # partitions that changed hands
        for partition in range(plan.partitions):
            self.workers[partition % plan.workers].partitions.add(partition)
        self._cameras = cameras_by_partition(
            plan.demand.cameras, plan.partitions, pinned=plan.demand.pinned
        )

    def run(self, seconds: float, faults: Sequence[tuple[float, Callable[[], None]]] = ()) -> None:
        """Let cameras send for so long, and everything come to its end."""
        for partition, cameras in enumerate(self._cameras):
            for _ in cameras:
                self._camera(partition, seconds)
        for at, fault in faults:
            self._at(at, fault)
        while self._events:
            self._now, _, happens = heapq.heappop(self._events)
            happens()

    def _at(self, when: float, happens: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, happens))

    def _camera(self, partition: int, until: float) -> None:
        """Each at its own moment, then evenly, or at random around that."""
        period = 1 / self._demand.rate
        when = self._chance.random() * period

        def send() -> None:
            nonlocal when
            self.log[partition].append((self._now, partition))
            self._read(partition)
            pause = self._chance.expovariate(1 / period) if self._jitter else period
            when += pause
            if when < until:
                self._at(when, send)

        if when < until:
            self._at(when, send)

    def _owner(self, partition: int) -> Worker | None:
        return next((w for w in self.workers if w.alive and partition in w.partitions), None)

    def _read(self, partition: int) -> None:
        """A worker takes what it has room for, and decodes it."""
        worker = self._owner(partition)
        if worker is None or self._now < self.resting[partition]:
            return
        queue = self.log[partition]
        while queue and len(worker.waiting) + len(worker.working) < _IN_FLIGHT:
            sent, _ = queue.popleft()
            ready = self._now + self._service.decode_ms / 1000
            worker.waiting.append((ready, sent, partition))
            self._at(ready, lambda: self._start(worker))

    def _start(self, worker: Worker) -> None:
        """The device takes a batch that is full, or whose oldest is old enough."""
        if not worker.alive or worker.working or not worker.waiting:
            return
        ready = [item for item in worker.waiting if item[0] <= self._now]
        if not ready:
            return
        due = min(item[0] for item in ready) + self._demand.batch_age_ms / 1000
        if len(ready) < self._demand.batch_max and self._now < due - 1e-9:
            if worker.alarm != due:
                worker.alarm = due
                self._at(due, lambda: self._start(worker))
            return
        worker.working = ready[: self._demand.batch_max]
        for item in worker.working:
            worker.waiting.remove(item)
        took = self._service.busy_ms(len(worker.working)) / 1000
        worker.busy_s += took
        worker.batches += 1
        worker.frames += len(worker.working)
        self._at(self._now + took, lambda: self._finish(worker))

    def _finish(self, worker: Worker) -> None:
        if not worker.alive:
            return
        done, worker.working = worker.working, []
        told = self._now + self._service.constants.publish_ms / 1000
        self.verdicts += [Verdict(sent, told, partition) for _, sent, partition in done]
        for partition in worker.partitions:
            self._read(partition)
        self._start(worker)

    def kill(self) -> None:
        """One worker ends without a word; the others take its partitions after its session."""
        worker = next(each for each in self.workers if each.alive)
        worker.alive = False
        lost = sorted([*worker.waiting, *worker.working], key=lambda item: item[1], reverse=True)
        for _, sent, partition in lost:  # not committed: inspected again
            self.log[partition].appendleft((sent, partition))
        left = [each for each in self.workers if each.alive]
        until = self._now + self._service.constants.takeover_s
        for number, partition in enumerate(sorted(worker.partitions)):
            self._move(partition, left[number % len(left)], until)
        worker.partitions = set()

    def join(self) -> None:
        """One more worker; it is given its share, and only that rests."""
        new = Worker()
        share = len(self.log) // (sum(each.alive for each in self.workers) + 1)
        self.workers.append(new)
        until = self._now + self._service.constants.move_s
        for _ in range(share):
            giver = max(self.workers[:-1], key=lambda each: len(each.partitions) * each.alive)
            partition = min(giver.partitions)
            giver.partitions.discard(partition)
            self._move(partition, new, until)

    def _move(self, partition: int, to: Worker, until: float) -> None:
        to.partitions.add(partition)
        self.moved.add(partition)
        self.resting[partition] = until
        self._at(until, lambda: self._read(partition))


@dataclass(frozen=True, slots=True)
class Figures:
    """What a simulation gave."""

    frames: int
    batch: float
    busy: float  # of the worker that was busy most
    median_ms: float
    p95_ms: float
    worst_ms: float
    recovered_s: float | None  # until no more than a fifth of a second's verdicts are late


def simulate(found: Plan, seconds: float, seed: int, *, jitter: bool, fault: str = "") -> Figures:
    """One run. `fault`: kill, join, or none, at a third of the time."""
    stage, at = Stage(found, seed, jitter=jitter), seconds / 3
    faults = {"kill": [(at, stage.kill)], "join": [(at, stage.join)]}.get(fault, [])
    stage.run(seconds, faults)
    late = sorted(1000 * (each.done - each.sent) for each in stage.verdicts)
    batches = sum(worker.batches for worker in stage.workers)
    return Figures(
        frames=len(late),
        batch=sum(worker.frames for worker in stage.workers) / batches,
        busy=max(worker.busy_s for worker in stage.workers) / seconds,
        median_ms=statistics.median(late),
        p95_ms=late[int(0.95 * len(late))],
        worst_ms=late[-1],
        recovered_s=_recovered(stage, at, found.demand.latency_ms) if fault else None,
    )


def _recovered(stage: Stage, at: float, wanted_ms: float) -> float:
    """Seconds after the fault, of the partitions that moved."""
    told, late = Counter[int](), Counter[int]()
    for each in stage.verdicts:
        if each.partition not in stage.moved:
            continue
        second = int(each.done - at)
        told[second] += 1
        late[second] += 1000 * (each.done - each.sent) > wanted_ms
    bad = [second + 1.0 for second, all_ in told.items() if late[second] > 0.2 * all_]
    return max([second for second in bad if second > 0], default=0.0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1.0, help="frames a second of each")
    parser.add_argument("--latency", type=float, default=800.0, help="ms, 95 %% of frames")
    parser.add_argument("--preset", default="pixel-small")
    parser.add_argument("--seconds", type=float, default=60.0, help="that cameras send for")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--pinned", action="store_true", help="cameras have their partitions")
    parser.add_argument("--constants", type=Path, help="of `make bench --json`; default: ours")
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


_RUNS = (
    ("even", False, ""),
    ("random", True, ""),
    ("a worker killed", True, "kill"),
    ("one joins", True, "join"),
)


def main() -> None:
    """Simulate and print one table."""
    given = _arguments()
    demand = Demand(
        *(given.cameras, given.rate, 110, 0.1, "png", given.preset, 1, given.latency),
        pinned=given.pinned,
    )
    found = plan(demand, Constants.read(given.constants))
    figures = {
        name: simulate(found, given.seconds, given.seed, jitter=jitter, fault=fault)
        for name, jitter, fault in _RUNS
    }
    _print(found, figures)
    if given.json:
        lines = {
            name: {key: getattr(each, key) for key in Figures.__slots__}
            for name, each in figures.items()
        }
        given.json.write_text(json.dumps(lines, indent=1) + "\n")


def _print(found: Plan, figures: dict[str, Figures]) -> None:
    service: Service = found.service
    title = (
        f"{found.demand.cameras} cameras x {found.demand.rate:g}/s, {found.workers} workers "
        f"({found.demand.spare} spare), {found.partitions} partitions"
    )
    columns = ("frames", "batch", "busiest", "median ms", "95 % ms", "worst ms", "late for s")
    table = Table("arrivals", *columns, title=title)
    rate = found.rate
    planned = (
        f"{service.batch(rate):.2f}",
        f"{service.busy(rate):.0%}",
        "",
        f"{service.latency_ms(rate):.0f}",
    )
    table.add_row("planned, busiest worker", "", *planned, "", "")
    for name, each in figures.items():
        late = "" if each.recovered_s is None else f"{each.recovered_s:.1f}"
        times = (each.median_ms, each.p95_ms, each.worst_ms)
        table.add_row(
            name,
            str(each.frames),
            f"{each.batch:.2f}",
            f"{each.busy:.0%}",
            *(f"{ms:.0f}" for ms in times),
            late,
        )
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
