"""Watches cameras through their outcomes: a gap in the sequence, or silence, is not inspected.

Every frame has exactly one outcome, so a missing one is a part that nobody looked at. What a
camera says of itself is doubted. Pure: time is an argument. What it remembers survives a restart
(`snapshot`, `restore`).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from schemas.camera_state import CameraState
from schemas.frame import LIVE
from schemas.outcome import FrameRef, Outcome
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import SEQUENCE_GAP, Happening, Place
from workers.notifier.deciding.identity import Identities
from workers.notifier.settings import WatchSettings
from workers.notifier.watching import said
from workers.notifier.watching.cameras import Camera, Missing, Roster
from workers.notifier.watching.counting import Counting, Sight
from workers.notifier.watching.pauses import Pauses
from workers.notifier.watching.snapshot import from_json, restored_positions, to_json
from workers.runtime.bus.ports import Partition

_RANGES = 32  # missing ranges of a camera that may still be filled


class Watch:
    """What is known of each camera."""

    def __init__(self, settings: WatchSettings, now: Now) -> None:
        self._settings = settings
        self.roster = Roster(
            settings.expected_cameras, settings.max_cameras, settings.max_newcomers, now.s
        )
        self.identities = Identities(settings.remember_frames)
        self._counting = Counting(settings, self.identities)
        self.pauses = Pauses(settings)
        self.silent = 0  # cameras of which silence was told; for other threads
        self._dormant: dict[Partition, tuple[int, list[Camera]]] = {}
        self._resumed: dict[Partition, int] = {}

    def see(self, outcome: Outcome, place: Place, now: Now) -> list[Happening]:
        """Take an outcome; what it says of its camera."""
        self._check_resumed(place, now)
        frame = outcome.frame
        if frame is None or outcome.run != LIVE:
            return []  # its dead letter speaks for it; a replay is no production
        crowded_out = self.roster.crowded_out
        camera = self.roster.meet(frame.camera_id, now.s)
        found = self._newly_met(camera, frame, crowded_out < self.roster.crowded_out, now.utc)
        if camera.silent:
            found.append(said.heard_again(camera, outcome, now))
        camera.heard_s, camera.silent, camera.category = now.s, False, frame.category
        camera.partition = place.partition
        return found + self._counting.take(camera, Sight(frame, outcome, place, now))

    def tick(self, now: Now) -> list[Happening]:
        """Gaps that were not filled in time, and cameras that fell silent."""
        for camera in self.pauses.resting(list(self.roster), now):
            camera.heard_s = now.s
        found = []
        for camera in self.roster:
            found += [said.gap(camera, gap) for gap in self._overdue(camera, now.s)]
            if self._is_silent(camera, now.s):
                camera.silent = True
                found.append(said.silence(camera, now, self.pauses.unfinished(camera)))
        self.silent = sum(camera.silent for camera in self.roster)
        return found

    def hear(self, state: CameraState, now: Now) -> None:
        """Take what a camera or an operator announced."""
        self.pauses.announced.hear(state, now)

    def excuse(self, stalled_s: float) -> None:
        """We ourselves did not read for so long: nobody was silent in that time."""
        for camera in self.roster:
            camera.heard_s += stalled_s

    def settle(self, is_open: Callable[[str, str], bool]) -> None:
        """Forget where gaps began once their alarms are out."""
        for camera in self.roster:
            if camera.base and not camera.missing and not is_open(camera.camera_id, SEQUENCE_GAP):
                camera.base = None

    def held(self) -> dict[Partition, int]:
        """Positions that must not be passed by a commit: records that revealed an open gap."""
        held: dict[Partition, int] = {}
        for camera in self.roster:
            for gap in camera.missing:
                partition, offset = gap.place
                held[partition] = min(offset, held.get(partition, offset))
        return held

    def forget(self, partitions: Iterable[Partition], now: Now) -> None:
        """Somebody else watches the cameras of these partitions now."""
        self.roster.forget(partitions, now.s)

    def snapshot(self) -> dict[str, Any]:
        """What to remember, as JSON: the state before any open gap."""
        return {
            "cameras": [to_json(c) for c in self.roster if c.count],
            "never_heard": [c.camera_id for c in self.roster if c.silent and not c.count],
        }

    def restore(self, snapshot: Mapping[str, Any], now: Now) -> None:
        """Remember again, as far as it can be read. It counts for partitions that become ours."""
        for partition, offset in restored_positions(snapshot):
            self._dormant[partition] = (offset, [])
        for content in snapshot.get("cameras", ()):
            camera = from_json(content, now.s)
            if camera and camera.partition in self._dormant:
                self._dormant[camera.partition][1].append(camera)
        for camera_id in snapshot.get("never_heard", ()):
            if camera_id in self.roster.expected:
                self.roster.expected[camera_id].silent = True

    def activate(self, partitions: Iterable[Partition], now: Now) -> None:
        """These partitions are ours: go on where we were, if nobody else read them meanwhile."""
        for partition in partitions:
            offset, cameras = self._dormant.pop(partition, (0, []))
            if cameras:
                self._resumed[partition] = offset
            for camera in cameras:
                camera.heard_s = now.s
                self.roster.put(camera)

    def _check_resumed(self, place: Place, now: Now) -> None:
        """Had somebody else read on, what we remember would look like a gap: drop it."""
        remembered = self._resumed.pop(place.partition, None)
        if remembered is not None and place.offset > remembered:
            self.roster.forget([place.partition], now.s)

    def _newly_met(
        self, camera: Camera, frame: FrameRef, crowded: bool, at: datetime
    ) -> list[Happening]:
        """A camera id that nobody expects, or one too many."""
        if camera.frames > 1 or camera.camera_id in self.roster.expected:
            return []
        if self.roster.expected:
            return [said.unknown(frame.camera_id, at, "is not in notifier.watch.expected_cameras")]
        return [said.unknown(frame.camera_id, at, said.CROWDED)] if crowded else []

    def _overdue(self, camera: Camera, now_s: float) -> list[Missing]:
        """Gaps whose grace is over, and the oldest of too many; they leave the camera."""
        if not camera.missing:
            return []
        over = [gap for gap in camera.missing if now_s >= gap.since_s + self._settings.gap_grace_s]
        over += camera.missing[: max(0, len(camera.missing) - len(over) - _RANGES)]
        camera.missing = [gap for gap in camera.missing if gap not in over]
        return over

    def _is_silent(self, camera: Camera, now_s: float) -> bool:
        limit = self._settings.silent_after_s
        if not limit or camera.silent or now_s < camera.heard_s + limit:
            return False
        expected = self.roster.expected
        if expected and camera.newcomer and camera.camera_id not in expected:
            return False  # people were told of an unknown camera
        return self.pauses.unfinished(camera) != 0
