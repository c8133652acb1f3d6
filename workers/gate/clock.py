"""What time it is for the gate: deadlines follow a clock that nobody sets."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple


class Now(NamedTuple):
    """A moment by both clocks."""

    s: float  # monotonic seconds, for deadlines
    utc: datetime  # for what cameras say


Clock = Callable[[], Now]


def system_clock() -> Now:
    """The machine's clocks."""
    return Now(time.monotonic(), datetime.now(UTC))
