"""Reads image files as the worker will see them: by the same decoders, in a few threads.

What training, calibration and evaluation measure is then what the stream measures.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image as Pillow

from stream_inspector.errors import DataError, FrameRejected
from stream_inspector.image.decode import FILE_TYPES, Decoded
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.pro import binarise_mask
from stream_inspector.verdict import Image
from workers.runtime.decoders.current import THREADS, current
from workers.runtime.decoders.picture import Picture
from workers.runtime.decoders.pool import Decoders
from workers.runtime.host.regular_file import open_regular, read_regular

_log = structlog.get_logger(__name__)

OnCorrupt = Literal["fail", "skip"]
_SAME_SHAPE = 0.02  # by which an image's and its mask's sides may differ in ratio: rounding
_AHEAD = 16  # files in flight: decoded images wait for their turn in memory


def read_image(path: Path, view: View, decoders: Decoders | None = None) -> Decoded:
    """One file as the canvas of a view. Raises DataError naming the file."""
    decoders = decoders or current()
    try:
        data = read_regular(path, decoders.rules.limits.max_bytes, "kafka.max_frame_bytes")
        decoded = decoders.decode(Picture(data, FILE_TYPES[path.suffix.lower()], view))
    except FrameRejected as error:
        raise DataError(f"{path}: {error}; repair or remove it") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if decoded.damage:
        _log.warning("a damaged image is used", file=str(path), damage=decoded.damage)
    return decoded


def read_images(
    paths: Sequence[Path],
    view: View,
    on_corrupt: OnCorrupt = "fail",
    on_skip: Callable[[str], None] = lambda _: None,
) -> list[Image]:
    """Images in the order of their paths; `skip` leaves corrupt ones out and reports them."""
    return list(read_by_path(paths, view, on_corrupt, on_skip).values())


def read_by_path(
    paths: Sequence[Path],
    view: View,
    on_corrupt: OnCorrupt = "fail",
    on_skip: Callable[[str], None] = lambda _: None,
) -> dict[Path, Image]:
    """The images that can be read, by their paths."""
    images = dict[Path, Image]()
    for path, result in zip(paths, decode_in_order(paths, view), strict=True):
        if isinstance(result, Decoded):
            images[path] = result.image
        elif on_corrupt == "skip":
            on_skip(str(result))
        else:
            hint = "or pass --on-corrupt skip to go on without it"
            raise DataError(f"{result}, {hint}") from result
    return images


def read_mask(path: Path, view: View, frame: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """A ground-truth mask [H, W] on the canvas of a view.

    Raises DataError when it is not in the shape of its `frame` (width, height).
    """
    try:
        limit = current().rules.limits.max_bytes
        with (
            open_regular(path, limit, "kafka.max_frame_bytes") as file,
            Pillow.open(file, formats=("PNG", "BMP", "TIFF")) as picture,
        ):
            full = _mask_values(picture)
    except (OSError, ValueError, Pillow.DecompressionBombError) as error:
        raise DataError(f"{path}: is no readable mask: {error}") from error
    height, width = full.shape
    if frame and abs(width * frame[1] / (height * frame[0]) - 1) > _SAME_SHAPE:
        raise DataError(
            f"{path}: is {width} x {height}, its image {frame[0]} x {frame[1]} pixels; "
            "does it belong to another image?"
        )
    return on_canvas(full, view)


def on_canvas(mask: NDArray[np.uint8] | NDArray[np.bool_], view: View) -> NDArray[np.bool_]:
    """A frame's mask on the canvas [H, W]: covered at least by half."""
    rows, columns = view.inside
    size = (rows.stop - rows.start, columns.stop - columns.start)
    canvas = np.zeros(view.canvas, bool)
    height, width = mask.shape
    canvas[rows, columns] = binarise_mask(mask, size, view.crop((width, height)))
    return canvas


def _mask_values(picture: Pillow.Image) -> NDArray[np.uint8] | NDArray[np.bool_]:
    """A palette's colours stand for classes of defects: everything that is not black."""
    if picture.mode == "P":
        return np.asarray(np.asarray(picture.convert("RGB")).any(axis=2))
    return np.asarray(picture.convert("L"))


def refuse_masks(images: Sequence[Image], source: str) -> None:
    """Raises DataError when most pixels of a picture are pure black or white: masks, not photos."""
    masks = sum(_like_a_mask(image) for image in images)
    if masks:
        raise DataError(
            f"{source}: {masks} of the good images look like masks (black and white only); "
            "move them to ground_truth/"
        )


def _like_a_mask(image: Image) -> bool:
    return bool(np.mean((image <= 2) | (image >= 253)) > 0.98)


def decode_in_order(paths: Sequence[Path], view: View) -> Iterator[Decoded | DataError]:
    """Each file's image, or what is wrong with it; a bounded number is decoded ahead."""
    attempt = partial(_attempt, view=view, decoders=current())  # threads know no current ones
    with ThreadPoolExecutor(THREADS, "read") as pool:
        todo = iter(paths)
        waiting = [pool.submit(attempt, path) for path in islice(todo, _AHEAD)]
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(attempt, path) for path in islice(todo, 1)]


def _attempt(path: Path, view: View, decoders: Decoders) -> Decoded | DataError:
    try:
        return read_image(path, view, decoders)
    except DataError as error:
        return error
