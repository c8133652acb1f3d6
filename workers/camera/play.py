"""The camera's loop: take a shot, make it a frame, hand it to the spool, keep the pace."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from workers.camera.capture import Camera, Pacer, take_turns
from workers.camera.sending.publisher import SpooledPublisher
from workers.camera.sending.spool import Captured, Spool, WhenFull
from workers.camera.sources import AWAY, Missed, Refusal, Shot, Stop, Taken

log = structlog.get_logger(__name__)

_WHEN_FULL: dict[WhenFull, str] = {
    "block": "capturing stops until the broker takes frames",
    "drop-oldest": "the oldest frames are lost",
    "drop-newest": "new frames are lost",
}


@dataclass(slots=True)
class Counts:
    """What became of the shots."""

    captured: int = 0
    refused: int = 0
    missed: Counter[str] = field(default_factory=Counter)  # parts, by why


@dataclass(frozen=True, slots=True)
class Clocks:
    """The times that the loop needs."""

    monotonic: Callable[[], float] = time.monotonic
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)


class Player:
    """Plays shots through the cameras into the spool, until they end or it is told to stop."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        spool: Spool,
        publisher: SpooledPublisher,
        stop: Stop,
        *,
        progress_s: float = 5.0,
        clocks: Clocks = Clocks(),
    ) -> None:
        self._cameras, self._spool, self._publisher = cameras, spool, publisher
        self._stop, self._progress_s, self._clocks = stop, progress_s, clocks
        self._next_progress = clocks.monotonic() + progress_s
        self._full = False
        self.counts = Counts()

    def play(self, shots: Iterable[Taken], rate: float, limit: int) -> None:
        """Capture up to `limit` frames (0: no limit) at `rate` per second and camera."""
        pacer = Pacer(rate * len(self._cameras), self._clocks.monotonic)
        turns = take_turns(self._cameras)
        for shot in shots:
            if not isinstance(shot, Shot):
                self._note(shot)
                if self._give_up():
                    return
                continue
            if self._stop.wait(pacer.pause()) or self._stop.is_set():
                return
            if not self._capture(next(turns), shot) or self.counts.captured == limit:
                return
            self._progress()

    def _capture(self, camera: Camera, shot: Shot) -> bool:
        """False when capturing should end."""
        item = camera.capture(shot, self._clocks.utc())
        self.counts.captured += 1
        self._tell_when_full(item)
        self._spool.put(item, self._give_up)
        return not self._give_up()

    def _give_up(self) -> bool:
        return self._stop.is_set() or self._publisher.failure is not None

    def _tell_when_full(self, item: Captured) -> None:
        """Say once that the spool is full, and once that it has room again."""
        full = not self._spool.fits(item)
        if full != self._full:
            text = f"spool full: {_WHEN_FULL[self._spool.when_full]}" if full else "spool has room"
            tell = log.warning if full else log.info
            tell(text, frames_waiting=self._spool.held, dropped=self._spool.dropped)
        self._full = full

    def _note(self, taken: Refusal | Missed | None) -> None:
        """No picture: why."""
        if isinstance(taken, Refusal):
            self._refuse(taken)
        elif isinstance(taken, Missed):
            self.counts.missed[taken.reason] += taken.parts
            if taken.reason == AWAY:
                self._cameras[0].begin_anew()
            self._cameras[0].skip(taken.parts)
            log.warning("parts not inspected", parts=taken.parts, reason=taken.reason)
        else:
            self._progress()

    def _refuse(self, refusal: Refusal) -> None:
        self.counts.refused += 1
        log.warning("file not sent", file=refusal.path, reason=refusal.reason)

    def _progress(self) -> None:
        now = self._clocks.monotonic()
        if now < self._next_progress:
            return
        self._next_progress = now + self._progress_s
        log.info(
            "playing",
            captured=self.counts.captured,
            sent=self._publisher.sent,
            waiting=self._spool.held,
            waiting_mib=round(self._spool.held_bytes / 2**20, 1),
            dropped=self._spool.dropped,
            refused=self.counts.refused,
            missed=self.counts.missed.total(),
            unanswered_s=round(self._publisher.unanswered_s, 1),
        )
