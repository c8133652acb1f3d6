"""The spool: order, its bound in bytes, and its three policies."""

import threading
from datetime import UTC, datetime

import pytest

from workers.camera.capture import Camera
from workers.camera.sending.spool import Captured, Spool, WhenFull
from workers.camera.sources import Shot

SIZE = 1000 + 1024  # of one frame: data and what its headers are counted as
CAMERA = Camera("cam-1", "flange")


def frame(size: int = 1000) -> Captured:
    return CAMERA.capture(Shot(bytes(size), "image/png"), datetime.now(UTC))


def never() -> bool:
    return False


def filled(when_full: WhenFull, count: int = 2) -> tuple[Spool, list[Captured]]:
    spool = Spool(count * SIZE, when_full)
    frames = [frame() for _ in range(count)]
    for item in frames:
        assert spool.put(item, never)
    return spool, frames


def test_frames_leave_in_the_order_they_came() -> None:
    spool, frames = filled("block", 5)
    assert spool.take(2 * SIZE) == frames[:2]
    assert spool.take(100 * SIZE) == frames[2:]


def test_a_batch_holds_at_least_one_frame() -> None:
    spool, frames = filled("block", 2)
    assert spool.take(1) == frames[:1]


def test_a_frame_counts_until_the_broker_has_it() -> None:
    spool, _ = filled("drop-newest")
    batch = spool.take(100 * SIZE)
    assert (spool.held, spool.held_bytes) == (2, 2 * SIZE)
    assert not spool.put(frame(), never)
    spool.settle(batch)
    assert (spool.held, spool.held_bytes) == (0, 0)
    assert spool.put(frame(), never)


def test_drop_newest_keeps_what_waits() -> None:
    spool, frames = filled("drop-newest")
    assert not spool.put(frame(), never)
    assert (spool.take(100 * SIZE), spool.dropped) == (frames, 1)


def test_drop_oldest_keeps_what_is_new() -> None:
    spool, frames = filled("drop-oldest")
    new = frame()
    assert spool.put(new, never)
    assert (spool.take(100 * SIZE), spool.dropped) == ([frames[1], new], 1)


def test_drop_oldest_makes_room_for_a_large_frame() -> None:
    spool, _ = filled("drop-oldest", 3)
    large = frame(2500)
    assert spool.put(large, never)
    assert (spool.take(100 * SIZE)[-1], spool.dropped) == (large, 2)
    assert spool.held_bytes <= 3 * SIZE


def test_drop_oldest_does_not_take_back_what_is_being_sent() -> None:
    spool, _ = filled("drop-oldest")
    spool.take(100 * SIZE)
    assert not spool.put(frame(), never)
    assert spool.dropped == 1


def test_block_waits_until_there_is_room() -> None:
    spool, frames = filled("block")
    late = frame()
    putting = threading.Thread(target=spool.put, args=(late, never))
    putting.start()
    putting.join(0.05)
    assert putting.is_alive()
    assert spool.held == 2
    spool.settle(spool.take(SIZE))
    putting.join(5)
    assert spool.take(100 * SIZE) == [frames[1], late]
    assert spool.dropped == 0


def test_block_gives_up_when_told_to() -> None:
    spool, frames = filled("block")
    assert not spool.put(frame(), lambda: True)
    assert (spool.take(100 * SIZE), spool.dropped) == (frames, 0)


def test_a_frame_larger_than_the_spool_passes_alone() -> None:
    spool = Spool(SIZE, "block")
    assert spool.put(frame(5000), never)
    assert not spool.fits(frame(10))


def test_a_closed_spool_is_drained_and_then_says_so() -> None:
    spool, frames = filled("block")
    spool.close()
    assert spool.take(100 * SIZE) == frames
    assert spool.take(100 * SIZE) == []


@pytest.mark.parametrize("when_full", ["drop-oldest", "drop-newest"])
def test_memory_stays_bounded_while_nothing_is_sent(when_full: WhenFull) -> None:
    spool = Spool(10 * SIZE, when_full)
    for _ in range(200):
        spool.put(frame(), never)
        assert spool.held_bytes <= 10 * SIZE
    assert spool.held + spool.dropped == 200
