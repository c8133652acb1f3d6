"""The cameras that are watched, and who gives way when there are too many."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from schemas.outcome import RecordRef
from workers.notifier.deciding.happenings import Place
from workers.notifier.watching.sequence import Run, Turns
from workers.runtime.bus.ports import Partition

_EPOCHS = 8  # starts of a camera whose counts are kept
_FAMILIAR = 10  # frames after which a camera id is not a newcomer's any more


@dataclass(slots=True)
class Missing:
    """Sequence numbers first..last without an outcome, as the record at `place` revealed."""

    epoch: str
    first: int
    last: int
    since_s: float  # monotonic
    at: datetime  # the revealing outcome's time
    place: Place


@dataclass(slots=True)
class Count:
    """How far a camera has counted, in each of its late epochs."""

    epoch: str  # the present one
    runs: OrderedDict[str, Run]
    turns: Turns = field(default_factory=Turns)
    captured: datetime | None = None  # the newest capture time that can be true
    decided: datetime | None = None  # ... and when its outcome was made
    at: RecordRef | None = None  # the newest frame's record
    place: Place | None = None  # ... and its outcome's
    late: int = 0  # frames in a row that came late, or from a clock that went back

    @property
    def run(self) -> Run:
        """The present epoch's."""
        return self.runs[self.epoch]

    def copy(self) -> "Count":
        """The same, to go back to."""
        runs = OrderedDict((e, Run(run.last, run.doubted)) for e, run in self.runs.items())
        turns = Turns(self.turns.steady, self.turns.hasty, self.turns.from_zero)
        return Count(
            *(self.epoch, runs, turns, self.captured, self.decided, self.at, self.place, self.late)
        )

    def begin(self, epoch: str, sequence: int) -> None:
        """Another epoch."""
        self.epoch, self.runs[epoch] = epoch, Run(sequence)
        while len(self.runs) > _EPOCHS:
            self.runs.popitem(last=False)


@dataclass(slots=True)
class Camera:
    """What is known of a camera."""

    camera_id: str
    heard_s: float  # monotonic
    partition: Partition | None = None  # None: expected, not heard of yet
    count: Count | None = None
    category: str | None = None
    frames: int = 0
    odd_times: int = 0  # frames in a row whose times cannot be true
    silent: bool = False  # and people were told so
    missing: list[Missing] = field(default_factory=list)
    base: Count | None = None  # the count before the gap that is still open

    @property
    def newcomer(self) -> bool:
        """Whether so few frames came that it may be a slip of somebody's pen."""
        return self.frames < _FAMILIAR

    def keep_base(self) -> None:
        """Remember how it counted, before a gap is noted."""
        if self.base is None and self.count is not None:
            self.base = self.count.copy()


class Roster:
    """Expected cameras stay for good; familiar ones and newcomers have rooms of their own."""

    def __init__(self, expected: Iterable[str], familiar: int, newcomers: int, now_s: float):
        self._limits = familiar, newcomers
        self.expected = {camera_id: Camera(camera_id, now_s) for camera_id in expected}
        self._familiar: OrderedDict[str, Camera] = OrderedDict()
        self._newcomers: OrderedDict[str, Camera] = OrderedDict()
        self.crowded_out = 0  # cameras that there was no room for any more

    def __iter__(self) -> Iterator[Camera]:
        yield from self.expected.values()
        yield from self._familiar.values()
        yield from self._newcomers.values()

    def __len__(self) -> int:
        return len(self.expected) + len(self._familiar) + len(self._newcomers)

    def find(self, camera_id: str) -> Camera | None:
        """A camera that is watched."""
        for room in (self.expected, self._familiar, self._newcomers):
            if camera_id in room:
                return room[camera_id]
        return None

    def meet(self, camera_id: str, now_s: float) -> Camera:
        """A camera that a frame came from. The one unheard for longest gives way to a new one."""
        camera = self.find(camera_id) or Camera(camera_id, now_s)
        camera.frames += 1
        self.put(camera)
        return camera

    def put(self, camera: Camera) -> None:
        """Take it in, or move it to where it belongs; the last heard is last."""
        name = camera.camera_id
        if name in self.expected:
            self.expected[name] = camera
            return
        self._newcomers.pop(name, None)
        known = name in self._familiar
        full = len(self._familiar) >= self._limits[0]
        room = self._newcomers if camera.newcomer or (full and not known) else self._familiar
        room[name] = camera
        room.move_to_end(name)
        if len(self._newcomers) > self._limits[1]:
            self._newcomers.popitem(last=False)
            self.crowded_out += 1

    def forget(self, partitions: Iterable[Partition], now_s: float) -> None:
        """Somebody else watches the cameras of these partitions now."""
        gone = set(partitions)
        for room in (self._familiar, self._newcomers):
            for name in [name for name, camera in room.items() if camera.partition in gone]:
                del room[name]
        for name, camera in self.expected.items():
            if camera.partition in gone:
                self.expected[name] = Camera(name, now_s)
