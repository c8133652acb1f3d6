"""Folders of images: which files are there, and which part of the work uses each.

Four layouts, one file each: MVTec AD's, BTAD's, VisA's own, and a plain folder of good images.
"""

from pathlib import Path

from workers.offline.images.datasets.left_out import tell_left_out
from workers.offline.images.datasets.licence import licence_notes
from workers.offline.images.datasets.split import (
    LEAST_GOOD,
    GoodFiles,
    all_good,
    file_digest,
    good_files,
    split,
)
from workers.runtime.datasets import files
from workers.runtime.datasets.detect import (
    AUTO,
    LAYOUTS,
    CategoryFolder,
    categories_in,
    layout_of,
)
from workers.runtime.datasets.files import is_image
from workers.runtime.datasets.layout import LabelledFile, missing_masks

__all__ = [
    "LAYOUTS",
    "LEAST_GOOD",
    "CategoryFolder",
    "GoodFiles",
    "LabelledFile",
    "all_good",
    "categories_in",
    "file_digest",
    "good_files",
    "images_in",
    "is_image",
    "licence_notes",
    "missing_masks",
    "split",
    "test_files",
]


def test_files(folder: Path, layout: str = AUTO) -> tuple[LabelledFile, ...]:
    """The labelled test images, sorted by kind and name. Raises DataError when there are none."""
    found = tuple(layout_of(folder, layout).labelled(folder))
    tell_left_out(file.path for file in found)
    return found


def images_in(folder: Path) -> list[Path]:
    """The images directly in a folder, by name. Raises DataError for folders in there."""
    found = files.images_in(folder)
    tell_left_out(found)
    return found
