"""Frames -> batches of one model version. Pure: the clock is passed in.

A batch leaves when it is full or when its oldest frame has waited `max_age_s`. Among versions
that are due the one served longest ago goes first, so a rare category beside a flood leaves
within the age limit and one batch of each other version.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item]):
    """Frames for one model version, oldest first."""

    version: str
    items: tuple[Item, ...]


class Batcher(Generic[Item]):
    """Collects frames per category; resolves the model version when a batch is formed."""

    def __init__(self, max_size: int, max_age_s: float):
        self.max_size, self._max_age_s = max_size, max_age_s
        self._queues: dict[str, deque[tuple[float, Item]]] = {}
        self._served: dict[str, int] = {}  # version -> turn of its last batch
        self._turn = 0

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def add(self, category: str, item: Item, now: float) -> None:
        """Take in a frame that arrived at `now` (seconds)."""
        self._queues.setdefault(category, deque()).append((now, item))

    def take(self, now: float, versions: Mapping[str, str]) -> Batch[Item] | None:
        """The next batch that is due. `versions` maps a category to its model version."""
        groups = self._groups(versions)
        due = [version for version, names in groups.items() if self._is_due(names, now)]
        if not due:
            return None
        version = min(due, key=lambda v: (self._served.get(v, -1), self._oldest(groups[v])))
        self._turn += 1
        kept = {v: turn for v, turn in self._served.items() if v in groups}
        self._served = kept | {version: self._turn}
        return Batch(version, tuple(self._pull(groups[version])))

    def waiting(self) -> dict[str, float]:
        """Category -> when its oldest frame arrived."""
        return {name: queue[0][0] for name, queue in self._queues.items() if queue}

    def wait_s(self, now: float, versions: Mapping[str, str]) -> float | None:
        """Seconds until the age limit makes a batch due; None when none will be."""
        heads = [arrived for name, arrived in self.waiting().items() if name in versions]
        return max(0.0, min(heads) + self._max_age_s - now) if heads else None

    def _groups(self, versions: Mapping[str, str]) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for category, queue in self._queues.items():
            if queue and category in versions:
                groups.setdefault(versions[category], []).append(category)
        return groups

    def _is_due(self, categories: Iterable[str], now: float) -> bool:
        waiting = sum(len(self._queues[name]) for name in categories)
        return waiting >= self.max_size or now - self._oldest(categories) >= self._max_age_s

    def _oldest(self, categories: Iterable[str]) -> float:
        return min(self._queues[name][0][0] for name in categories)

    def _pull(self, categories: Iterable[str]) -> Iterable[Item]:
        queues = [self._queues[name] for name in categories]
        for _ in range(self.max_size):
            filled = [queue for queue in queues if queue]
            if not filled:
                return
            yield min(filled, key=lambda queue: queue[0][0]).popleft()[1]
