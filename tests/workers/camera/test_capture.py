"""Frames of a camera: ids, sequence, epoch, and the pace."""

from datetime import UTC, datetime

import pytest

from schemas.frame import decode_frame, encode_frame
from workers.camera.capture import Camera, Pacer, make_cameras
from workers.camera.sources import Shot

NOW = datetime(2026, 3, 14, tzinfo=UTC)
SHOT = Shot(b"pixels", "image/png")


def test_a_frame_holds_the_shot_and_survives_the_wire() -> None:
    frame = Camera("cam-1", "flange").capture(SHOT, NOW).frame
    message = encode_frame(frame)
    assert decode_frame(message.headers, message.value) == frame
    assert (frame.data, frame.content_type, frame.captured_at) == (b"pixels", "image/png", NOW)
    assert frame.traceparent is None  # not traced


def test_a_sequence_counts_from_zero_within_an_epoch() -> None:
    first, second = (Camera("cam-1", "flange") for _ in range(2))
    frames = [first.capture(SHOT, NOW).frame for _ in range(3)]
    assert [frame.sequence for frame in frames] == [0, 1, 2]
    assert len({frame.frame_id for frame in frames}) == 3
    assert {frame.epoch for frame in frames} == {first.epoch} != {second.epoch}


def test_an_explicit_partition_goes_with_the_frames() -> None:
    cameras = make_cameras(dict.fromkeys(["a", "b"], "flange"), {"b": 3})
    assert [camera.capture(SHOT, NOW).partition for camera in cameras] == [None, 3]


class Clock:
    """A clock that stands still until it is told otherwise."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_pace_is_kept_without_drift() -> None:
    clock = Clock()
    pacer = Pacer(10, clock)
    starts = []
    for _ in range(5):
        clock.now += pacer.pause()
        starts.append(clock.now)
        clock.now += 0.03  # the work of a frame
    assert starts == pytest.approx([100, 100.1, 100.2, 100.3, 100.4])


def test_a_short_delay_is_caught_up_and_a_long_one_forgotten() -> None:
    clock = Clock()
    pacer = Pacer(10, clock)
    pacer.pause()
    clock.now += 0.25
    assert [pacer.pause(), pacer.pause()] == pytest.approx([0, 0])
    clock.now += 60
    assert pacer.pause() == 0
    assert pacer.pause() == pytest.approx(0.1)


def test_no_rate_means_no_pause() -> None:
    pacer = Pacer(0, Clock())
    assert [pacer.pause() for _ in range(3)] == [0, 0, 0]
