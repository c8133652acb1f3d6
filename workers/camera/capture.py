"""From shots to frames: ids, sequence, capture time, and the pace of the cameras."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.frame import Frame, new_frame_id
from schemas.part import PartRef
from workers.camera.sending.spool import Captured
from workers.camera.sending.trace import Traces
from workers.camera.sources import Shot

Identify = Callable[[Shot], PartRef | None]

_CATCH_UP_S = 1.0  # further behind than this the schedule starts anew: no burst after a pause


@dataclass(slots=True)
class Camera:
    """One played camera. Its epoch is new at each start; the sequence counts within it."""

    camera_id: str
    category: str
    partition: int | None = None
    epoch: str = field(default_factory=new_frame_id)
    sequence: int = 0
    traces: Traces | None = None
    identify: Identify = lambda _: None

    def capture(self, shot: Shot, now: datetime) -> Captured:
        """Make a frame of a shot. Its id is fixed here: sent again, it is still the same frame."""
        frame_id = new_frame_id()
        frame = Frame(
            frame_id=frame_id,
            camera_id=self.camera_id,
            category=self.category,
            sequence=self.sequence,
            captured_at=shot.taken_at or now,
            content_type=shot.content_type,
            data=shot.data,
            epoch=self.epoch,
            width=shot.width,
            height=shot.height,
            block=shot.block,
            device_ns=shot.device_ns,
            pixel_format=shot.pixel_format,
            part=self.identify(shot),
            traceparent=self.traces.begin(frame_id) if self.traces else None,
        )
        self.sequence += 1
        return Captured(frame, shot, self.partition)

    def begin_anew(self) -> None:
        """Nobody knows how many parts went by: whoever counts them has to begin anew, too."""
        self.epoch, self.sequence = new_frame_id(), 0

    def skip(self, parts: int) -> None:
        """Parts of which there is no picture: their numbers are missing, which is an alarm."""
        self.sequence += parts


def make_cameras(
    categories: Mapping[str, str],
    partitions: Mapping[str, int],
    traces: Traces | None = None,
    identify: Identify = lambda _: None,
) -> list[Camera]:
    """The cameras of this process: each with what it looks at."""
    return [
        Camera(camera_id, category, partitions.get(camera_id), traces=traces, identify=identify)
        for camera_id, category in categories.items()
    ]


class Pacer:
    """Keeps a rate on an absolute schedule, so that small delays do not add up."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._due = clock()

    def pause(self) -> float:
        """Seconds to wait before the next frame."""
        now = self._clock()
        if now - self._due > _CATCH_UP_S:
            self._due = now
        wait = max(0.0, self._due - now)
        self._due += self._interval
        return wait


def take_turns(cameras: Sequence[Camera]) -> Iterator[Camera]:
    """The cameras round and round: each picture is taken by one of them."""
    while True:
        yield from cameras
