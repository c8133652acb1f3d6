"""A category's view settings -> the view for frames of the size at hand."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import Size, View
from stream_inspector.image.view.plan import Ignored, ViewPlan
from stream_inspector.presets import Preset
from workers.offline.images.datasets.detect import layout_of
from workers.runtime.categories import (
    CategoriesSection,
    Category,
    InputSize,
    ViewSettings,
    read_categories,
)
from workers.runtime.decoders.current import current
from workers.runtime.errors import SettingsError
from workers.runtime.host.regular_file import open_regular

_SAMPLE = 50  # files whose headers tell the frames' size
_MOST_MASK_PIXELS = 100_000_000
_MOST_MASK_BYTES = 64 * 2**20


def find_category(name: str, section: CategoriesSection) -> Category:
    """What is configured of a category; nothing when it has no file. Raises SettingsError."""
    return read_categories(section).get(name, Category(name))


def folder_view(category: Category, preset: Preset, folder: Path, layout: str) -> View:
    """The view of a category for the good images of its folder. Raises SettingsError, DataError."""
    frame = usual_frame(layout_of(folder, layout).good(folder))
    return view_for(category, preset.input_size, frame)


def refuse_different_tiles(views: Mapping[str, View]) -> None:
    """Raises SettingsError when one model's categories would need networks of several sizes."""
    tilings = {name: (view.rows, view.columns, *view.tile) for name, view in views.items()}
    if len(set(tilings.values())) > 1:
        told = (f"{name} {r} x {c} of {h} x {w} pixels" for name, (r, c, h, w) in tilings.items())
        raise SettingsError(
            "--unified: the networks are shared, so input size and tiles must be the same in all "
            f"categories' views: {', '.join(told)}; give them one input_size"
        )


def view_for(category: Category, preferred: Size, frame: tuple[int, int]) -> View:
    """The view at a preset's input size for frames of (width, height). Raises SettingsError."""
    try:
        return _plan(category.view or ViewSettings(), category.mask).view(preferred, frame)
    except ValueError as error:
        raise SettingsError(f"category {category.name}: view: {error}") from error


def usual_frame(paths: Sequence[Path]) -> tuple[int, int]:
    """(width, height) that most of some images have. Raises DataError when none can be read."""
    picked = paths[:: max(1, len(paths) // _SAMPLE)]
    sizes = Counter(size for path in picked if (size := _size(path)))
    if not sizes:
        raise DataError(f"{paths[0] if paths else 'no file'}: no image can be read here")
    return sizes.most_common(1)[0][0]


def _size(path: Path) -> tuple[int, int] | None:
    """From the header; an image that cannot be read is told of when it is decoded."""
    try:
        with (
            open_regular(path, current().rules.limits.max_bytes, "kafka.max_frame_bytes") as file,
            Pillow.open(file, formats=("PNG", "JPEG", "BMP", "TIFF")) as picture,
        ):
            return picture.size
    except (OSError, ValueError, Pillow.DecompressionBombError):
        return None


def _plan(settings: ViewSettings, mask: Path | None) -> ViewPlan:
    width, height = settings.sides

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
            None if mask is None else _read_mask(mask),
        ),
        input_size=_input_size(settings.input_size),
        keep_aspect=settings.keep_aspect,
        rows=settings.tiles.rows,
        columns=settings.tiles.columns,
        overlap=settings.tiles.overlap,
    )


def _input_size(wish: InputSize | Literal["auto", "preset"]) -> Size | Literal["auto"] | None:
    if isinstance(wish, InputSize):
        return wish.height, wish.width
    return None if wish == "preset" else wish


def _read_mask(file: Path) -> NDArray[np.bool_]:
    """White is ignored. Raises SettingsError naming the file."""
    try:
        with (
            open_regular(file, _MOST_MASK_BYTES, "view.ignore.mask") as opened,
            Pillow.open(opened, formats=("PNG",)) as picture,
        ):
            if picture.width * picture.height > _MOST_MASK_PIXELS:
                raise SettingsError(f"view.ignore.mask: {file} is too large: {picture.size}")
            return np.asarray(picture.convert("L")) >= 128
    except (OSError, ValueError, Pillow.DecompressionBombError) as error:
        raise SettingsError(f"view.ignore.mask: {file} is no readable PNG: {error}") from error
