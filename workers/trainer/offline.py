"""A model on files instead of a stream: scores, verdicts and pictures, batch by batch."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_inspector.counterpart import Counterpart
from stream_inspector.detector import Detector
from stream_inspector.errors import DataError
from stream_inspector.pictures import encode_png, heat_range, heatmap, outline
from stream_inspector.threshold.budget import Calibration
from stream_inspector.verdict import Grade, Image, Verdict
from workers.trainer.datasets import LabelledFile, images_in, is_image
from workers.trainer.evaluate import (
    LARGE,
    Evaluation,
    ImageScores,
    Maps,
    Truth,
    operating_point,
    rank,
)
from workers.trainer.images import Size, read_image, read_images, read_mask

BATCH = 8


@dataclass(frozen=True, slots=True)
class Scored:
    """All scores of a set of images: of the ensemble and of each member."""

    maps: dict[str, Maps]
    image_scores: dict[str, ImageScores]
    ms_per_image: float


@dataclass(frozen=True, slots=True)
class Inspected:
    """One file's result."""

    path: Path
    image: Image
    original_size: tuple[int, int]
    verdict: Verdict
    counterpart: Counterpart | None


def score_all(detector: Detector, images: Sequence[Image]) -> Scored:
    """Score images in batches. Times the detector alone, after one batch to warm up."""
    detector.score(images[:1])
    start = time.perf_counter()
    parts = [
        detector.score(images[first : first + BATCH]) for first in range(0, len(images), BATCH)
    ]
    seconds = time.perf_counter() - start
    maps = {"ensemble": np.concatenate([part.maps for part in parts])}
    scores = {"ensemble": np.concatenate([part.image_scores for part in parts])}
    for name in parts[0].members:
        maps[name] = np.concatenate([part.members[name] for part in parts])
        scores[name] = np.concatenate([part.member_image_scores[name] for part in parts])
    return Scored(maps, scores, 1000 * seconds / len(images))


def read_labelled(files: Sequence[LabelledFile], size: Size) -> tuple[list[Image], Truth]:
    """Test images and their truth; a good image's mask is empty."""
    images = read_images([file.path for file in files], size)
    return images, Truth(
        np.array([file.defective for file in files]), tuple(_mask(file, size) for file in files)
    )


def evaluation(
    detector: Detector, scored: Scored, truth: Truth, category: str, version: str
) -> Evaluation:
    """The report card of a scored test set."""
    calibration: Calibration | None = detector.model.calibrations.get(category)
    areas = truth.region_areas()
    return Evaluation(
        category=category,
        model_version=version,
        calibration_id=calibration.id if calibration else None,
        engine=detector.engine,
        resolution=detector.preset.input_size,
        n_good=int((~truth.defective).sum()),
        n_defective=int(truth.defective.sum()),
        n_masks=sum(bool(mask.any()) for mask in truth.masks if mask is not None),
        n_regions=len(areas),
        n_large_regions=int((areas >= LARGE).sum()),
        members={
            name: rank(scored.maps[name], scored.image_scores[name], truth) for name in scored.maps
        },
        at_threshold=operating_point(
            scored.image_scores["ensemble"],
            truth.defective,
            calibration.image_threshold,
            calibration.near_miss_threshold,
        )
        if calibration
        else None,
        ms_per_image=scored.ms_per_image,
    )


def find_images(sources: Sequence[Path]) -> list[Path]:
    """The image files that files and folders name. Raises DataError for anything else."""
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            found += images_in(source)
        elif source.is_file() and is_image(source):
            found.append(source)
        else:
            raise DataError(f"{source}: no image file and no folder of images")
    if not found:
        raise DataError(f"{sources[0]}: no images in this folder")
    return found


def inspect_files(
    detector: Detector, paths: Sequence[Path], *, explain: bool = True
) -> Iterator[Inspected]:
    """Inspect files in batches, with a counterpart for each defect."""
    size = detector.model.preset.input_size
    for first in range(0, len(paths), BATCH):
        chunk = paths[first : first + BATCH]
        decoded = [read_image(path, size) for path in chunk]
        images = [item.image for item in decoded]
        verdicts = detector.inspect(images, [item.original_size for item in decoded])
        counterparts = _explain(detector, images, verdicts) if explain else {}
        for index, path in enumerate(chunk):
            yield Inspected(
                path,
                images[index],
                decoded[index].original_size,
                verdicts[index],
                counterparts.get(index),
            )


def pictures(result: Inspected) -> dict[str, bytes]:
    """The evidence of one result as PNG: frame, heatmap, outline and, for a defect, counterpart."""
    verdict = result.verdict
    drawn = {
        "frame": result.image,
        "heatmap": score_picture(result.image, verdict.score_map, verdict.pixel_threshold),
        "outline": outline(result.image, verdict.regions, result.original_size),
    }
    if result.counterpart:
        drawn["counterpart"] = result.counterpart.image
    return {name: encode_png(image) for name, image in drawn.items()}


def score_picture(image: Image, score_map: NDArray[np.float32], threshold: float) -> Image:
    """A heatmap on one scale for all images of a model: clear below half the pixel threshold."""
    return heatmap(image, score_map, *heat_range(threshold))


def _explain(
    detector: Detector, images: Sequence[Image], verdicts: Sequence[Verdict]
) -> dict[int, Counterpart]:
    wanted = [index for index, verdict in enumerate(verdicts) if verdict.grade is Grade.DEFECT]
    made = detector.explain([images[i] for i in wanted], [verdicts[i] for i in wanted])
    return dict(zip(wanted, made, strict=True))


def _mask(file: LabelledFile, size: Size) -> NDArray[np.bool_] | None:
    if not file.defective:
        return np.zeros(size, bool)
    return read_mask(file.mask, size) if file.mask else None
