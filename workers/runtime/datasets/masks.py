"""Which mask belongs to an image: by name, in any of the forms that datasets have."""

from collections.abc import Iterable
from pathlib import Path

from workers.runtime.datasets.files import (
    MASK_FOLDERS,
    child,
    folded,
    folders_in,
    is_hidden,
    shown,
)

SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")  # the first that is there
_ENDS = ("_mask", "-mask", "", "_gt", "_label")


class MaskFolder:
    """The masks of one kind of defect: ground_truth/<kind>."""

    def __init__(self, category: Path, kind: str):
        roots = [each for each in folders_in(category) if each.name.casefold() in MASK_FOLDERS]
        self.folder = child(roots[0] if roots else category / "ground_truth", kind)
        self._names: dict[str, Path] = {}
        if self.folder.is_dir():
            paths = (path for path in self.folder.iterdir() if not is_hidden(path.name))
            self._names = {folded(path.name): path for path in sorted(paths)}

    def of(self, image: Path) -> Path | None:
        """The mask of an image, or the folder of its masks; None: it has none."""
        named = (
            folded(f"{image.stem}{end}{suffix}") for end in _ENDS for suffix in (*SUFFIXES, "")
        )
        return next((self._names[name] for name in named if name in self._names), None)

    def told(self, image: Path) -> str:
        """What was looked for, and what lies there instead."""
        sought = f"{self.folder.name}/{image.stem}_mask or {image.stem} ({', '.join(SUFFIXES)})"
        sought += f", or a folder {image.stem} of several"
        if not self.folder.is_dir():
            return f"looked for {sought}; there is no folder {self.folder}{_near(self.folder)}"
        alike = [name for name in self._names if name.startswith(folded(image.stem))]
        there = [self._names[name].name for name in alike or self._names]
        return f"looked for {sought}; there lies {shown(there) if there else 'nothing'}"


def _near(folder: Path) -> str:
    names = _names(folder.parent)
    return f" (in {folder.parent.name}: {shown(names)})" if names else ""


def _names(folder: Path) -> Iterable[str]:
    return [path.name for path in folders_in(folder)] if folder.is_dir() else []
