"""The same stage at its limits: floods, missing models, lost partitions, hung devices."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schemas.frame import Frame
from schemas.outcome import RejectReason, Verdict
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Image, Region
from stream_inspector.verdict import Verdict as CoreVerdict
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.errors import DeviceHung, Fatal

MakeFrame = Callable[..., Frame]
Picture = Callable[..., bytes]

GOOD = 200
BOLTS = {"categories.names": ["bolts"]}


@pytest.mark.slow
def test_a_flood_is_read_no_faster_than_it_is_inspected(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.max_records = 2
    limits = {"worker.in_flight_frames": 4, "worker.batch_max": 1}
    stage.start(stage.slowly(0.01), **BOLTS, **limits)
    stage.send(*(make_frame(picture(GOOD), n) for n in range(60)), partition=0)
    ahead = []
    while len(stage.broker.records("outcomes")) < 60:
        ahead.append(stage.frames_read() - len(stage.broker.records("outcomes")))
        time.sleep(0.002)
    assert 2 <= max(ahead) <= 4 + 2  # the limit and one poll
    assert stage.inspectors[0]._in_flight.bytes == 0


@pytest.mark.slow
def test_a_partition_with_a_waiting_frame_is_not_read_on(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.max_records = 2
    stage.start()
    stage.send(make_frame(picture(GOOD), category="nuts"), partition=0)
    stage.until(lambda: stage.inspectors[0]._parking.partitions({"nuts"}))
    time.sleep(0.05)
    stage.send(*(make_frame(picture(GOOD), n) for n in range(40)), partition=0)
    stage.send(*(make_frame(picture(GOOD), n) for n in range(40)), partition=1)
    stage.outcomes_of(40)  # of the other partition
    time.sleep(0.2)
    assert stage.frames_read() <= 1 + 40
    stage.activate("nuts", "nuts-v1")
    stage.outcomes_of(81)


@pytest.mark.slow
def test_frames_of_lost_partitions_are_not_inspected_for_nothing(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    one = {"worker.batch_max": 1, "worker.threads": 1}
    stage.start(stage.slowly(0.02), **BOLTS, **one)
    stage.send(*(make_frame(picture(GOOD), n) for n in range(45)), partition=0)
    stage.outcomes_of(1)
    stage.broker.expel(stage.broker.members("inspectors")[0])
    batches = stage.metrics.registry.get_sample_value("inspector_batch_size_frames_count")
    time.sleep(0.3)
    after = stage.metrics.registry.get_sample_value("inspector_batch_size_frames_count")
    assert after - batches <= 2
    assert stage.inspectors[0]._in_flight.bytes == 0


def sized(manifest: bytes, tensors: bytes) -> LoadedModel:
    """v1 is slow and wants 32 pixels; v2 wants 16 and refuses anything else."""
    size = (32, 32) if manifest == b"bolts-v1" else (16, 16)

    def inspect(images: Sequence[Image], *_: object) -> list[CoreVerdict]:
        time.sleep(0.1 if size == (32, 32) else 0.0)
        if any(image.shape[:2] != size for image in images):
            raise ValueError("wrong size")
        grey = images[0][:, :, 0].astype("float32")
        return [CoreVerdict(Grade.PASS, 0.0, 1.0, 1.0, (), grey) for _ in images]

    return LoadedModel(manifest.decode(), {"bolts": "c"}, {"bolts": View(size)}, inspect)


@pytest.mark.slow
def test_a_model_of_another_size_inspects_frames_that_were_decoded_for_the_old_one(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    one = {"worker.batch_max": 1, "worker.threads": 1}  # decoded in order
    stage.start(sized, **BOLTS, **one)
    stage.send(*(make_frame(picture(GOOD), n) for n in range(8)), partition=0)
    stage.outcomes_of(1)
    stage.activate("bolts", "bolts-v2")
    outcomes = stage.outcomes_of(8)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.PASS}
    assert {outcome.model_version for outcome in outcomes} == {"bolts-v1", "bolts-v2"}


@pytest.mark.slow
def test_a_hung_device_ends_the_process(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.start(stage.slowly(2.0), **BOLTS, **{"worker.frame_deadline_s": 0.2})
    stage.send(make_frame(picture(GOOD)))
    with pytest.raises(AssertionError):
        stage.outcomes_of(1)
    assert isinstance(stage.errors[0], DeviceHung)
    assert not stage.broker.committed("inspectors")


@pytest.mark.slow
def test_a_bug_in_a_thread_ends_the_process_instead_of_freezing_it(
    stage: Any, make_frame: MakeFrame, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.start(**BOLTS)
    stage.send(make_frame(picture(GOOD)))
    stage.outcomes_of(1)
    monkeypatch.setattr(stage.broker, "records", lambda topic: [])

    def broken(self: Any, messages: Any) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr("workers.runtime.bus.memory.MemoryProducer.publish", broken)
    stage.send(make_frame(picture(GOOD)))
    with pytest.raises(AssertionError):
        stage.outcomes_of(1)
    assert isinstance(stage.errors[0], Fatal)
    assert "bug" in str(stage.errors[0])


@pytest.mark.slow
def test_a_verdict_that_no_message_can_hold_is_a_failed_inspection(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    def nonsense(manifest: bytes, tensors: bytes) -> LoadedModel:
        region = Region(0, 0, 0, 0, (), 0, 1.0)  # no region has no pixels

        def inspect(images: Sequence[Image], *_: object) -> list[CoreVerdict]:
            grey = images[0][:, :, 0].astype("float32")
            return [CoreVerdict(Grade.DEFECT, 2.0, 1.0, 1.0, (region,), grey)] * len(images)

        return LoadedModel("v", {"bolts": "c"}, {"bolts": View((32, 32))}, inspect)

    stage.start(nonsense, **BOLTS)
    stage.send(make_frame(picture(GOOD)))
    assert stage.outcomes_of(1)[0].rejected is RejectReason.INSPECTION_FAILED
    assert "the verdict cannot be told" in stage.dead_letters()[0].error


@pytest.mark.slow
def test_a_stop_does_not_wait_for_frames_without_a_model(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stop = stage.start(**{"worker.drain_s": 60})
    stage.send(make_frame(picture(GOOD), category="nuts"), partition=0)
    stage.until(lambda: stage.inspectors[0]._parking.partitions({"nuts"}))
    stop.set()
    stage.stop()  # fails when it takes longer than 10 s
    assert not stage.broker.committed("inspectors")  # the next worker gets it


@pytest.mark.slow
def test_a_worker_is_alive_while_it_starts_and_ready_when_it_has_partitions(stage: Any) -> None:
    stage.start(**BOLTS)
    inspector = stage.inspectors[0]
    assert inspector.vitals.live() is None
    stage.until(lambda: inspector.vitals.ready() is None)
    inspector.vitals._polled_at = time.monotonic() - 60
    assert inspector.vitals.live() in (None, "no poll for 60 s")
