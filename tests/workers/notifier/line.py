"""A watched camera, outcome by outcome."""

import json
from datetime import UTC, datetime, timedelta

from schemas.documents import samples
from schemas.outcome import Outcome, RecordRef, outcome_id
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import Happening, Place
from workers.notifier.settings import WatchSettings
from workers.notifier.watching.watch import Watch
from workers.runtime.bus.ports import Partition

START = datetime(2026, 3, 14, 9, tzinfo=UTC)
OUTCOMES = Partition("outcomes", 0)
SETTINGS = WatchSettings(silent_after_s=60, gap_grace_s=5)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def now(seconds: float, wall: float | None = None) -> Now:
    """A moment; the wall clock may show another."""
    return Now(1000 + seconds, at(seconds if wall is None else wall))


def outcome(
    sequence: int,
    camera: str = "cam-1",
    epoch: str = "e1",
    *,
    run: str = "live",
    frame_id: str | None = None,
    captured: float = 0,
    offset: int | None = None,
    **changes: object,
) -> Outcome:
    frame = samples.OUTCOME.frame
    assert frame is not None
    frame_id = frame_id or f"{camera}-{epoch}-{sequence}"
    ref = frame.model_copy(
        update={
            "sequence": sequence,
            "camera_id": camera,
            "epoch": epoch,
            "frame_id": frame_id,
            "captured_at": at(captured),
        }
    )
    own = {
        "frame": ref,
        "run": run,
        "outcome_id": outcome_id(f"/cameras/{camera}", frame_id, run),
        "decided_at": at(captured + 1),
    }
    if offset is not None:
        own["record"] = RecordRef(topic="frames", partition=2, offset=offset)
    return samples.OUTCOME.model_copy(update=own | changes)


class Line:
    """A watched camera; offsets count by themselves."""

    def __init__(self, settings: WatchSettings = SETTINGS) -> None:
        self.watch = Watch(settings, now(0))
        self.offset = 0
        self.said: list[Happening] = []  # at once, as outcomes came

    def see(self, *sequences: int, seconds: float = 0, **frame: object) -> "Line":
        for sequence in sequences:
            self.take(outcome(sequence, **frame), seconds)  # type: ignore[arg-type]
        return self

    def take(self, outcome: Outcome, seconds: float = 0) -> "Line":
        self.said += self.watch.see(outcome, Place(OUTCOMES, self.offset), now(seconds))
        self.offset += 1
        return self

    def told(self, seconds: float) -> list[str]:
        return [found.text for found in self.watch.tick(now(seconds))]

    @property
    def causes(self) -> list[str]:
        return [found.cause for found in self.said]


def never_open(camera_id: str, cause: str) -> bool:
    return False


def restarted(line: Line, read_from: int, seconds: float = 0) -> Line:
    """The line after a restart: only what was in the snapshot is known."""
    snapshot = json.loads(json.dumps(line.watch.snapshot()))
    snapshot["positions"] = [[OUTCOMES.topic, OUTCOMES.index, read_from, 0]]
    fresh = Line()
    fresh.offset = read_from
    fresh.watch.restore(snapshot, now(seconds))
    fresh.watch.activate([OUTCOMES], now(seconds))
    return fresh
