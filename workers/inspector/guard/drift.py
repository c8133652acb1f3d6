"""Watches whether what each camera sends still looks like the good images of its model.

A bounded number of cameras and categories; those seen longest ago are forgotten, and made-up ids
cost no more than the rest of the bound.
"""

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass

import structlog

from schemas.excerpt import excerpt
from stream_inspector.image.appearance import appearance
from stream_inspector.threshold.production.drift import Reference, Watch
from stream_inspector.verdict import Image

_log = structlog.get_logger(__name__)

MOST = 512  # cameras and categories: some 10 KB each
FRESH_S = 600.0  # a camera that has been silent for longer differs from nothing
_Key = tuple[str, str, str]  # camera, category, model version


@dataclass(frozen=True, slots=True)
class Seen:
    """An inspected frame, as far as it says something of light, focus, place and score."""

    camera: str
    category: str
    version: str  # of the model
    reference: Reference
    image: Image  # [H, W, 3], the canvas
    score: float


class Drift:
    """Cheap statistics of every inspected frame. Any thread; clocks are passed in."""

    def __init__(self, most: int = MOST):
        self._most, self._lock = most, threading.Lock()
        self._watches: OrderedDict[_Key, tuple[Watch, float]] = OrderedDict()  # seen last at

    def note(self, seen: Seen, now: float) -> None:
        """A frame at `now` (seconds, monotonic). What begins or ends to differ is logged."""
        if not seen.reference.numbers:
            return
        look = appearance(seen.image)
        with self._lock:
            watch = self._watch((seen.camera, seen.category, seen.version), seen.reference, now)
            news = watch.note(seen.score, look)
            shifts = [str(shift) for shift in watch.shifts.values()]
        if news:
            _say(seen, shifts)

    def counts(self, now: float) -> dict[tuple[str, ...], float]:
        """How many cameras of a category differ, by (category, what)."""
        found: Counter[tuple[str, ...]] = Counter(
            (category, what) for _, category, watch in self._fresh(now) for what in watch.shifts
        )
        return {key: float(count) for key, count in found.items()}

    def told(self, now: float) -> list[str]:
        """Which cameras differ, and in what: a line each."""
        return [
            f"{excerpt(camera, 50)} ({category}): {', '.join(map(str, watch.shifts.values()))}"
            for camera, category, watch in self._fresh(now)
            if watch.shifts
        ]

    def _fresh(self, now: float) -> list[tuple[str, str, Watch]]:
        """What was seen lately: a camera may have gone to another worker."""
        with self._lock:
            return [
                (camera, category, watch)
                for (camera, category, _), (watch, at) in self._watches.items()
                if now - at < FRESH_S
            ]

    def _watch(self, key: _Key, reference: Reference, now: float) -> Watch:
        watch, _ = self._watches.pop(key, (None, now))
        if watch is None:
            self._forget_other_versions(key)
            watch = Watch(reference)
        self._watches[key] = watch, now
        if len(self._watches) > self._most:
            self._watches.popitem(last=False)
        return watch

    def _forget_other_versions(self, key: _Key) -> None:
        """Another model has other good images: what was seen before says nothing of them."""
        for other in [each for each in self._watches if each[:2] == key[:2]]:
            del self._watches[other]


def _say(seen: Seen, shifts: list[str]) -> None:
    about = {"camera": seen.camera, "category": seen.category, "model": seen.version}
    if shifts:
        said = "what a camera sends no longer looks like the good images"
        _log.warning(said, **about, frames="; ".join(shifts))
    else:
        _log.info("what a camera sends looks like the good images again", **about)
