"""A batch -> a verdict or a failure per frame. One bad frame does not cost the others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stream_inspector.verdict import Image, Verdict
from workers.runtime.detectors.loaded import Inspect

_OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError")  # torch's, by name: torch is not imported here
_SAID_SO = ("out of memory", "failed to allocate")  # engines that have one error for everything


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


@dataclass(frozen=True, slots=True)
class Pictures:
    """What the device gets to see of a batch: one entry a frame in each."""

    images: Sequence[Image]  # canvases of the model's views
    sizes: Sequence[tuple[int, int]]  # (width, height) as captured
    categories: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def part(self, start: int, stop: int) -> "Pictures":
        """Frames start..stop, without the last."""
        return Pictures(
            self.images[start:stop], self.sizes[start:stop], self.categories[start:stop]
        )


def detect(inspect: Inspect, batch: Pictures) -> Detection:
    """Inspect a batch. Out of memory: halve it. Any other error: frame by frame."""
    try:
        return Detection(tuple(_checked(inspect, batch)))
    except Exception as error:
        too_large = len(batch) > 1 and _out_of_memory(error)
    # Only now is the error gone, and with it what its frames kept on the device.
    if too_large:
        return _halved(inspect, batch)
    return Detection(tuple(_single(inspect, batch.part(i, i + 1)) for i in range(len(batch))))


def _checked(inspect: Inspect, batch: Pictures) -> list[Verdict]:
    verdicts = inspect(batch.images, batch.sizes, batch.categories)
    if len(verdicts) != len(batch):
        raise ValueError(f"the detector returned {len(verdicts)} verdicts for {len(batch)} frames")
    for verdict in verdicts:
        if not math.isfinite(verdict.image_score):
            raise ValueError(f"the detector returned the score {verdict.image_score}")
    return verdicts


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return type(error).__name__ in _OUT_OF_MEMORY or any(words in text for words in _SAID_SO)


def _halved(inspect: Inspect, batch: Pictures) -> Detection:
    half = (len(batch) + 1) // 2
    first = detect(inspect, batch.part(0, half))
    fits = first.fits or half
    second = detect(inspect, batch.part(half, len(batch)))
    return Detection(first.results + second.results, min(fits, second.fits or fits))


def _single(inspect: Inspect, frame: Pictures) -> Verdict | Failure:
    try:
        return _checked(inspect, frame)[0]
    except Exception as error:  # whatever it was, this frame cannot be inspected
        return Failure(f"the detector failed: {type(error).__name__}: {error}")
