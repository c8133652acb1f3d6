"""How long the methods that learn may learn, and what they came to."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from workers.runtime.errors import SettingsError

_REPORTS = 100  # steps of the progress that is told


@dataclass(frozen=True, slots=True)
class Effort:
    """What every method that learns is given."""

    minutes: float | None = None  # None: iterations
    iterations: int | None = None  # None: each method's own
    as_ours: bool = False  # minutes: as long as ours took in this run

    def of(self, ours: float | None) -> "Effort":
        """With the seconds that ours took. Raises SettingsError where it took none."""
        if not self.as_ours:
            return self
        if ours is None:
            raise SettingsError("--minutes ours: ours was trained before; give a number of minutes")
        return Effort(minutes=ours / 60)


def effort(minutes: str | None, iterations: int | None) -> Effort:
    """What `--minutes` and `--iterations` say. Raises SettingsError."""
    if minutes is None:
        return Effort(iterations=iterations)
    if minutes == "ours":
        return Effort(as_ours=True)
    try:
        count = float(minutes)
    except ValueError:
        count = 0.0
    if not 0 < count < float("inf"):
        raise SettingsError(f"--minutes: {minutes!r} is neither above 0 nor the word ours")
    return Effort(minutes=count)


class Budget:
    """The share of one training that is spent; the clock starts with its first iteration."""

    def __init__(
        self,
        given: Effort,
        iterations: int,
        told: Callable[[int, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`iterations`: the method's own; `told` hears how much is done, of how much."""
        self._minutes = given.minutes
        self._most = iterations if given.iterations is None else given.iterations
        self._told, self._clock, self._began = told, clock, float("nan")
        self.done = 0

    def __call__(self, done: int) -> float:
        """Share spent after so many iterations, from 1 on enough."""
        if not done:
            self._began = self._clock()
        self.done = done
        share = self._share(done)
        self._told(min(_REPORTS, int(_REPORTS * share)), _REPORTS)
        return share

    def _share(self, done: int) -> float:
        if self._minutes is not None:
            return (self._clock() - self._began) / (60 * self._minutes)
        return done / self._most if self._most else 1.0
