"""A category's view settings -> the view for frames of the size at hand."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from stream_inspector.errors import DataError, FrameRejected
from stream_inspector.image.formats import heic
from stream_inspector.image.formats.depth import BY_FILE
from stream_inspector.image.formats.traits import turn_of
from stream_inspector.image.view.canvas import Size, View
from stream_inspector.image.view.plan import Ignored, ViewPlan
from stream_inspector.presets import MULTIPLE, Preset
from workers.offline.images.masks import mask_values, no_limit_of_its_own
from workers.runtime.categories import (
    CategoriesSection,
    Category,
    InputSize,
    ViewSettings,
    read_categories,
)
from workers.runtime.datasets.detect import layout_of
from workers.runtime.datasets.picture_file import read_picture_file
from workers.runtime.decoders.current import current
from workers.runtime.errors import SettingsError
from workers.runtime.host.regular_file import open_regular, read_regular

_SAMPLE = 50  # files whose headers tell the frames' size


def find_category(name: str, section: CategoriesSection) -> Category:
    """What is configured of a category; nothing when it has no file. Raises SettingsError."""
    return read_categories(section).get(name, Category(name))


def folder_view(category: Category, preset: Preset, folder: Path, layout: str) -> View:
    """The view of a category for the good images of its folder. Raises SettingsError, DataError."""
    good = layout_of(folder, layout).good(folder)
    frame = usual_frame(good, is_upright(category.view))
    return view_for(category, preset.input_size, frame, preset.multiple)


def is_upright(view: ViewSettings | None) -> bool:
    """Whether pictures of a category are turned as their EXIF data says."""
    return view is None or view.orientation == "upright"


def refuse_different_tiles(views: Mapping[str, View]) -> None:
    """Raises SettingsError when one model's categories would need networks of several sizes."""
    tilings = {name: (view.rows, view.columns, *view.tile) for name, view in views.items()}
    if len(set(tilings.values())) > 1:
        told = (f"{name} {r} x {c} of {h} x {w} pixels" for name, (r, c, h, w) in tilings.items())
        raise SettingsError(
            "--unified: the networks are shared, so input size and tiles must be the same in all "
            f"categories' views: {', '.join(told)}; give them one input_size"
        )


def view_for(
    category: Category, preferred: Size, frame: tuple[int, int], multiple: int = MULTIPLE
) -> View:
    """The view at a preset's input size for frames of (width, height). Raises SettingsError.

    Sides of another size divide by the preset's `multiple`.
    """
    try:
        plan = _plan(category.view or ViewSettings(), category.mask, frame)
        return plan.view(preferred, frame, multiple)
    except ValueError as error:
        raise SettingsError(f"category {category.name}: view: {error}") from error


def usual_frame(paths: Sequence[Path], upright: bool | None = True) -> tuple[int, int]:
    """(width, height) that most of some images have. Raises DataError when none can be read."""
    picked = paths[:: max(1, len(paths) // _SAMPLE)]
    sizes = Counter(size for path in picked if (size := _size(path, upright)))
    if not sizes:
        raise DataError(f"{paths[0] if paths else 'no file'}: no image can be read here")
    return sizes.most_common(1)[0][0]


def check_mask(category: Category) -> None:
    """Raises SettingsError when what the category's view ignores cannot be read."""
    if category.mask is not None:
        _read_mask(category.mask, upright=None)


def _size(path: Path, upright: bool | None) -> tuple[int, int] | None:
    """From the header; an image that cannot be read is told of when it is decoded."""
    most = current().rules.limits.max_bytes
    try:
        if path.suffix.lower() == ".npy":
            found = read_picture_file(path, most)
            return found.width or 0, found.height or 0
        with (
            no_limit_of_its_own(),
            open_regular(path, most, "kafka.max_frame_bytes") as file,
            Pillow.open(file, formats=("PNG", "JPEG", "BMP", "TIFF", *heic.FORMATS)) as picture,
        ):
            return turn_of(picture, upright).size(picture.size)
    except Exception:  # whatever a header makes Pillow raise
        return None


def _plan(settings: ViewSettings, mask: Path | bytes | None, frame: tuple[int, int]) -> ViewPlan:
    width, height = settings.sides
    unit = frame[0] / width if settings.frame_size else 1.0  # pixels of the frames
    smallest = settings.tiles.smallest_defect
    upright = is_upright(settings)

    def share(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        left, top, right, bottom = box
        return left / width, top / height, min(1.0, right / width), min(1.0, bottom / height)

    return ViewPlan(
        region=share(settings.region.box) if settings.region else (0.0, 0.0, 1.0, 1.0),
        ignored=Ignored(
            tuple(share(each.box) for each in settings.ignore.rectangles),
            tuple(
                tuple((x / width, y / height) for x, y in polygon)
                for polygon in settings.ignore.polygons
            ),
            None if mask is None else _read_mask(mask, upright),
        ),
        input_size=_input_size(settings.input_size),
        keep_aspect=settings.keep_aspect,
        rows=settings.tiles.rows,
        columns=settings.tiles.columns,
        overlap=settings.tiles.overlap,
        smallest_defect=None if smallest is None else smallest * unit,
        upright=upright,
        bits=BY_FILE if settings.bits == "auto" else settings.bits,
    )


def _input_size(wish: InputSize | Literal["auto", "preset"]) -> Size | Literal["auto"] | None:
    if isinstance(wish, InputSize):
        return wish.height, wish.width
    return None if wish == "preset" else wish


def _read_mask(mask: Path | bytes, upright: bool | None) -> NDArray[np.bool_]:
    """True where ignored. Raises SettingsError naming the file."""
    name = "the picture in the category's file" if isinstance(mask, bytes) else str(mask)
    try:
        most = current().rules.limits.max_bytes
        data = (
            mask if isinstance(mask, bytes) else read_regular(mask, most, "kafka.max_frame_bytes")
        )
        values = mask_values(data, upright).values
    except (OSError, ValueError, FrameRejected) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(f"view.ignore.mask: {name} is no readable mask: {why}") from error
    return np.asarray(values >= 128 if values.dtype == np.uint8 else values, bool)
