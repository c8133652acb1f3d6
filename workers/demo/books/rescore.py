"""The streamed frames scored once more, offline, by the same model version.

Score maps do not travel on the wire, so pixel metrics and the pictures of frames that raised
nothing come from here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from stream_inspector.detector import Scores
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Image, ScoreMap
from workers.demo.books.lines import SentFrame
from workers.demo.books.summary import PixelQuality
from workers.demo.books.truth import Mask, Truth
from workers.offline.scoring.ranking import Truth as LabelledTruth
from workers.offline.scoring.ranking import rank

MOST_FRAMES = 600  # maps and images stay in memory until the report is written
_BATCH = 8


@dataclass(slots=True)
class Rescored:
    """By frame id."""

    images: dict[str, Image] = field(default_factory=dict)
    maps: dict[str, ScoreMap] = field(default_factory=dict)
    masks: dict[str, Mask | None] = field(default_factory=dict)
    image_scores: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(
        default_factory=dict
    )  # (width, height) of the images in frame pixels


def rescore(
    score: Callable[[Sequence[Image]], Scores],
    view: View,
    frames: Sequence[SentFrame],
    truth: Truth,
) -> Rescored:
    """Score at most MOST_FRAMES frames, evenly taken from all, on the view's canvas."""
    chosen = frames[:: -(-len(frames) // MOST_FRAMES)] if frames else []
    result = Rescored()
    for first in range(0, len(chosen), _BATCH):
        batch = chosen[first : first + _BATCH]
        decoded = [truth.image(frame, view) for frame in batch]
        images = [each.image for each in decoded]
        scores = score(images)
        for index, frame in enumerate(batch):
            result.images[frame.frame_id] = images[index]
            result.sizes[frame.frame_id] = view.place(decoded[index].original_size).size(
                view.canvas
            )
            result.maps[frame.frame_id] = scores.maps[index]
            result.masks[frame.frame_id] = truth.mask(frame, view)
            result.image_scores[frame.frame_id] = float(scores.image_scores[index])
    return result


def pixel_quality(result: Rescored, sent: int) -> PixelQuality | None:
    """Pixel metrics of the rescored frames; None when no masks are known."""
    known = [name for name, mask in result.masks.items() if mask is not None]
    if not any(_mask(result, name).any() for name in known):
        return None
    masks = tuple(_mask(result, name) for name in known)
    ranking = rank(
        np.stack([result.maps[name] for name in known]),
        np.array([result.image_scores[name] for name in known]),
        LabelledTruth(np.array([mask.any() for mask in masks]), masks),
    )
    how = (
        f"{len(known)} of {sent} streamed frames, scored again offline after the stream by the "
        "same model version and engine; masks at the size that the detector sees"
    )
    return PixelQuality(ranking, how)


def _mask(result: Rescored, name: str) -> Mask:
    mask = result.masks[name]
    return np.zeros(result.maps[name].shape, bool) if mask is None else mask
