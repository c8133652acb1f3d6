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

from stream_inspector.errors import DataError, FrameRejected
from stream_inspector.image.decode import Decoded
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Image
from workers.offline.noted import noted
from workers.runtime.datasets.picture_file import read_picture_file
from workers.runtime.decoders.current import THREADS, current
from workers.runtime.decoders.picture import Picture
from workers.runtime.decoders.pool import Decoders

_log = structlog.get_logger(__name__)

OnCorrupt = Literal["fail", "skip"]
_SAME_LEVEL = 2  # grey levels by which two pixels of one colour may differ: rounding
_AHEAD = 16  # files in flight: decoded images wait for their turn in memory


def read_image(path: Path, view: View) -> Decoded:
    """One file as the canvas of a view. Raises DataError naming the file."""
    decoded = _read(path, view, current())
    noted().picture(path, decoded.traits, view.upright)
    return decoded


def _read(path: Path, view: View, decoders: Decoders) -> Decoded:
    """On any thread."""
    try:
        found = read_picture_file(path, decoders.rules.limits.max_bytes)
        picture = Picture(found.data, found.content_type, view, found.width, found.height)
        decoded = decoders.decode(picture)
    except FrameRejected as error:
        raise DataError(f"{path}: {error}; repair or remove it") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {why}") from error
    if decoded.damage:
        _log.warning("a damaged image is used", file=str(path), damage=decoded.damage)
    return decoded


def read_images(
    paths: Sequence[Path],
    view: View,
    on_corrupt: OnCorrupt = "fail",
    on_skip: Callable[[str], None] = lambda _: None,
    on_read: Callable[[], None] = lambda: None,
) -> list[Image]:
    """Images in the order of their paths; `skip` leaves corrupt ones out and reports them."""
    return list(read_by_path(paths, view, on_corrupt, on_skip, on_read).values())


def read_by_path(
    paths: Sequence[Path],
    view: View,
    on_corrupt: OnCorrupt = "fail",
    on_skip: Callable[[str], None] = lambda _: None,
    on_read: Callable[[], None] = lambda: None,
) -> dict[Path, Image]:
    """The images that can be read, by their paths; `on_read` after each file."""
    images = dict[Path, Image]()
    for path, result in zip(paths, decode_in_order(paths, view), strict=True):
        on_read()
        if isinstance(result, Decoded):
            images[path] = result.image
        elif on_corrupt == "skip":
            on_skip(str(result))
        else:
            hint = "or pass --on-corrupt skip to go on without it"
            raise DataError(f"{result}, {hint}") from result
    return images


def check_good(images: Sequence[Image], source: str) -> None:
    """Good images that nothing can be learnt from are refused; doubtful ones are told.

    Raises DataError when all are of one colour, or all alike.
    """
    flat = sum(map(_of_one_colour, images))
    if images and flat == len(images):
        raise DataError(
            f"{source}: all {flat} good images are of one colour each, so there is nothing to "
            "learn; is the lens covered, the exposure wrong, or the depth of the samples "
            "(view.bits)?"
        )
    if len(images) > 1 and all(_alike(image, images[0]) for image in images[1:]):
        raise DataError(
            f"{source}: all {len(images)} good images show the same pixels; what varies between "
            "good parts has to be learnt from pictures of different parts. Does the camera repeat "
            "its last picture?"
        )
    if flat:
        noted().say(f"{flat} of {len(images)} good images in {source} are of one colour")
    masks = sum(map(_like_a_mask, images))
    if masks:
        noted().say(
            f"{masks} of {len(images)} good images in {source} are black and white only: right "
            "for parts before a backlight; if they are masks, move them to ground_truth/ and train "
            "again"
        )


def _of_one_colour(image: Image) -> bool:
    return int(np.ptp(image, axis=(0, 1)).max()) <= _SAME_LEVEL


def _alike(image: Image, other: Image) -> bool:
    return bool((np.abs(image.astype(np.int16) - other) <= _SAME_LEVEL).all())


def _like_a_mask(image: Image) -> bool:
    return bool(np.mean((image <= 2) | (image >= 253)) > 0.98)


def decode_in_order(paths: Sequence[Path], view: View) -> Iterator[Decoded | DataError]:
    """Each file's image, or what is wrong with it; a bounded number is decoded ahead."""
    attempt = partial(_attempt, view=view, decoders=current())  # threads know no current ones
    with ThreadPoolExecutor(THREADS, "read") as pool:
        todo = iter(paths)
        waiting = [pool.submit(attempt, path) for path in islice(todo, _AHEAD)]
        for path in paths:
            found = waiting.pop(0).result()
            if isinstance(found, Decoded):
                noted().picture(path, found.traits, view.upright)
            yield found
            waiting += [pool.submit(attempt, each) for each in islice(todo, 1)]


def _attempt(path: Path, view: View, decoders: Decoders) -> Decoded | DataError:
    try:
        return _read(path, view, decoders)
    except DataError as error:
        return error
