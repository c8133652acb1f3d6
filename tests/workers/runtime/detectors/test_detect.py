"""One bad frame does not cost the others, and a full device halves its batches."""

import weakref
from collections.abc import Sequence

import numpy as np

from stream_inspector.verdict import Grade, Image, Verdict
from workers.runtime.detectors.detect import Failure, Pictures, detect

MAP = np.zeros((2, 2), np.float32)


def image(value: int) -> Image:
    return np.full((2, 2, 3), value, np.uint8)


def verdict(score: float) -> Verdict:
    return Verdict(Grade.PASS, score, 1.0, 1.0, (), MAP)


class Device:
    """Fails on 255, runs out of memory above `room`, and counts its calls."""

    def __init__(self, room: int = 100, flaky: int = 0):
        self.room, self.flaky, self.calls = room, flaky, 0

    def __call__(self, images: Sequence[Image], *_: object) -> list[Verdict]:
        self.calls += 1
        if len(images) > self.room:
            raise MemoryError
        if self.calls <= self.flaky or any(each.max() == 255 for each in images):
            raise RuntimeError("broken")
        return [verdict(float(each[0, 0, 0])) for each in images]


def pictures(images: list[Image]) -> Pictures:
    return Pictures(images, [(2, 2)] * len(images), ["bolts"] * len(images))


def scores(images: list[Image], device: Device) -> list[float | str]:
    found = detect(device, pictures(images)).results
    return [each.error if isinstance(each, Failure) else each.image_score for each in found]


def test_a_batch_in_one_call() -> None:
    device = Device()
    assert scores([image(1), image(2)], device) == [1.0, 2.0]
    assert device.calls == 1


def test_the_frame_that_breaks_the_detector_fails_alone() -> None:
    found = scores([image(1), image(255), image(3)], Device())
    assert found == [1.0, "the detector failed: RuntimeError: broken", 3.0]


def test_a_fault_that_passes_costs_no_frame() -> None:
    assert scores([image(1), image(2)], Device(flaky=1)) == [1.0, 2.0]


def test_out_of_memory_halves_and_reports_what_fits() -> None:
    images = [image(value) for value in range(7)]
    found = detect(Device(room=2), pictures(images))
    assert [v.image_score for v in found.results if isinstance(v, Verdict)] == list(range(7))
    assert found.fits == 2


def test_a_single_frame_that_does_not_fit_fails() -> None:
    [failure] = scores([image(1)], Device(room=0))
    assert "MemoryError" in str(failure)


def test_a_score_that_is_no_number_is_a_failure() -> None:
    found = detect(lambda *_: [verdict(float("nan"))], pictures([image(1)]))
    assert isinstance(found.results[0], Failure)


def test_a_detector_that_loses_a_frame_is_not_believed() -> None:
    found = detect(lambda *_: [verdict(0.0)], pictures([image(1), image(2)]))
    assert all(isinstance(each, Verdict) for each in found.results)  # one by one it works
    found = detect(lambda *_: [], pictures([image(1)]))
    assert isinstance(found.results[0], Failure)


def test_what_did_not_fit_is_let_go_before_the_halves_are_tried() -> None:
    kept: list[weakref.ref[Image]] = []

    def inspect(images: Sequence[Image], *_: object) -> list[Verdict]:
        if len(images) > 1:
            activations = np.zeros(1000)
            kept.append(weakref.ref(activations))
            raise RuntimeError("CUDA error: out of memory")
        assert kept[0]() is None  # else the halves find the device as full as before
        return [verdict(0.0)]

    assert detect(inspect, pictures([image(1), image(2)])).fits == 1
