"""What a dataset's layout has to tell: the good images, and the labelled ones with their masks.

Looking for good images never lists or opens a labelled one: training and calibration see only
`good`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workers.runtime.datasets.files import shown


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A test image with what is known of it."""

    path: Path
    kind: str  # name of its folder: good, scratch, ...
    defective: bool  # by its folder, not by its mask: masks shrink to nothing when resized
    mask: Path | None  # a picture, or a folder of several
    no_mask: str = ""  # what was looked for instead, where it should have one


class Layout(Protocol):
    """One way to lay out a category's images on disk. `folder` is the folder of one category."""

    @property
    def name(self) -> str:
        """As `--layout` takes it."""

    def fits(self, folder: Path) -> bool:
        """Whether the folder looks like a category in this layout."""

    def good(self, folder: Path) -> list[Path]:
        """The good images to learn from. Raises DataError, naming what is wrong."""

    def labelled(self, folder: Path) -> list[LabelledFile]:
        """The labelled test images, sorted by kind and name. Raises DataError."""


def missing_masks(files: Iterable[LabelledFile]) -> str:
    """One sentence on defective images without a mask; empty when all have one."""
    defective = [file for file in files if file.defective]
    without = [file for file in defective if file.mask is None]
    if not without:
        return ""
    names = shown(f"{file.kind}/{file.path.name}" for file in without)
    why = next((f"; for {file.path.name} {file.no_mask}" for file in without if file.no_mask), "")
    return (
        f"{len(without)} of {len(defective)} defective images have no mask and count for image "
        f"metrics only: {names}{why}"
    )
