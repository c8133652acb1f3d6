"""What an outcome adds to its camera's count, and where it contradicts what was said before."""

from collections import OrderedDict
from typing import NamedTuple

from schemas.outcome import FrameRef, Outcome, RecordRef, fingerprint
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import Happening, Place
from workers.notifier.deciding.identity import Identities, Meeting
from workers.notifier.settings import WatchSettings
from workers.notifier.watching import said
from workers.notifier.watching.cameras import Camera, Count, Missing
from workers.notifier.watching.sequence import Run, Step, back, forward, start

_ROOM_S = 100.0  # seconds of frames that may be missing whatever the times say
_ELAPSED_S = 30 * 86400.0  # more time than that is not believed
_BEHIND = 3  # frames in a row: one that waited for long is no lie
_LATE = 8  # frames in a row whose times and numbers went back: the camera itself went back


class Sight(NamedTuple):
    """An outcome as it was read."""

    frame: FrameRef
    outcome: Outcome
    place: Place
    now: Now


class Counting:
    """Counts the frames of cameras."""

    def __init__(self, settings: WatchSettings, identities: Identities) -> None:
        self._settings, self._identities = settings, identities

    def take(self, camera: Camera, sight: Sight) -> list[Happening]:
        """Count a frame; returns what is contradictory about it."""
        frame, outcome = sight.frame, sight.outcome
        print_ = fingerprint(frame, outcome.record)
        meeting = self._identities.meet(outcome.outcome_id, print_)
        if meeting is Meeting.AGAIN:
            _fill(camera, frame)
            return []
        found = self._doubts(camera, sight, meeting, print_)
        if camera.count is None:
            camera.count = Count(frame.epoch, OrderedDict({frame.epoch: Run(frame.sequence)}))
            camera.count.turns.go_on(frame.sequence)
            self._note(camera.count, sight)
            return found
        step = self._step(camera, camera.count, sight)
        if step.contradiction:
            found.append(said.contradiction(camera, sight.place, step.contradiction, outcome))
        return found

    def _doubts(
        self, camera: Camera, sight: Sight, meeting: Meeting, print_: str
    ) -> list[Happening]:
        found = []
        if meeting is Meeting.OTHER:
            found.append(said.repeated_id(camera.camera_id, sight.frame, sight.outcome, print_))
        lie = self._time_lie(sight)
        camera.odd_times = camera.odd_times + 1 if lie else 0
        if lie and (camera.odd_times >= _BEHIND or _is_ahead(sight)):
            found.append(said.contradiction(camera, sight.place, lie, sight.outcome))
        return found

    def _time_lie(self, sight: Sight) -> str | None:
        """Where capture and decision cannot both be true."""
        waited = (sight.outcome.decided_at - sight.frame.captured_at).total_seconds()
        if waited < -self._settings.clock_ahead_s:
            return f"its clock is {_span(-waited)} ahead of the worker's"
        if waited > self._settings.clock_behind_s:
            return f"its clock is {_span(waited)} behind the worker's"
        return None

    def _step(self, camera: Camera, count: Count, sight: Sight) -> Step:
        frame, room = sight.frame, self._room(count, sight)
        before = camera.base is None
        if before:
            camera.keep_base()  # as it was; dropped again below when no gap opens
        step = self._advance(camera, count, sight, room)
        for gap in step.missing if not count.turns.restless else ():
            camera.missing.append(
                Missing(frame.epoch, *gap, sight.now.s, sight.outcome.decided_at, sight.place)
            )
        if before and not camera.missing:
            camera.base = None
        if step.missing and count.turns.restless:
            return Step(contradiction=f"its numbers jump to and fro ({frame.sequence})")
        return step

    def _advance(self, camera: Camera, count: Count, sight: Sight, room: int) -> Step:
        """Where the frame stands in the camera's counts."""
        frame = sight.frame
        known = count.runs.get(frame.epoch)
        if known is None:
            count.turns.turn()
            count.begin(frame.epoch, frame.sequence)
            self._note(count, sight)
            return start(frame.sequence, room, count.turns, 0, "it started anew")
        if frame.sequence > known.last:
            return self._go_on(count, known, sight, room)
        if _fill(camera, frame) or frame.epoch != count.epoch or _is_old(count, sight):
            return Step()
        if self._is_late(count, frame):
            return Step()
        step = back(known, frame.sequence, room, count.turns)
        count.turns.go_on(frame.sequence)
        self._note(count, sight)
        return step

    def _go_on(self, count: Count, run: Run, sight: Sight, room: int) -> Step:
        frame = sight.frame
        returned = frame.epoch != count.epoch
        if returned:  # an earlier start of the camera goes on sending
            count.epoch = frame.epoch
            count.turns.turn()
        step = forward(run, frame.sequence, room)
        count.turns.go_on(frame.sequence)
        self._note(count, sight)
        if returned and count.turns.restless:
            return Step(
                contradiction="frames of two of its starts come by turns: "
                "two senders under one camera id?"
            )
        return step

    def _is_late(self, count: Count, frame: FrameRef) -> bool:
        """An older frame that came after all; so many of them are a clock that went back."""
        if count.captured is None or frame.captured_at >= count.captured:
            return False
        count.late += 1
        return count.late < _LATE

    def _room(self, count: Count, sight: Sight) -> int:
        """How many frames the camera can have taken since the last one."""
        elapsed = 0.0
        if count.captured and self._time_lie(sight) is None:
            elapsed = (sight.frame.captured_at - count.captured).total_seconds()
        elif count.decided:
            elapsed = (sight.outcome.decided_at - count.decided).total_seconds()
        seconds = _ROOM_S + min(max(elapsed, 0.0), _ELAPSED_S)
        return int(seconds * self._settings.max_rate)

    def _note(self, count: Count, sight: Sight) -> None:
        """This is the newest frame."""
        count.at, count.place, count.late = sight.outcome.record, sight.place, 0
        count.decided = sight.outcome.decided_at
        if self._time_lie(sight) is None:
            count.captured = sight.frame.captured_at


def _is_ahead(sight: Sight) -> bool:
    return sight.frame.captured_at > sight.outcome.decided_at


def _is_old(count: Count, sight: Sight) -> bool:
    """A record before the newest, delivered again; a topic that was made anew counts from 0."""
    if count.captured is not None and sight.frame.captured_at > count.captured:
        return False
    at, record, place = count.at, sight.outcome.record, count.place
    read_again = (
        place is not None
        and place.partition == sight.place.partition
        and (sight.place.offset <= place.offset)
    )
    sent_again = (
        at is not None and _partition(at) == _partition(record) and (record.offset < at.offset)
    )
    return read_again or sent_again


def _partition(record: RecordRef) -> tuple[str, int]:
    return record.topic, record.partition


def _fill(camera: Camera, frame: FrameRef) -> bool:
    """A missing frame's outcome came after all: take it out of its range."""
    sequence = frame.sequence
    for gap in camera.missing:
        if gap.epoch == frame.epoch and gap.first <= sequence <= gap.last:
            camera.missing.remove(gap)
            parts = ((gap.first, sequence - 1), (sequence + 1, gap.last))
            camera.missing += [
                Missing(gap.epoch, first, last, gap.since_s, gap.at, gap.place)
                for first, last in parts
                if first <= last
            ]
            return True
    return False


def _span(seconds: float) -> str:
    """A span of time as people say it."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
