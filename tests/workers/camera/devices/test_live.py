"""What a device missed, lost or could not give is told, with how many parts."""

from collections.abc import Iterator

import numpy as np
import pytest

from schemas.frame import decode_frame
from workers.camera.capture import make_cameras
from workers.camera.devices.absence import Absence
from workers.camera.devices.device import DeviceLost, Grab, VideoEnded
from workers.camera.devices.live import live_shots, missed
from workers.camera.devices.pixels import Picture
from workers.camera.play import Player
from workers.camera.sending.publisher import SpooledPublisher
from workers.camera.sending.spool import Spool
from workers.camera.settings import CameraProcessSettings, DeviceSettings
from workers.camera.sources import Missed, Shot
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.lifecycle import StopSignal

PIXELS = np.zeros((4, 6), np.uint8)
PICTURE = Picture(PIXELS)
FAST = DeviceSettings(retry_initial_s=0.001, retry_max_s=0.001, encoding="raw")


class Scripted:
    """A device that gives what the test says; an end is an end."""

    def __init__(self, *said: Grab | Exception | None) -> None:
        self._said: Iterator[Grab | Exception | None] = iter(said)
        self.opened = self.closed = 0

    def open(self) -> None:
        self.opened += 1

    def grab(self, timeout_s: float) -> Grab | None:
        found = next(self._said, VideoEnded("end"))
        if isinstance(found, Exception):
            raise found
        return found

    def synchronised(self) -> bool | None:
        return None

    def close(self) -> None:
        self.closed += 1


def taken(device: Scripted, settings: DeviceSettings = FAST) -> list[object]:
    return list(live_shots(device, settings, StopSignal(), once=True))


def grab(block: int | None) -> Grab:
    return Grab(PICTURE, block, 1000)


def counted(block: int, count: int | None) -> Grab:
    return Grab(PICTURE, block, None, count=count)


@pytest.mark.parametrize(
    ("last", "block", "parts"),
    [
        (None, 7, 0),
        (7, 8, 0),
        (7, 11, 3),
        (9, 0, 0),
        (65_534, 2, 2),
        (65_535, 1, 0),
        (70_000, 3, 0),
    ],
)
def test_a_gap_in_the_devices_count_is_so_many_parts(
    last: int | None, block: int, parts: int
) -> None:
    assert missed(last, block) == parts


def test_gaps_and_broken_buffers_are_told_between_the_pictures() -> None:
    found = taken(Scripted(grab(0), grab(3), Grab(None, 4, None, "lost"), grab(5)))
    kinds = [each if isinstance(each, Missed) else type(each) for each in found]
    assert kinds == [Shot, Missed(2, "gap"), Shot, Missed(1, "incomplete"), Shot]


def test_a_picture_carries_the_devices_count_and_clock() -> None:
    (shot,) = taken(Scripted(grab(5)))
    assert isinstance(shot, Shot)
    assert (shot.block, shot.device_ns, shot.width, shot.height) == (5, 1000, 6, 4)
    assert shot.data == PIXELS.tobytes()


def test_a_device_that_is_lost_is_looked_for_again_and_its_count_begins_anew() -> None:
    device = Scripted(grab(8), DeviceLost("unplugged"), DeviceLost("still"), grab(0), None)
    found = [each for each in taken(device) if each is not None]
    assert [type(each) for each in found] == [Shot, Missed, Shot]
    assert found[1] == Missed(1, "away")
    assert device.opened == device.closed == 3


def test_missed_parts_leave_a_gap_in_the_frames_numbers() -> None:
    from tests.workers.camera.test_run_camera import settings

    broker, camera = MemoryBroker(), settings().camera
    spool = Spool(2**20, "block")
    publisher = SpooledPublisher(spool, broker.producer(), "frames", camera.spool)
    player = Player(make_cameras({"line-1": "bolts"}, {}), spool, publisher, StopSignal())
    publisher.start()
    player.play(taken(Scripted(grab(0), grab(3), grab(4))), 0, 0)  # type: ignore[arg-type]
    publisher.finish(5)
    frames = [decode_frame(r.headers, r.value) for r in broker.records("frames")]
    assert [(frame.sequence, frame.block) for frame in frames] == [(0, 0), (3, 3), (4, 4)]
    assert frames[0].device_ns == 1000
    assert player.counts.missed == {"gap": 2}


def kinds(*grabs: Grab | Exception, **settings: object) -> list[object]:
    given = DeviceSettings.model_validate(FAST.model_dump() | settings)
    found = taken(Scripted(*grabs), given)
    return [s.count if isinstance(s, Shot) else s for s in found if s is not None]


def test_a_trigger_that_took_no_picture_is_a_part_that_nobody_saw() -> None:
    found = kinds(counted(0, 10), counted(1, 13), counted(2, 14), counter="ChunkCounterValue")
    assert found == [10, Missed(2, "trigger"), 13, 14]


def test_a_part_is_missed_once_however_many_counts_tell_of_it() -> None:
    found = kinds(counted(0, 10), counted(2, 13), counter="ChunkCounterValue")
    assert found == [10, Missed(1, "gap"), Missed(1, "trigger"), 13]
    assert kinds(counted(0, 0), counted(2, 2), counter="block") == [0, Missed(1, "gap"), 2]


def test_an_encoder_counts_many_steps_for_a_part() -> None:
    found = kinds(
        *(counted(block, count) for block, count in enumerate((1000, 1998, 3004, 6001))),
        counter="EncoderValue",
        counter_step=1000,
    )
    assert found == [1, 2, 3, Missed(2, "trigger"), 6]


def test_an_encoder_that_wraps_round_misses_no_part_and_sees_none_twice() -> None:
    counts = [n * 1000 + (-1) ** n * 40 for n in range(60, 70)]  # an encoder is never exact
    found = kinds(
        *(counted(block, count % 65_536) for block, count in enumerate(counts)),
        counter="EncoderValue",
        counter_step=1000,
        counter_wraps_at=65_536,
    )
    assert found == list(range(60, 70))
    steps = kinds(
        *(counted(n, count) for n, count in enumerate((65_000, 464, 3464, 65_464, 2464))),
        counter="EncoderValue",
        counter_step=1000,
        counter_wraps_at=65_536,
    )
    assert steps == [65, 66, Missed(2, "trigger"), 69, 65, Missed(2, "trigger"), 68]


def test_a_counter_that_is_set_back_misses_nothing_however_high_it_was() -> None:
    found = kinds(counted(0, 65_000), counted(1, 1), counted(2, 2), counter="ChunkCounterValue")
    assert found == [65_000, 1, 2]


def test_parts_that_went_by_while_the_camera_was_away_are_counted() -> None:
    away = DeviceLost("unplugged")
    found = kinds(counted(7, 10), away, counted(0, 15), counter="ChunkCounterValue")
    assert found == [10, Missed(4, "trigger"), 15]
    assert kinds(counted(7, 7), away, counted(9, 9), counter="block") == [
        7,
        Missed(1, "away"),
        9,
    ]


def test_a_device_that_was_away_would_have_taken_pictures_at_its_pace() -> None:
    absence = Absence(DeviceSettings())
    absence.lost()  # before its first picture nothing was missed
    absence.opened(10.0)
    times = (11.0, 11.0, 11.0, 11.0, 11.1, 11.2, 11.3, 11.4, 11.5, 12.0)  # some came at once
    assert [absence.parts(at) for at in times] == [0] * 10
    absence.lost()
    absence.lost()
    absence.opened(14.0)
    assert [absence.parts(at) for at in (14.2, 14.4)] == [10, 0]  # 5 a second
    absence.lost()  # two in less than a second: perhaps they came at once
    absence.opened(15.0)
    assert absence.parts(16.4) == 3


def test_how_many_signals_a_trigger_got_while_it_was_away_nobody_knows() -> None:
    absence = Absence(DeviceSettings(trigger="hardware"))
    absence.opened(10.0)
    assert [absence.parts(at) for at in (10.0, 10.1)] == [0, 0]
    absence.lost()
    assert absence.parts(20.0) == 1


def test_numbers_begin_anew_behind_parts_that_nobody_counted() -> None:
    (camera,) = make_cameras({"line-1": "bolts"}, {})
    spool = Spool(2**20, "block")
    publisher = SpooledPublisher(
        spool, MemoryBroker().producer(), "frames", CameraProcessSettings().camera.spool
    )
    player = Player([camera], spool, publisher, StopSignal())
    found = taken(Scripted(grab(0), grab(1), DeviceLost("unplugged"), grab(0), grab(3)))
    player.play(found, 0, 0)  # type: ignore[arg-type]
    frames = [each.frame for each in spool.take(2**20)]
    assert [frame.sequence for frame in frames[:2]] == [0, 1]
    assert frames[2].epoch != frames[1].epoch
    assert frames[3].epoch == frames[2].epoch
    assert frames[2].sequence >= 1
    assert frames[3].sequence == frames[2].sequence + 3
