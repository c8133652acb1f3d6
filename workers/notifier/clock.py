"""Two clocks: one to wait by, which nobody can set, and one to show."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Now:
    """A moment. `s` (seconds, monotonic) decides; `utc` is only for what people read.

    Somebody may set the wall clock by an hour; no wait, window or silence may notice.
    """

    s: float
    utc: datetime


Clock = Callable[[], Now]


def system_clock() -> Now:
    """This moment, by the machine's clocks."""
    return Now(time.monotonic(), datetime.now(UTC))
