"""MVTec AD's layout, which most others copy (VisA's one-class form among them).

train/good/*    test/<kind>/*    ground_truth/<kind>/<stem>[_mask].png
"""

from dataclasses import dataclass
from pathlib import Path

from stream_inspector.errors import DataError
from workers.offline.images.datasets.files import (
    candidates,
    folders_in,
    good_images_in,
    images_in,
    refuse,
)
from workers.offline.images.datasets.layout import LabelledFile


@dataclass(frozen=True, slots=True)
class KindFolders:
    """One folder for each kind; `good_kind` is the name of the good one."""

    name: str
    good_kind: str

    def fits(self, folder: Path) -> bool:
        """A folder of good images, to train on or to test with."""
        return any((folder / part / self.good_kind).is_dir() for part in ("train", "test"))

    def good(self, folder: Path) -> list[Path]:
        """The images in train/good."""
        train = folder / "train"
        if not train.is_dir():
            raise DataError(
                f"{folder}: has test images but no train/{self.good_kind} to learn from"
            )
        others = (path for path in folders_in(train) if path.name != self.good_kind)
        refuse(train, others, f"folders beside {self.good_kind}/; training takes good images only")
        if not (train / self.good_kind).is_dir():
            raise DataError(
                f"{train}: no folder {self.good_kind}/; put the good images in "
                f"train/{self.good_kind}"
            )
        return good_images_in(train / self.good_kind)

    def labelled(self, folder: Path) -> list[LabelledFile]:
        """The images in test/<kind>, each with its mask in ground_truth/<kind>."""
        root = folder / "test"
        if not root.is_dir():
            raise DataError(
                f"{folder}: no folder test/ with one sub-folder for each kind "
                f"({self.good_kind}, ...)"
            )
        found = [
            self._file(folder, kind.name, path)
            for kind in folders_in(root)
            for path in images_in(kind)
        ]
        if not found:
            raise DataError(f"{root}: no images in its sub-folders; expected test/<kind>/*.png")
        return found

    def _file(self, folder: Path, kind: str, path: Path) -> LabelledFile:
        if kind == self.good_kind:
            return LabelledFile(path, kind, defective=False, mask=None)
        named = candidates((f"{path.stem}_mask", path.stem), folder / "ground_truth" / kind)
        mask = next((each for each in named if each.is_file()), None)
        return LabelledFile(path, kind, defective=True, mask=mask)


MVTEC = KindFolders("mvtec", "good")
