"""What the stage does about floods, expired records, faults that reject everything, and death."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from schemas.frame import Frame, encode_frame
from schemas.interruption import Interruption
from schemas.outcome import RejectReason
from stream_inspector.verdict import Image, Verdict
from workers.runtime.bus.ports import Partition
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.errors import DeviceHung
from workers.runtime.settling.results import Ticket

MakeFrame = Callable[..., Frame]
Picture = Callable[..., bytes]

GOOD, OVEREXPOSED = 200, 255
BOLTS = {"categories.names": ["bolts"]}
P = Partition("frames", 0)


def interruptions(stage: Any) -> list[Interruption]:
    found = stage.broker.records("dead-letters")
    return [
        Interruption.decode(r.headers, r.value)
        for r in found
        if dict(r.headers)["ce_type"] == b"io.stream-inspector.interruption.v1"
    ]


@pytest.mark.slow
def test_a_rare_category_beside_a_flood_does_not_wait_for_its_end(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.activate("nuts", "nuts-v1")
    stage.max_records = 2
    limits = {"worker.in_flight_frames": 16, "worker.batch_max": 2}
    stage.start(stage.slowly(0.01), **limits)
    stage.send(*(make_frame(picture(GOOD), n) for n in range(100)), partition=0)
    stage.outcomes_of(20)
    stage.send(make_frame(picture(GOOD), category="nuts", camera_id="line-2"), partition=1)
    before = len(stage.outcomes())

    def rare() -> list[int]:
        topics = [o.frame.category for o in stage.outcomes()]
        return [index for index, name in enumerate(topics) if name == "nuts"]

    stage.until(rare)
    after = len(stage.outcomes())
    assert after - before <= 16 + 4  # what was in work ahead of it, and two batches


@pytest.mark.slow
def test_records_that_expired_are_told_once_and_the_rest_is_inspected(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.send(*(make_frame(picture(GOOD), n) for n in range(10)), partition=0)
    stage.broker.expire(P, before=7)
    stop = stage.start(**BOLTS)
    assert [o.frame.sequence for o in stage.outcomes_of(3)] == [7, 8, 9]
    stop.set()
    stage.stop()
    [told] = interruptions(stage)
    assert (told.cause, told.partition, told.first_offset, told.records) == ("expired", 0, 0, 7)
    assert stage.broker.committed("inspectors")[P] == 10
    stage.start(**BOLTS)
    stage.send(make_frame(picture(GOOD), 10), partition=0)
    stage.outcomes_of(4)
    assert len(interruptions(stage)) == 1
    assert stage.metrics.registry.get_sample_value("inspector_expired_records_total") == 7


@pytest.mark.slow
def test_records_that_cannot_be_unpacked_are_told_in_their_place(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.send(*(make_frame(picture(GOOD), n) for n in range(10)), partition=0)
    stage.broker.spoil(P, 3, 5, "its checksum is wrong")
    stage.start(**BOLTS)
    assert [o.frame.sequence for o in stage.outcomes_of(7)] == [0, 1, 2, 6, 7, 8, 9]
    [told] = interruptions(stage)
    assert (told.cause, told.partition, told.first_offset, told.records) == ("unreadable", 0, 3, 3)
    assert "3 records (3 to 5) could not be unpacked (its checksum is wrong)" in told.error
    stage.until(lambda: stage.broker.committed("inspectors").get(P) == 10)
    assert stage.metrics.registry.get_sample_value("inspector_unreadable_records_total") == 3


@pytest.mark.slow
def test_a_fault_that_rejects_everything_stops_the_reading_and_it_goes_on_when_repaired(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    broken = threading.Event()
    broken.set()

    def load(manifest: bytes, tensors: bytes) -> LoadedModel:
        good = stage.slowly(0)(manifest, tensors)

        def inspect(images: Sequence[Image], *rest: Any) -> list[Verdict]:
            if broken.is_set():
                raise RuntimeError("the device is broken")
            return good.inspect(images, *rest)

        return replace(good, inspect=inspect)

    stage.max_records = 2
    limits = {"worker.in_flight_frames": 8, "breaker.window_s": 0.2, "breaker.min_frames": 4}
    stage.start(load, **BOLTS, **limits, **{"breaker.rest_s": 0.5})
    sequence = iter(range(10**6))
    vitals = stage.inspectors[0].vitals

    def stopped() -> bool:
        if stage.frames_read() - len(stage.outcomes()) < 4:
            stage.send(make_frame(picture(GOOD), next(sequence)), partition=0)
        return "stopped reading" in (vitals.ready() or "")

    stage.until(stopped)
    stage.until(lambda: interruptions(stage))
    [told] = interruptions(stage)
    assert told.cause == "inspection-stopped"
    assert "rejected" in told.error
    stage.until(stage.inspectors[0]._intake.idle)
    read = stage.frames_read()
    stage.send(*(make_frame(picture(GOOD), next(sequence)) for _ in range(40)), partition=0)
    assert stage.frames_read() <= read + 4
    broken.clear()
    stage.until(lambda: any(o.rejected is None for o in stage.outcomes()))
    stage.until(lambda: stage.frames_read() == len(stage.broker.records("frames")))
    assert len(interruptions(stage)) == 1


@pytest.mark.slow
def test_a_camera_that_sends_junk_costs_the_others_nothing(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.max_records = 4
    limits = {"breaker.window_s": 0.2, "breaker.min_frames": 4, "breaker.rest_s": 30}
    stage.start(**BOLTS, **limits)
    sequence = iter(range(10**6))

    def junk() -> bool:
        if stage.frames_read() - len(stage.outcomes()) < 4:
            stage.send(make_frame(b"no image", next(sequence), camera_id="junk"), partition=0)
            stage.send(make_frame(picture(GOOD), next(sequence)), partition=0)
        return any(o.rejected == RejectReason.CAMERA_HELD_BACK for o in stage.outcomes())

    stage.until(junk)
    for _ in range(60):
        stage.send(make_frame(picture(GOOD), next(sequence), camera_id="junk"), partition=0)
        stage.send(make_frame(picture(GOOD), next(sequence)), partition=0)
    outcomes = stage.outcomes_of(len(stage.broker.records("frames")))
    assert {o.rejected for o in outcomes if o.frame.camera_id == "line-1"} == {None}
    assert not stage.inspectors[0]._breaker.open
    [told] = interruptions(stage)
    assert (told.cause, told.camera_id, told.key) == ("camera-held-back", "junk", "junk")
    assert "junk" in (stage.inspectors[0].vitals.notes() or "")


@pytest.mark.slow
def test_marks_that_somebody_wrote_reject_no_frame(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.redis.put("in-work:inspectors:frames:0", b"x 0 40")
    for number in range(40):
        stage.redis.put(f"attempts:inspectors:frames:0:{number}", b"99")
    stage.send(*(make_frame(picture(GOOD), n) for n in range(40)), partition=0)
    stage.start(**BOLTS)
    assert {o.rejected for o in stage.outcomes_of(40)} == {None}


@pytest.mark.slow
def test_a_frame_that_hangs_each_worker_is_given_up_and_the_others_pass(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    release = threading.Event()

    def load(manifest: bytes, tensors: bytes) -> LoadedModel:
        good = stage.slowly(0)(manifest, tensors)

        def inspect(images: Sequence[Image], *rest: Any) -> list[Verdict]:
            if any(image.min() == OVEREXPOSED for image in images):
                release.wait(30)
                raise SystemExit
            return good.inspect(images, *rest)

        return replace(good, inspect=inspect)

    frames = [make_frame(picture(GOOD), n) for n in range(6)]
    frames[3] = make_frame(picture(OVEREXPOSED), 3)
    stage.send(*frames, partition=0)
    for death in range(2):  # in company, in its group
        stage.start(load, **BOLTS, **{"worker.frame_deadline_s": 0.3})
        stage.wait_for_error(death + 1)
        assert isinstance(stage.errors[death], DeviceHung)
    stage.errors.clear()

    class Trials:
        """Processes that hang of the overexposed one."""

        def survives(self, ticket: Ticket) -> bool:
            return ticket.record.value != frames[3].data

        def close(self) -> None:
            """Nothing to end."""

    stage.start(load, Trials(), **BOLTS)
    stage.until(lambda: len(stage.distinct_outcomes()) == 6)
    outcomes = stage.distinct_outcomes()
    assert [o.rejected for o in outcomes.values() if o.rejected] == [RejectReason.CRASHED_WORKER]
    [letter] = stage.dead_letters()
    assert letter.frame is not None
    assert (letter.frame.sequence, letter.attempts) == (3, 4)
    assert "worker.crash_attempts" in letter.error
    release.set()


@pytest.mark.slow
def test_no_good_frame_is_lost_between_five_hundred_broken_ones(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    random_ = random.Random(7)  # noqa: S311
    sent = 0
    for number in range(600):
        message = encode_frame(make_frame(picture(GOOD), number))
        if number % 6:
            at = random_.randrange(len(message.headers))
            value = bytearray(message.value)
            value[random_.randrange(len(value))] ^= random_.randrange(1, 256)
            headers = message.headers[:at] + message.headers[at + random_.randrange(2) :]
            message = replace(message, value=bytes(value), headers=headers)
        stage.send(message, partition=0)
        sent += 1
    stage.start(**BOLTS)
    outcomes = stage.outcomes_of(sent)
    assert len(outcomes) == sent
    assert sorted(o.record.offset for o in outcomes) == list(range(sent))
    good = [o for o in outcomes if o.record.offset % 6 == 0]
    assert {o.rejected for o in good} == {None}
