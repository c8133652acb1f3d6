"""Sends what the spool holds: one thread, small batches, in order, until the broker has it."""

import math
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from schemas.frame import encode_frame
from workers.camera.sending.sent_log import SentLog
from workers.camera.sending.spool import Captured, Spool
from workers.camera.sending.trace import Traces
from workers.camera.settings import SpoolSettings
from workers.camera.sources import Shot
from workers.runtime.bus.ports import Outgoing, Producer
from workers.runtime.errors import MessageTooLarge, TopicMissing, Transient
from workers.runtime.watchdog import Pulse

log = structlog.get_logger(__name__)


class SpooledPublisher:
    """Owns the producer's sending. A failed batch is sent again whole, with the same frame ids.

    The next batch waits for it, so frames of a camera keep their order.
    """

    def __init__(
        self,
        spool: Spool,
        producer: Producer,
        topic: str,
        settings: SpoolSettings,
        *,
        sent_log: SentLog | None = None,
        traces: Traces | None = None,
        taken: Callable[[Shot], None] = lambda _: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`taken` is told of each shot whose frame the broker has."""
        self._taken = taken
        self._spool, self._producer, self._topic = spool, producer, topic
        self._settings, self._sent_log, self._jitter = settings, sent_log, jitter
        self._traces = traces
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera-sender", daemon=True)
        self.sent = 0
        self.sent_bytes = 0
        self.refused = 0  # larger than the broker allows
        self.failures = 0  # times that the broker did not take a batch
        self.away = False  # the last attempt failed
        self.problem = ""  # why, in words
        self.pulse = Pulse()  # of the sending thread, while the client is at work
        self._asked_at = math.inf  # monotonic; when the broker was asked to take a batch
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def finish(self, within_s: float) -> None:
        """Send what is left, but no longer than that."""
        self._spool.close()
        self._thread.join(within_s)
        self._abandoned.set()

    @property
    def running(self) -> bool:
        """Whether it still sends, or would."""
        return self._thread.is_alive()

    @property
    def unanswered_s(self) -> float:
        """For how long the broker has not answered; 0 when nothing is under way."""
        return max(0.0, time.monotonic() - self._asked_at)

    def _run(self) -> None:
        try:
            while batch := self._spool.take(self._settings.batch_bytes):
                if self._sent_log:
                    self._sent_log.write(batch)
                if not self._deliver(batch):
                    return
                self._spool.settle(batch)
        except BaseException as error:  # handed to the main thread
            self.failure = error

    def _deliver(self, batch: list[Captured]) -> bool:
        """Publish until it works; False when the process stops first."""
        try:
            return self._insist(batch)
        except MessageTooLarge as error:  # the topic's own limit is below our setting
            if len(batch) > 1:
                return all(self._deliver([item]) for item in batch)
            self.refused += 1
            name = batch[0].shot.path or batch[0].frame.frame_id
            log.warning("file not sent", file=name, reason=str(error))
            return True

    def _insist(self, batch: list[Captured]) -> bool:
        messages = [self._outgoing(item) for item in batch]
        failures = 0
        while not self._abandoned.is_set():
            try:
                self._asked_at = time.monotonic()
                with self.pulse.watching():
                    self._producer.publish(messages)
            except Transient as error:
                failures += 1
                self.failures += 1
                self.away, self.problem = True, _in_words(error)
                pause = self._pause(failures)
                log.warning(
                    "topic missing" if isinstance(error, TopicMissing) else "broker away",
                    frames_waiting=self._spool.held,
                    retry_s=round(pause, 1),
                    error=str(error),
                )
                self._abandoned.wait(pause)
            else:
                if failures:
                    log.info("broker back", frames_waiting=self._spool.held)
                self.away = False
                self._asked_at = math.inf
                if self._traces:
                    self._traces.sent((item.frame for item in batch), datetime.now(UTC))
                self.sent += len(batch)
                for item in batch:
                    self._taken(item.shot)
                self.sent_bytes += sum(len(item.frame.data) for item in batch)
                return True
        return False

    def _outgoing(self, item: Captured) -> Outgoing:
        return Outgoing(self._topic, encode_frame(item.frame), item.partition)

    def _pause(self, failures: int) -> float:
        """Exponential backoff with jitter, so that cameras do not come back all at once."""
        grown = self._settings.retry_initial_s * 2.0 ** min(failures - 1, 16)
        return min(self._settings.retry_max_s, grown) * (0.5 + self._jitter() / 2)


def _in_words(error: Transient) -> str:
    return str(error) if isinstance(error, TopicMissing) else f"the broker is away: {error}"
