"""Mask files: of defects, and of what a category's view ignores."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from stream_inspector.errors import DataError, FrameRejected
from stream_inspector.image.formats.limits import check_bytes, check_size
from stream_inspector.image.formats.signatures import looks_like
from stream_inspector.image.formats.traits import other_pictures, turn_of
from stream_inspector.image.masks import MaskFound, mask_found
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.pro import binarise_mask
from workers.offline.images.datasets import images_in
from workers.offline.noted import noted
from workers.runtime.decoders.current import current
from workers.runtime.host.regular_file import read_regular

_FORMATS = ("PNG", "BMP", "TIFF", "JPEG")
_SAME_SHAPE = 0.02  # by which an image's and its mask's sides may differ in ratio: rounding
_MUCH = 0.5  # of a picture

Values = NDArray[np.uint8] | NDArray[np.bool_]  # [H, W]


def read_mask(path: Path, view: View, frame: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """A ground-truth mask [H, W] on the canvas of a view; a folder's masks are taken together.

    Raises DataError when one is not in the shape of its `frame` (width, height).
    """
    paths = images_in(path) if path.is_dir() else [path]
    if not paths:
        raise DataError(f"{path}: no mask lies in this folder")
    found = [_one(each, view, frame) for each in paths]
    return np.asarray(np.logical_or.reduce(found))


def mask_values(data: bytes, upright: bool | None = None) -> MaskFound:
    """The values of an encoded mask. Raises ValueError, saying what is wrong."""
    limits = current().rules.limits
    try:
        check_bytes(data, limits)
        with no_limit_of_its_own(), Pillow.open(io.BytesIO(data), formats=_FORMATS) as picture:
            check_size(*picture.size, limits)
            other_pictures(picture)
            turn = turn_of(picture, upright)
            found = mask_found(picture)
    except (FrameRejected, ValueError):
        raise
    except UnidentifiedImageError as error:
        what = looks_like(data) or f"no picture (they begin with {data[:8].hex(' ')})"
        raise ValueError(f"its {len(data)} bytes are {what}") from error
    except Exception as error:  # codecs raise anything on damaged bytes
        raise ValueError(str(error) or type(error).__name__) from error
    if turn.method is None:
        return found
    turned = np.asarray(turn.turned(Pillow.fromarray(found.values)))
    return MaskFound(turned, found.took)


@contextmanager
def no_limit_of_its_own() -> Iterator[None]:
    """Pillow warns of large pictures, and then refuses them; we have a limit that is set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Pillow.MAX_IMAGE_PIXELS = before


def on_canvas(mask: Values, view: View) -> NDArray[np.bool_]:
    """A frame's mask on the canvas [H, W]: covered at least by half."""
    rows, columns = view.inside
    size = (rows.stop - rows.start, columns.stop - columns.start)
    canvas = np.zeros(view.canvas, bool)
    height, width = mask.shape
    canvas[rows, columns] = binarise_mask(mask, size, view.crop((width, height)))
    return canvas


def _one(path: Path, view: View, frame: tuple[int, int] | None) -> NDArray[np.bool_]:
    try:
        data = read_regular(path, current().rules.limits.max_bytes, "kafka.max_frame_bytes")
        found = mask_values(data, view.upright)
    except (OSError, ValueError, FrameRejected) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: is no readable mask: {why}") from error
    height, width = found.values.shape
    if frame and not _alike(width, height, frame):
        turned = _alike(height, width, frame)
        hint = " with its sides turned (view.orientation)" if turned else ""
        raise DataError(
            f"{path}: is {width} x {height}, its image {frame[0]} x {frame[1]} pixels{hint}; "
            "does it belong to another image?"
        )
    noted().mask(path, found.took)
    if not (found.values > 0).any():
        noted().mask(path, "nothing, since all of it is black,")
    if np.mean(found.values > 0) > _MUCH:
        noted().mask(path, f"more than {_MUCH:.0%} of the picture (are black and white swapped?)")
    return on_canvas(found.values, view)


def _alike(width: int, height: int, frame: tuple[int, int]) -> bool:
    return abs(width * frame[1] / (height * frame[0]) - 1) <= _SAME_SHAPE
