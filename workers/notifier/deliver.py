"""Brings alarms to their channels: a few tries, then the disk, and from there again later."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import stamina
import structlog
from structlog.contextvars import bound_contextvars

from schemas.alarm import Alarm
from workers.notifier.channels import Channel, DeliveryFailed
from workers.notifier.settings import DeliverySettings
from workers.notifier.trace import Traces
from workers.notifier.undelivered import Undelivered

log = structlog.get_logger(__name__)

_AT_A_TIME = 20  # kept alarms that are tried in one go, so that polling is not held up


class Courier:
    """One channel with its undelivered alarms. A failing channel does not hold up the others."""

    def __init__(
        self,
        channel: Channel,
        undelivered: Undelivered,
        settings: DeliverySettings,
        traces: Traces | None = None,
    ) -> None:
        self.name = channel.name
        self._channel, self._undelivered, self._settings = channel, undelivered, settings
        self._traces = traces
        self._failures = 0
        self._next_try: datetime | None = None  # None: at once
        self.sent = 0
        self.failed = 0  # times that the channel did not take an alarm, its tries counted as one

    @property
    def waiting(self) -> int:
        """Alarms that the channel has not taken yet."""
        return len(self._undelivered)

    @property
    def given_up(self) -> int:
        """Alarms that were dropped because too many waited."""
        return self._undelivered.given_up

    def oldest_s(self, now: datetime) -> float:
        """For how long the oldest of them has been waiting (seconds). Any thread."""
        alarm = self._undelivered.first()
        return max(0.0, (now - alarm.raised_at).total_seconds()) if alarm else 0.0

    def deliver(self, alarm: Alarm, now: datetime) -> None:
        """Send, or keep on disk. When this returns the alarm is safe. Raises Fatal."""
        if not self._undelivered and self._send(alarm, now):
            return
        self._undelivered.keep(alarm)

    def retry(self, now: datetime) -> None:
        """Try the kept alarms again, oldest first, when their time has come."""
        if self._next_try and now < self._next_try:
            return
        done = 0
        while done < _AT_A_TIME and (alarm := self._undelivered.first()):
            try:
                self._channel.send(alarm)
            except DeliveryFailed as error:
                self._fail(error, now)
                return
            self._undelivered.delivered(1)
            self._succeed(alarm)
            done += 1

    def _send(self, alarm: Alarm, now: datetime) -> bool:
        try:
            for attempt in stamina.retry_context(
                on=DeliveryFailed,
                attempts=self._settings.attempts,
                timeout=None,
                wait_initial=self._settings.attempt_pause_s,
                wait_max=2.0,
                wait_jitter=self._settings.attempt_pause_s,
            ):
                with attempt:
                    self._channel.send(alarm)
        except DeliveryFailed as error:
            self._fail(error, now)
            return False
        self._succeed(alarm)
        return True

    def _succeed(self, alarm: Alarm) -> None:
        self.sent += 1
        if self._traces:
            self._traces.delivered(alarm, self.name)
        if self._failures:
            log.info("channel is back", channel=self.name, waiting=self.waiting)
        self._failures, self._next_try = 0, None

    def _fail(self, error: DeliveryFailed, now: datetime) -> None:
        """Wait longer with each failure; alarms meanwhile go to the disk without a try."""
        pause = self._settings.retry_initial_s * 2.0 ** min(self._failures, 20)
        pause = min(pause, self._settings.retry_max_s)
        self._failures += 1
        self.failed += 1
        self._next_try = now + timedelta(seconds=pause)
        log.warning("channel failed", channel=self.name, reason=str(error), retry_s=round(pause, 1))


class Delivery:
    """All channels."""

    def __init__(self, couriers: Sequence[Courier], now: Callable[[], datetime]) -> None:
        self.couriers, self._now = couriers, now

    def deliver(self, alarms: Sequence[Alarm]) -> None:
        """Hand every alarm to every channel, or to the disk. Raises Fatal."""
        for alarm in alarms:
            with bound_contextvars(alarm=alarm.alarm_id, camera=alarm.camera_id):
                for courier in self.couriers:
                    courier.deliver(alarm, self._now())

    def retry(self) -> None:
        """Try again what was not delivered."""
        for courier in self.couriers:
            courier.retry(self._now())
