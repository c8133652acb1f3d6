"""A batch -> a verdict or a failure per frame. One bad frame does not cost the others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stream_inspector.verdict import Image, Verdict
from workers.inspector.work import Inspect

_OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError")  # torch's, by name: torch is not imported here


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame on which the detector raised, twice."""

    error: str
    attempts: int = 2


@dataclass(frozen=True, slots=True)
class Detection:
    """What the device said, frame by frame, and the batch size that fits when one did not."""

    results: tuple[Verdict | Failure, ...]
    fits: int | None = None


def detect(
    inspect: Inspect, images: Sequence[Image], sizes: Sequence[tuple[int, int]]
) -> Detection:
    """Inspect a batch. Out of memory: halve it. Any other error: frame by frame."""
    try:
        return Detection(tuple(_checked(inspect, images, sizes)))
    except Exception as error:
        if len(images) > 1 and type(error).__name__ in _OUT_OF_MEMORY:
            return _halved(inspect, images, sizes)
    singles = (_single(inspect, images[i], sizes[i]) for i in range(len(images)))
    return Detection(tuple(singles))


def _checked(
    inspect: Inspect, images: Sequence[Image], sizes: Sequence[tuple[int, int]]
) -> list[Verdict]:
    verdicts = inspect(images, sizes)
    if len(verdicts) != len(images):
        raise ValueError(f"the detector returned {len(verdicts)} verdicts for {len(images)} frames")
    for verdict in verdicts:
        if not math.isfinite(verdict.image_score):
            raise ValueError(f"the detector returned the score {verdict.image_score}")
    return verdicts


def _halved(
    inspect: Inspect, images: Sequence[Image], sizes: Sequence[tuple[int, int]]
) -> Detection:
    half = (len(images) + 1) // 2
    first = detect(inspect, images[:half], sizes[:half])
    fits = first.fits or half
    second = detect(inspect, images[half:], sizes[half:])
    return Detection(first.results + second.results, min(fits, second.fits or fits))


def _single(inspect: Inspect, image: Image, size: tuple[int, int]) -> Verdict | Failure:
    try:
        return _checked(inspect, [image], [size])[0]
    except Exception as error:  # whatever it was, this frame cannot be inspected
        return Failure(f"the detector failed: {type(error).__name__}: {error}")
