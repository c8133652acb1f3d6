"""All channels, as the notifier's loop sees them: an alarm that was handed over is safe."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import structlog

from schemas.alarm import Alarm, AlarmKind, Severity
from schemas.excerpt import plain
from workers.notifier.delivering.channels.channel import Channel
from workers.notifier.delivering.courier import Courier
from workers.notifier.delivering.outbox import Outbox
from workers.notifier.delivering.routing import takes
from workers.notifier.delivering.text import GIVEN_UP
from workers.notifier.delivering.trace import Traces
from workers.notifier.settings import NotifierSettings, RouteSettings
from workers.runtime.errors import SettingsError
from workers.runtime.evidence.links import Links

log = structlog.get_logger(__name__)


class Delivery:
    """Keeps alarms and has them delivered, each channel on its own thread, while it is entered."""

    def __init__(
        self,
        channels: Sequence[Channel],
        notifier: NotifierSettings,
        traces: Traces | None = None,
        links: Links | None = None,
    ) -> None:
        """`links` make those of alarms open where people read them."""
        self._settings, self._links = notifier.delivery, links or Links()
        names = [channel.name for channel in channels]
        self._routes = _routes(notifier, names)
        limit = self._settings.undelivered_max_bytes
        self.outbox = Outbox(notifier.folder, names, limit)
        self.couriers = [
            Courier(channel, self.outbox, self._settings, traces, returned=self._tell_itself)
            for channel in channels
        ]
        self.unrouted = 0
        for name, count in self.outbox.strangers().items():
            log.warning("alarms wait for a channel that is not there", channel=name, waiting=count)

    def __enter__(self) -> Self:
        for courier in self.couriers:
            courier.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def safe(self) -> bool:
        """Whether every alarm is on disk, or somebody has been told of it."""
        return self.outbox.safe

    def problem(self) -> str | None:
        """What people should know of the state of delivery; None when all is well."""
        said = [self.outbox.problem] if self.outbox.problem else []
        if self.outbox.in_memory:
            said.append(f"{self.outbox.in_memory} alarms are in memory only")
        said += [f"channel {c.name} hangs" for c in self.couriers if c.hanging]
        return "; ".join(said) or None

    def deliver(self, alarms: Sequence[Alarm]) -> None:
        """Keep alarms for every channel that they are for; returns once the disk has them."""
        told = map(self._linked, alarms)
        routed = [(alarm, self._channels_of(alarm)) for alarm in told]
        if routed:
            self._put(routed)

    def _linked(self, alarm: Alarm) -> Alarm:
        return alarm.model_copy(update={"evidence": self._links.opening(alarm.evidence)})

    def close(self) -> None:
        """Give the channels a moment for what waits; what is left is for the next start."""
        deadline = time.monotonic() + self._settings.drain_s
        for courier in self.couriers:
            courier.end()
        ended = [courier.join(deadline - time.monotonic()) for courier in self.couriers]
        if all(ended):  # a late answer of the others is still to be noted
            self.outbox.close()

    def _channels_of(self, alarm: Alarm) -> list[str]:
        names = [c.name for c in self.couriers if takes(self._routes.get(c.name), alarm)]
        if not names:
            self.unrouted += 1
            log.error(
                "no channel is for this alarm",
                alarm=plain(alarm.message),
                setting="notifier.delivery.routes",
            )
        return names

    def _put(self, routed: Sequence[tuple[Alarm, Sequence[str]]]) -> None:
        dropped = self.outbox.put(routed)
        for courier in self.couriers:
            count = dropped.get(courier.name, 0)
            if count and courier.gave_up(count):
                others = [c.name for c in self.couriers if c.name != courier.name]
                self.outbox.put([(_given_up(courier.name, count), others)])

    def _tell_itself(self, name: str, count: int) -> None:
        """The channel is back: it hears how much it missed."""
        self.outbox.put([(_given_up(name, count), [name])])


def _routes(notifier: NotifierSettings, names: Sequence[str]) -> Mapping[str, RouteSettings]:
    """The rule of each channel that has one. Raises SettingsError for a rule without a channel."""
    delivery = notifier.delivery
    for name in delivery.routes:
        if name not in names:
            raise SettingsError(
                f"notifier.delivery.routes.{name}: no such channel; there are {', '.join(names)}"
            )
    return {**delivery.channels, **delivery.routes}


def _given_up(name: str, count: int) -> Alarm:
    """An alarm about alarms: a channel will never hear of these."""
    now = datetime.now(UTC)
    digest = hashlib.sha256(f"{GIVEN_UP}\x1f{name}\x1f{now.isoformat()}".encode())
    return Alarm(
        alarm_id=digest.hexdigest()[:32],
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.CRITICAL,
        camera_id="notifier",
        cause=GIVEN_UP,
        message=f"channel {name}: {count} alarms were given up, because too many waited for it "
        "(notifier.delivery.undelivered_max_bytes); other channels and the alarms topic have them",
        first_seen=now,
        last_seen=now,
        count=count,
        frame_ids=[],
        raised_at=now,
    )
