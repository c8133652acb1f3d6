"""Carries answers to one channel, in order, on a thread of its own: a channel costs itself only."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from workers.gate.answers import Answer, Noted
from workers.gate.channels.channel import Channel, ChannelDown, Refused
from workers.gate.marks import Mark

log = structlog.get_logger(__name__)

_QUEUE = 10_000  # answers that wait for a channel; beyond it the oldest are given up
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_TRIES = 3  # of an answer that is refused: then it goes, when its time is over

Taken = Callable[[Answer], None]


class Courier:
    """A channel with what waits for it. A context manager: it carries inside."""

    def __init__(
        self,
        channel: Channel,
        ready: Callable[[], bool],
        *,
        beat_s: float,
        tolerance_s: float,
        taken: Taken = lambda _: None,
        mark: Mark | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`taken` is told of each answer that the plant has, `mark` remembers the newest.

        So long after its deadline an answer still counts as in time: `tolerance_s`.
        """
        self._mark = mark
        self._tolerance_s = tolerance_s
        self._channel, self._ready, self._beat_s = channel, ready, beat_s
        self._taken, self._clock = taken, clock
        self._waiting: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._refused = 0  # how often the plant did not take the oldest answer
        self._thread = threading.Thread(target=self._run, name=f"gate-{self.name}", daemon=True)
        self.problem: str | None = "not connected yet"
        self._failed = 0  # connections since it took something
        self.sent = self.overdue = self.given_up = self.failures = 0

    @property
    def name(self) -> str:
        """The channel's."""
        return self._channel.name

    @property
    def waiting(self) -> int:
        """Answers that the plant does not have."""
        return len(self._waiting)

    def unsent(self, answered: Sequence[Noted]) -> int:
        """How many of these, the newest ones, never arrived; 0 where that is not known."""
        return 0 if self._mark is None else self._mark.unsent(answered)

    def put(self, answer: Answer) -> None:
        """Have it carried. Never waits."""
        with self._changed:
            self._waiting.append(answer)
            if len(self._waiting) > _QUEUE:
                self._waiting.popleft()
                self.given_up += 1
            self._changed.notify()

    def __enter__(self) -> "Courier":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._ending:
            try:
                self._channel.open()
                self._carry()
            except ChannelDown as error:
                self._tell(str(error))
            except Exception as error:  # a client library's fault: connect anew
                self._tell(repr(error))
            finally:
                self._close()
            self._failed += 1
            self._pause(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failed, 10)))

    def _carry(self) -> None:
        """Until the end, or until the channel fails. What was not taken stays the first."""
        beaten_s = -self._beat_s
        while True:
            answer = self._next(beaten_s)
            if answer is not None:
                self._send(answer)
            if self._ending and (answer is None or self._refused):
                return
            if self._clock() - beaten_s >= self._beat_s:
                self._channel.beat(ready=self._ready())
                beaten_s = self._clock()
            self._well()

    def _next(self, beaten_s: float) -> Answer | None:
        """The oldest answer; waits for one until the next beat."""
        with self._changed:
            if not self._waiting and not self._ending:
                self._changed.wait(max(0.0, beaten_s + self._beat_s - self._clock()))
            return self._waiting[0] if self._waiting else None

    def _send(self, answer: Answer) -> None:
        """Or leave it where it is, when the plant refuses it: then it is tried again."""
        over = answer.late or self._clock() > answer.deadline_s + self._tolerance_s
        if (over and self._refused >= _TRIES) or (self._channel.moves and (over or answer.again)):
            self.given_up += over
        elif self._is_taken(replace(answer, late=over)):
            self.sent += 1
            self.overdue += over
            self._taken(answer)
        else:
            return
        self._refused = 0
        if self._mark is not None:
            self._mark.set(answer)
        with self._changed:
            if self._waiting and self._waiting[0] is answer:
                self._waiting.popleft()

    def _is_taken(self, answer: Answer) -> bool:
        """Raises ChannelDown."""
        try:
            self._channel.send(answer)
        except Refused as error:
            self._refused += 1
            self._tell(str(error))
            self._pause(_FIRST_PAUSE_S)
            return False
        except ChannelDown:
            raise
        except Exception:  # a client library's fault: of this answer, or of the connection
            self._refused += 1
            raise
        return True

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._ending:
                self._changed.wait_for(lambda: self._ending, seconds)

    def _close(self) -> None:
        try:
            self._channel.close()
        except Exception as error:
            log.debug("channel not closed in order", channel=self.name, reason=repr(error))

    def _well(self) -> None:
        """It takes what is said."""
        if self._refused:
            return
        if self.problem:
            log.info("channel connected", channel=self.name)
        self.problem, self._failed = None, 0

    def _tell(self, reason: str) -> None:
        self.failures += 1
        if reason != self.problem:
            log.warning(
                "channel down", channel=self.name, reason=reason[:500], waiting=self.waiting
            )
        self.problem = reason
