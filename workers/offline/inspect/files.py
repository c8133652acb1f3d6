"""A model on files instead of a stream: verdicts and pictures, batch by batch."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stream_inspector.detector import Detector
from stream_inspector.errors import DataError
from stream_inspector.image.decode import Decoded
from stream_inspector.image.formats import heic
from stream_inspector.image.pictures import encode_png, heat_range, heatmap, outline
from stream_inspector.image.view.canvas import Placement, View
from stream_inspector.verdict import Grade, Image, Verdict
from workers.offline.images.reader import decode_in_order
from workers.offline.noted import noted
from workers.runtime.datasets.files import SUFFIXES, images_below, is_image, shown

if TYPE_CHECKING:
    from stream_inspector.counterpart.variants import Counterpart

BATCH = 8


@dataclass(frozen=True, slots=True)
class Inspected:
    """One file's result."""

    path: Path
    image: Image
    place: Placement  # of the image in the file's
    verdict: Verdict
    counterpart: "Counterpart | None"


def find_images(sources: Sequence[Path]) -> list[Path]:
    """The image files that files and folders name. Raises DataError for anything else."""
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            listing = images_below(source)
            found += listing.files
            if listing.skipped:
                names = shown(str(path.relative_to(source)) for path in listing.skipped)
                noted().say(f"{source}: left out, since they are no pictures of parts: {names}")
        elif source.is_file() and is_image(source):
            found.append(source)
        else:
            raise DataError(f"{source}: {_why_not(source)}")
    if not found:
        raise DataError(f"{sources[0]}: no images in this folder")
    return list(dict.fromkeys(found))


def _why_not(source: Path) -> str:
    if not os.path.lexists(source):
        return "there is no such file or folder"
    if not source.exists():
        return "is a link to nothing"
    if not source.is_file():
        return "is no regular file and no folder"
    if source.suffix.lower() in heic.SUFFIXES:
        return heic.MISSING
    return f"is called like no image that can be read ({', '.join(SUFFIXES)})"


def inspect_files(
    detector: Detector,
    paths: Sequence[Path],
    category: str,
    *,
    explain: bool = True,
    on_bad: Callable[[DataError], None],
) -> Iterator[Inspected]:
    """Inspect files in batches, with a counterpart for each defect; others go to `on_bad`."""
    view = detector.model.view(category)
    for read in _batches(_read(paths, view, on_bad)):
        chunk, decoded = [path for path, _ in read], [found for _, found in read]
        images = [item.image for item in decoded]
        sizes = [item.original_size for item in decoded]
        verdicts = detector.inspect(images, sizes, [category] * len(images))
        counterparts = _explain(detector, images, verdicts, category) if explain else {}
        for index, path in enumerate(chunk):
            yield Inspected(
                path,
                images[index],
                view.place(decoded[index].original_size),
                verdicts[index],
                counterparts.get(index),
            )


def _batches(read: Iterable[tuple[Path, Decoded]]) -> Iterator[list[tuple[Path, Decoded]]]:
    rest = iter(read)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _read(
    paths: Sequence[Path], view: View, on_bad: Callable[[DataError], None]
) -> Iterator[tuple[Path, Decoded]]:
    for path, found in zip(paths, decode_in_order(paths, view), strict=True):
        if isinstance(found, Decoded):
            yield path, found
        else:
            on_bad(found)


def pictures(result: Inspected) -> dict[str, bytes]:
    """The evidence of one result as PNG: frame, heatmap, outline and, for a defect, counterpart."""
    verdict = result.verdict
    drawn = {
        "frame": result.image,
        "heatmap": score_picture(result.image, verdict.score_map, verdict.pixel_threshold),
        "outline": outline(result.image, verdict.regions, result.place),
    }
    if result.counterpart:
        drawn["counterpart"] = result.counterpart.image
    return {name: encode_png(image) for name, image in drawn.items()}


def score_picture(image: Image, score_map: NDArray[np.float32], threshold: float) -> Image:
    """A heatmap on one scale for all images of a model: clear below half the pixel threshold."""
    return heatmap(image, score_map, *heat_range(threshold))


def _explain(
    detector: Detector, images: Sequence[Image], verdicts: Sequence[Verdict], category: str
) -> "dict[int, Counterpart]":
    wanted = [index for index, verdict in enumerate(verdicts) if verdict.grade is Grade.DEFECT]
    bad = [images[i] for i in wanted], [verdicts[i] for i in wanted]
    made = detector.explain(*bad, [category] * len(wanted))
    return dict(zip(wanted, made, strict=True))
