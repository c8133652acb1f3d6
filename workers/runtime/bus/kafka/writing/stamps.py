"""The time that records bear: this machine's, or none where the broker refuses it.

Kafka refuses records from the future (`message.timestamp.after.max.ms`, an hour by default). A
clock that is wrong must not stop the stage: records then go without a time, which brokers take,
until somebody sets the clock.
"""

import time
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)

_NONE = -1  # a record without a time
_SET_S = 60.0  # a clock that moves by more against the monotonic one was set


class Stamps:
    """Of all producers of this process: they share its clock. Any thread."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._refused: float | None = None  # how far the clocks were apart then (seconds)

    def timestamp_ms(self) -> int | None:
        """What to give a producer; None: it takes this moment."""
        if self._refused is not None and abs(self._apart() - self._refused) > _SET_S:
            _log.info("this machine's clock was set: records bear its time again")
            self._refused = None
        return None if self._refused is None else _NONE

    def refuse(self, reason: str) -> bool:
        """The broker does not take this clock's time; whether that is news."""
        news = self.timestamp_ms() is None
        if news:
            self._refused = self._apart()
            _log.error(
                "the broker refuses the time of this machine's clock: records are written without "
                "a time until it is right (synchronise it by NTP)",
                reason=reason[:200],
            )
        return news

    def _apart(self) -> float:
        return self._wall() - self._monotonic()


STAMPS = Stamps()
