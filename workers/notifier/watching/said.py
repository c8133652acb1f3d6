"""What the watch says of a camera, as happenings."""

from datetime import datetime

from schemas.alarm import AlarmKind, Severity
from schemas.outcome import FrameRef, Outcome
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import (
    CAMERA_SILENT,
    CONTRADICTION,
    SEQUENCE_GAP,
    UNKNOWN_CAMERA,
    Happening,
    Place,
)
from workers.notifier.watching.cameras import Camera, Missing

UNKNOWN_CAMERAS = "unknown-cameras"  # stands for all of them
CROWDED = "is one more than there is room for (notifier.watch.max_newcomers)"


def gap(camera: Camera, gap: Missing) -> Happening:
    """Frames without an outcome."""
    count = gap.last - gap.first + 1
    frames = "1 frame" if count == 1 else f"{count} frames"
    which = f"{gap.first}" if count == 1 else f"{gap.first} to {gap.last}"
    return Happening(
        event_id=f"gap:{camera.camera_id}:{gap.epoch}:{gap.first}-{gap.last}",
        camera_id=camera.camera_id,
        cause=SEQUENCE_GAP,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.WARNING,
        at=gap.at,
        text=f"{frames} without an outcome (sequence {which})",
        place=gap.place,
        category=camera.category,
        weight=count,
        badness=float(count),
        subject=camera.camera_id,
        crowd=True,
    )


def silence(camera: Camera, now: Now, unfinished: int | None) -> Happening:
    """A camera of which nothing is heard, and nobody announced it."""
    epoch, last = (camera.count.epoch, camera.count.run.last) if camera.count else ("", -1)
    text = f"no outcome for {now.s - camera.heard_s:.0f} s"
    if unfinished:
        frames = f"{last + 1} to {last + unfinished}"
        text += f"; the camera ended, its last {unfinished} frames are missing (sequence {frames})"
    return Happening(
        event_id=f"silent:{camera.camera_id}:{epoch}:{last}:{now.utc:%Y%m%d%H}",
        camera_id=camera.camera_id,
        cause=CAMERA_SILENT,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.CRITICAL,
        at=now.utc,
        text=text,
        place=None,
        category=camera.category,
        weight=unfinished or 1,
        subject=camera.camera_id,
        crowd=True,
    )


def heard_again(camera: Camera, outcome: Outcome, now: Now) -> Happening:
    """The all-clear of a silence."""
    return Happening(
        event_id=f"heard:{camera.camera_id}:{outcome.outcome_id}",
        camera_id=camera.camera_id,
        cause=CAMERA_SILENT,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.INFO,
        at=now.utc,
        text=f"heard again after {now.s - camera.heard_s:.0f} s",
        place=None,
        category=camera.category,
        subject=camera.camera_id,
        all_clear=True,
        crowd=True,
    )


def contradiction(camera: Camera, place: Place, what: str, outcome: Outcome) -> Happening:
    """A camera says what cannot be true."""
    event_id = f"contradiction:{place.partition.topic}:{place.partition.index}:{place.offset}"
    return _contradiction(camera.camera_id, f"{event_id}:{what[:20]}", what, outcome)


def repeated_id(camera_id: str, frame: FrameRef, outcome: Outcome, print_: str) -> Happening:
    """Two frames under one id."""
    what = f"frame id {frame.frame_id!r} was used before, for another frame"
    event_id = f"contradiction:{outcome.outcome_id}:{print_}"
    return _contradiction(camera_id, event_id, what, outcome)


def _contradiction(camera_id: str, event_id: str, what: str, outcome: Outcome) -> Happening:
    return Happening(
        event_id=event_id,
        camera_id=camera_id,
        cause=CONTRADICTION,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.WARNING,
        at=outcome.decided_at,
        text=f"camera contradicts itself: {what}",
        place=None,
        category=outcome.frame.category if outcome.frame else None,
        subject=camera_id,
        standing=True,
        crowd=True,
    )


def unknown(camera_id: str, at: datetime, what: str) -> Happening:
    """A camera id that is not watched as a camera: one alarm for all of them."""
    return Happening(
        event_id=f"unknown-camera:{camera_id}:{at:%Y%m%d}",
        camera_id=UNKNOWN_CAMERAS,
        cause=UNKNOWN_CAMERA,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.WARNING,
        at=at,
        text=f"camera id {camera_id!r} {what}",
        place=None,
        subject=camera_id,
        standing=True,
    )
