"""A category's labelled test images, read as the worker will see them, and their truth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stream_inspector.errors import DataError
from stream_inspector.image.decode import Decoded
from stream_inspector.image.view.canvas import Size, View
from stream_inspector.verdict import Image
from workers.offline.images.datasets import LabelledFile
from workers.offline.images.masks import read_mask
from workers.offline.images.reader import OnCorrupt, decode_in_order
from workers.offline.scoring.ranking import Truth

OnRead = Callable[[int, int], None]  # images read, of how many


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Test images with their truth, in the order of their files."""

    files: tuple[LabelledFile, ...]
    images: list[Image]  # [H, W, 3], canvases of the view
    sizes: list[tuple[int, int]]  # (width, height) as captured
    truth: Truth  # masks at the resolution of the measurement


def read_labelled(
    files: Sequence[LabelledFile],
    view: View,
    resolution: Size | None = None,
    *,
    on_corrupt: OnCorrupt = "fail",
    on_skip: Callable[[str], None] = lambda _: None,
    on_read: OnRead = lambda *_: None,
) -> LabelledImages:
    """Images as the view shows them, masks at `resolution`; a good image's mask is empty.

    Raises DataError naming an unreadable image, or a mask that belongs to another image.
    """
    measured = view.resized(resolution) if resolution else view
    kept, decoded, masks = list[LabelledFile](), list[Decoded](), list[NDArray[np.bool_] | None]()
    for file, result in zip(
        files, decode_in_order([file.path for file in files], view), strict=True
    ):
        if isinstance(result, Decoded):
            mask = _mask(file, result.original_size, measured, on_corrupt, on_skip)
            kept.append(file if mask is not None else replace(file, mask=None))
            decoded.append(result)
            masks.append(mask)
        elif on_corrupt == "skip":
            on_skip(str(result))
        else:
            raise DataError(f"{result}, or pass --on-corrupt skip") from result
        on_read(len(kept), len(files))
    truth = Truth(np.array([file.defective for file in kept]), tuple(masks))
    images, sizes = [each.image for each in decoded], [each.original_size for each in decoded]
    return LabelledImages(tuple(kept), images, sizes, truth)


def _mask(
    file: LabelledFile,
    frame: tuple[int, int],
    view: View,
    on_corrupt: OnCorrupt,
    on_skip: Callable[[str], None],
) -> NDArray[np.bool_] | None:
    """None: it has none, or one that cannot be read and may be left out."""
    if not file.defective:
        return np.zeros(view.canvas, bool)
    try:
        return read_mask(file.mask, view, frame) if file.mask else None
    except DataError as error:
        if on_corrupt == "fail":
            raise DataError(f"{error}; repair it, or pass --on-corrupt skip") from error
        on_skip(f"{error}")
        return None
