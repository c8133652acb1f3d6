"""Serves one channel on a thread of its own: takes what waits, sends it, settles it.

A channel that does not answer in time costs its own thread only: the try is left behind and a new
one is made later, until too many hang.
"""

import threading
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

import structlog

from schemas.excerpt import plain
from workers.notifier.delivering.channels.channel import Channel, DeliveryFailed, Refused
from workers.notifier.delivering.doubt import Doubt
from workers.notifier.delivering.outbox import Outbox
from workers.notifier.delivering.trace import Traces
from workers.notifier.delivering.waiting import Kept, alarms_of
from workers.notifier.settings import DeliverySettings

log = structlog.get_logger(__name__)

_IDLE_S = 1.0
_MOST_DIGESTED = 1000
_MOST_HANGING = 3  # tries of a channel that may hang at a time


@dataclass(slots=True)
class Counts:
    """What became of a channel's alarms."""

    sent: int = 0
    failed: int = 0  # times that the channel was away
    refused: int = 0
    given_up: int = 0
    busy_s: float = 0.0


@dataclass(slots=True)
class _Call:
    """One try, on a thread that may hang."""

    group: list[Kept]
    begun: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def run(self, channel: Channel) -> None:
        try:
            channel.send(alarms_of(self.group))
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()


class Courier:
    """One channel."""

    def __init__(
        self,
        channel: Channel,
        outbox: Outbox,
        settings: DeliverySettings,
        traces: Traces | None = None,
        *,
        returned: Callable[[str, int], None] | None = None,
    ) -> None:
        """`returned` is told of the alarms given up since the channel last took one."""
        self.name, self.counts = channel.name, Counts()
        self._channel, self._outbox, self._settings = channel, outbox, settings
        self._traces, self._returned = traces, returned
        self._queue = outbox.queues[channel.name]
        pauses = settings.retry_initial_s, settings.retry_max_s
        self._doubt = Doubt(settings.attempts, *pauses)
        self._failures = 0  # in a row
        self._partly = 0  # in a row, with some receivers told
        self._unsaid = 0
        self._hanging: list[_Call] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"channel {self.name}", daemon=True)

    @property
    def waiting(self) -> int:
        """Alarms that the channel has not taken yet."""
        return len(self._queue)

    @property
    def hanging(self) -> int:
        """Tries that have not come back."""
        return sum(not call.done.is_set() for call in list(self._hanging))

    def hanging_s(self) -> float:
        """For how long the oldest of them has been hanging (seconds)."""
        begun = [call.begun for call in list(self._hanging) if not call.done.is_set()]
        return time.monotonic() - min(begun) if begun else 0.0

    def oldest_s(self) -> float:
        """For how long the oldest alarm has been waiting (seconds)."""
        since = self._queue.oldest_since()
        return 0.0 if since is None else max(0.0, time.monotonic() - since)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def end(self) -> None:
        """Ask for the end: what waits is still tried, once."""
        self._ending.set()
        self._queue.close()

    def join(self, seconds: float) -> bool:
        """Wait for the end, and whether it came."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive() and not self.hanging

    def gave_up(self, count: int) -> bool:
        """So many of its alarms were dropped; whether these are the first since it was away."""
        first = self._unsaid == 0
        self.counts.given_up += count
        self._unsaid += count
        return first

    def _run(self) -> None:
        while not (self._ending.is_set() and not self.waiting):
            self._outbox.tend()
            self._reap()
            pause = self._serve() if self.waiting else 0.0
            if pause and self._ending.is_set():
                return  # it is away: what is on disk is for the next start
            self._queue.wait(pause or _IDLE_S, even_if_some=bool(pause))

    def _serve(self) -> float:
        """Send what comes first. Returns for how long to pause after a failure."""
        group = self._next()
        if not group:
            return _IDLE_S  # whoever waits is left alone for a while
        try:
            self._deliver(group)
        except DeliveryFailed as error:
            return self._fail(error, group)
        except Exception:  # must not end the thread: nobody would serve the channel any more
            log.exception("channel cannot be served", channel=self.name)
            return self._settings.retry_max_s
        self._succeed(group)
        return 0.0

    def _next(self) -> list[Kept]:
        group = self._first(self._doubt.left_out(time.monotonic()))
        if not group and self._doubt.begin_turn():
            group = self._first(self._doubt.left_out(time.monotonic()))
        return self._doubt.choose(group)

    def _first(self, without: Container[int]) -> list[Kept]:
        if not self._channel.digests:
            return self._queue.next(self._channel.at_a_time, one_cause=False, without=without)
        group = self._queue.next(_MOST_DIGESTED, one_cause=True, without=without)
        return group if len(group) >= self._settings.digest_from else group[:1]

    def _deliver(self, group: list[Kept]) -> None:
        """Send; what is refused as a whole is halved until the alarm that is meant is found."""
        if not group:
            return
        try:
            self._send(group)
        except Refused as refusal:
            if len(group) == 1:
                self._set_aside(group[0], str(refusal))
                return
            middle = len(group) // 2
            self._deliver(group[:middle])
            self._deliver(group[middle:])
            return
        self._settle(group)

    def _send(self, group: list[Kept]) -> None:
        if self.hanging >= _MOST_HANGING:
            raise DeliveryFailed(f"{self.hanging} earlier tries hang")
        call = _Call(group)
        threading.Thread(
            target=call.run, args=(self._channel,), name=f"send {self.name}", daemon=True
        ).start()
        answered = call.done.wait(self._settings.timeout_s)
        self.counts.busy_s += time.monotonic() - call.begun
        if not answered:
            self._hanging.append(call)
            raise DeliveryFailed(
                f"no answer within {self._settings.timeout_s:g} s", perhaps_alarm=True
            )
        if isinstance(call.error, DeliveryFailed | Refused):
            raise call.error
        if call.error is not None:  # a fault of the channel's code that this alarm brings out
            raise Refused(f"cannot be sent: {type(call.error).__name__}")

    def _reap(self) -> None:
        """A try that hung may have come to a good end: then its alarms are not sent again."""
        for call in [call for call in self._hanging if call.done.is_set()]:
            self._hanging.remove(call)
            if call.error is None:
                self._settle(call.group)

    def _settle(self, group: Sequence[Kept]) -> None:
        for kept in self._outbox.settle(self.name, group):
            self.counts.sent += 1
            if self._traces:
                self._traces.delivered(kept.alarm, self.name)

    def _set_aside(self, kept: Kept, reason: str) -> None:
        if self._outbox.set_aside(self.name, kept, reason):
            self.counts.refused += 1
            log.error(
                "alarm refused by a channel and set aside",
                channel=self.name,
                reason=reason,
                alarm=plain(kept.alarm.message),
                alarm_id=kept.alarm.alarm_id,
            )

    def _succeed(self, group: Sequence[Kept]) -> None:
        self._doubt.passed(group, time.monotonic())
        if self._failures >= self._settings.attempts:
            log.info("channel is back", channel=self.name, waiting=self.waiting)
        self._failures = self._partly = 0
        if self._unsaid and self._returned:
            count, self._unsaid = self._unsaid, 0
            self._returned(self.name, count)

    def _fail(self, error: DeliveryFailed, group: Sequence[Kept]) -> float:
        """A few tries in quick succession, then longer and longer pauses."""
        if self._doubt.concerns(group):
            return self._strike(error, group[0])
        self._failures += 1
        self._partly = self._partly + 1 if error.partly else 0
        if self._partly >= self._settings.attempts:
            self._partly = 0
            for kept in group:
                self._set_aside(kept, f"only some of the receivers took it: {error}")
        quick, settings = self._settings.attempts - 1, self._settings
        if self._failures <= quick:
            return settings.attempt_pause_s * 2.0 ** (self._failures - 1)
        self.counts.failed += 1
        if error.perhaps_alarm:
            self._doubt.away(group)
        pause = settings.retry_initial_s * 2.0 ** min(self._failures - quick - 1, 20)
        pause = min(max(pause, error.wait_s), settings.retry_max_s)
        log.warning("channel failed", channel=self.name, reason=str(error), retry_s=round(pause, 2))
        return pause

    def _strike(self, error: DeliveryFailed, kept: Kept) -> float:
        """Others pass: it is not the channel that fails."""
        if self._doubt.strike(kept, time.monotonic()):
            self._set_aside(kept, f"the channel takes others, but not this one: {error}")
        return 0.0
