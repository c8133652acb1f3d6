"""Watches cameras through their outcomes: a gap in the sequence, or silence, is not inspected.

Every frame has exactly one outcome, so a missing one is a part that nobody looked at. Pure: time
is an argument. What it remembers survives a restart (`snapshot`, `restore`).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from schemas.alarm import AlarmKind, Severity
from schemas.frame import LIVE
from schemas.outcome import FrameRef, Outcome
from workers.notifier.happenings import CAMERA_SILENT, SEQUENCE_GAP, Happening, Place
from workers.notifier.settings import WatchSettings
from workers.runtime.bus.ports import Partition, Positions

_RANGES = 32  # missing ranges of a camera that may still be filled
_EPOCHS = 8  # earlier starts of a camera whose late outcomes are recognised


@dataclass(slots=True)
class _Missing:
    """Sequence numbers first..last without an outcome, as the record at `place` revealed."""

    epoch: str
    first: int
    last: int
    since: datetime  # by our clock
    at: datetime  # the revealing outcome's time
    place: Place


@dataclass(slots=True)
class _Camera:
    camera_id: str
    seen: datetime  # by our clock
    partition: Partition | None = None  # None: expected, not heard of yet
    epoch: str = ""
    last: int = -1
    category: str | None = None
    past: list[str] = field(default_factory=list)
    silent: bool = False
    missing: list[_Missing] = field(default_factory=list)
    base: tuple[str, int] | None = None  # epoch and sequence before the gap that is still open


class _Sight(NamedTuple):
    """An outcome as it was read."""

    frame: FrameRef
    at: datetime
    place: Place
    now: datetime  # by our clock


class Watch:
    """What is known of each camera."""

    def __init__(self, settings: WatchSettings, now: datetime) -> None:
        self._settings = settings
        self._cameras: OrderedDict[str, _Camera] = OrderedDict()
        self._dormant: dict[Partition, tuple[int, list[_Camera]]] = {}
        self._resumed: dict[Partition, int] = {}
        for camera_id in settings.expected_cameras:
            self._cameras[camera_id] = _Camera(camera_id, now)

    def see(self, outcome: Outcome, place: Place, now: datetime) -> None:
        """Take an outcome."""
        self._check_resumed(place)
        frame = outcome.frame
        if frame is None or outcome.run != LIVE:
            return  # its dead letter speaks for it; a replay is no production
        camera = self._camera(frame.camera_id, now)
        camera.seen, camera.silent, camera.category = now, False, frame.category
        first_time, camera.partition = camera.partition is None, place.partition
        if first_time:
            camera.epoch, camera.last = frame.epoch, frame.sequence
            return
        sight = _Sight(frame, outcome.decided_at, place, now)
        if frame.epoch == camera.epoch:
            self._count(camera, sight)
        elif frame.epoch in camera.past:
            _fill(camera, frame)
        else:
            self._restart(camera, sight)

    def tick(self, now: datetime) -> list[Happening]:
        """Gaps that were not filled in time, and cameras that fell silent."""
        grace = timedelta(seconds=self._settings.gap_grace_s)
        found = []
        for camera in self._cameras.values():
            over = [gap for gap in camera.missing if now >= gap.since + grace]
            over += camera.missing[: max(0, len(camera.missing) - len(over) - _RANGES)]
            camera.missing = [gap for gap in camera.missing if gap not in over]
            found += [_gap(camera, gap) for gap in over]
            if self._is_silent(camera, now):
                camera.silent = True
                found.append(_silence(camera, now))
        return found

    def excuse(self, stalled: timedelta) -> None:
        """We ourselves did not read for so long: nobody was silent in that time."""
        for camera in self._cameras.values():
            camera.seen += stalled

    def settle(self, is_open: Callable[[str, str], bool]) -> None:
        """Forget where gaps began once their alarms are out."""
        for camera in self._cameras.values():
            if camera.base and not camera.missing and not is_open(camera.camera_id, SEQUENCE_GAP):
                camera.base = None

    def held(self) -> dict[Partition, int]:
        """Positions that must not be passed by a commit: records that revealed an open gap."""
        held: dict[Partition, int] = {}
        for camera in self._cameras.values():
            for gap in camera.missing:
                partition, offset = gap.place
                held[partition] = min(offset, held.get(partition, offset))
        return held

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Somebody else watches the cameras of these partitions now."""
        gone = set(partitions)
        for camera_id in [c.camera_id for c in self._cameras.values() if c.partition in gone]:
            del self._cameras[camera_id]

    def snapshot(self, positions: Positions) -> dict[str, Any]:
        """What to remember beside these positions, as JSON: the state before any open gap."""
        return {
            "positions": [[p.topic, p.index, offset] for p, offset in positions.items()],
            "cameras": [_to_json(c, c.partition) for c in self._cameras.values() if c.partition],
        }

    def restore(self, snapshot: Mapping[str, Any], now: datetime) -> None:
        """Remember again. It counts for a partition once that is assigned to us."""
        for topic, index, offset in snapshot["positions"]:
            self._dormant[Partition(topic, index)] = (offset, [])
        for content in snapshot["cameras"]:
            camera = _from_json(content, now)
            if camera.partition in self._dormant:
                self._dormant[camera.partition][1].append(camera)

    def activate(self, partitions: Iterable[Partition], now: datetime) -> None:
        """These partitions are ours: go on where we were, if nobody else read them meanwhile."""
        for partition in partitions:
            offset, cameras = self._dormant.pop(partition, (0, []))
            if cameras:
                self._resumed[partition] = offset
            for camera in cameras:
                camera.seen = now
                self._cameras[camera.camera_id] = camera

    def _check_resumed(self, place: Place) -> None:
        """Had somebody else read on, what we remember would look like a gap: drop it."""
        remembered = self._resumed.pop(place.partition, None)
        if remembered is not None and place.offset > remembered:
            self.forget([place.partition])

    def _camera(self, camera_id: str, now: datetime) -> _Camera:
        camera = self._cameras.get(camera_id)
        if camera is None:
            if len(self._cameras) >= self._settings.max_cameras:
                self._cameras.popitem(last=False)
            camera = self._cameras[camera_id] = _Camera(camera_id, now)
        self._cameras.move_to_end(camera_id)
        return camera

    def _count(self, camera: _Camera, sight: _Sight) -> None:
        frame = sight.frame
        if frame.sequence <= camera.last:
            _fill(camera, frame)  # late, or a redelivery
            return
        if frame.sequence > camera.last + 1:
            self._miss(camera, sight, camera.last + 1, (camera.epoch, camera.last))
        camera.last = frame.sequence

    def _restart(self, camera: _Camera, sight: _Sight) -> None:
        """A new epoch counts from 0, and we were watching: what is missing before it is a gap."""
        before = (camera.epoch, camera.last)
        camera.past = [*camera.past, camera.epoch][-_EPOCHS:]
        camera.epoch, camera.last = sight.frame.epoch, sight.frame.sequence
        if camera.last > 0:
            self._miss(camera, sight, 0, before)

    def _miss(self, camera: _Camera, sight: _Sight, first: int, before: tuple[str, int]) -> None:
        camera.base = camera.base or before
        frame = sight.frame
        gap = _Missing(frame.epoch, first, frame.sequence - 1, sight.now, sight.at, sight.place)
        camera.missing.append(gap)

    def _is_silent(self, camera: _Camera, now: datetime) -> bool:
        limit = self._settings.silent_after_s
        return bool(limit) and not camera.silent and now >= camera.seen + timedelta(seconds=limit)


def _fill(camera: _Camera, frame: FrameRef) -> None:
    """A missing frame's outcome came after all: take it out of its range."""
    sequence = frame.sequence
    for gap in camera.missing:
        if gap.epoch == frame.epoch and gap.first <= sequence <= gap.last:
            camera.missing.remove(gap)
            parts = ((gap.first, sequence - 1), (sequence + 1, gap.last))
            camera.missing += [
                _Missing(gap.epoch, first, last, gap.since, gap.at, gap.place)
                for first, last in parts
                if first <= last
            ]
            return


def _gap(camera: _Camera, gap: _Missing) -> Happening:
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
    )


def _silence(camera: _Camera, now: datetime) -> Happening:
    seconds = (now - camera.seen).total_seconds()
    return Happening(
        event_id=f"silent:{camera.camera_id}:{camera.epoch}:{camera.last}",
        camera_id=camera.camera_id,
        cause=CAMERA_SILENT,
        kind=AlarmKind.NOT_INSPECTED,
        severity=Severity.CRITICAL,
        at=now,
        text=f"no outcome for {seconds:.0f} s",
        place=None,
        category=camera.category,
    )


def _to_json(camera: _Camera, partition: Partition) -> dict[str, Any]:
    epoch, last = camera.base or (camera.epoch, camera.last)
    past = [name for name in camera.past if name != epoch]
    return {
        "camera_id": camera.camera_id,
        "partition": [partition.topic, partition.index],
        "epoch": epoch,
        "last": last,
        "past": past,
        "category": camera.category,
    }


def _from_json(content: Mapping[str, Any], now: datetime) -> _Camera:
    return _Camera(
        camera_id=content["camera_id"],
        seen=now,
        partition=Partition(*content["partition"]),
        epoch=content["epoch"],
        last=content["last"],
        category=content["category"],
        past=list(content["past"]),
    )
