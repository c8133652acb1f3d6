"""MVTec AD's layout, which most others copy (VisA's one-class form and MVTec LOCO among them).

train/good/*    test/<kind>/*    ground_truth/<kind>/<stem>[_mask].png, or <stem>/* of several
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stream_inspector.errors import DataError
from workers.runtime.datasets.files import child, folders_in, good_images_in, images_in, refuse
from workers.runtime.datasets.layout import LabelledFile
from workers.runtime.datasets.masks import MaskFolder
from workers.runtime.datasets.words import is_good


@dataclass(frozen=True, slots=True)
class KindFolders:
    """One folder for each kind; `good_kind` is what its dataset calls the good one."""

    name: str
    good_kind: str
    says_good: Callable[[str], bool] = is_good

    def fits(self, folder: Path) -> bool:
        """A folder of good images, to train on or to test with."""
        parts = (child(folder, part) for part in ("train", "test"))
        kinds = (each.name for part in parts if part.is_dir() for each in folders_in(part))
        return any(map(self.says_good, kinds))

    def good(self, folder: Path) -> list[Path]:
        """The images in train/good."""
        train = child(folder, "train")
        if not train.is_dir():
            raise DataError(
                f"{folder}: has test images but no train/{self.good_kind} to learn from"
            )
        kinds = folders_in(train)
        good = [each for each in kinds if is_good(each.name)]
        others = (each for each in kinds if each not in good)
        refuse(train, others, f"folders beside {self.good_kind}/; training takes good images only")
        if not good:
            raise DataError(
                f"{train}: no folder {self.good_kind}/; put the good images in "
                f"train/{self.good_kind}"
            )
        return [path for each in good for path in good_images_in(each)]

    def labelled(self, folder: Path) -> list[LabelledFile]:
        """The images in test/<kind>, each with its mask in ground_truth/<kind>."""
        root = child(folder, "test")
        if not root.is_dir():
            raise DataError(
                f"{folder}: no folder test/ with one sub-folder for each kind "
                f"({self.good_kind}, ...)"
            )
        found = [file for kind in folders_in(root) for file in _of_kind(folder, kind)]
        if not found:
            raise DataError(f"{root}: no images in its sub-folders; expected test/<kind>/*.png")
        return found


def _of_kind(folder: Path, kind: Path) -> list[LabelledFile]:
    if is_good(kind.name):
        return [
            LabelledFile(path, kind.name, defective=False, mask=None) for path in images_in(kind)
        ]
    masks = MaskFolder(folder, kind.name)
    return [_defective(path, kind.name, masks) for path in images_in(kind)]


def _defective(path: Path, kind: str, masks: MaskFolder) -> LabelledFile:
    mask = masks.of(path)
    why = "" if mask else masks.told(path)
    return LabelledFile(path, kind, defective=True, mask=mask, no_mask=why)


MVTEC = KindFolders("mvtec", "good")
