"""Folders of images, in MVTec layout or plain: which files are there, and which part uses each.

    train/good/*  test/<kind>/*  ground_truth/<kind>/<stem>[_mask].png     or     *.png of good ones

Good images are split once by content digest, whatever their names or order. Nothing that trains or
calibrates looks into `test/`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stream_inspector.decode import FILE_TYPES
from stream_inspector.errors import DataError, TooFewImages

T = TypeVar("T")
GOOD = "good"
LEAST_GOOD = 20  # below this, two images of each held-out part cannot be had
_IGNORED = {"thumbs.db", "desktop.ini"}  # left behind by file managers
_SHOWN = 5  # names quoted in a message


@dataclass(frozen=True, slots=True)
class GoodFiles:
    """The good images of a category: 80 % train, 10 % select, 10 % calibrate."""

    train: tuple[Path, ...]
    select: tuple[Path, ...]  # normalisation statistics and model choices
    calibrate: tuple[Path, ...]  # thresholds, and nothing else: their guarantee rests on it
    digest: str  # of all contents; names and order do not matter


@dataclass(frozen=True, slots=True)
class TestFile:
    """A test image with what is known of it."""

    path: Path
    kind: str
    mask: Path | None

    @property
    def defective(self) -> bool:
        """By its folder, not by its mask: masks shrink to nothing when resized."""
        return self.kind != GOOD


def good_files(folder: Path, least: int = LEAST_GOOD) -> GoodFiles:
    """Find and split the good images. Raises DataError or TooFewImages, naming what is wrong."""
    by_digest = {_digest(path): path for path in _good_paths(folder)}
    if len(by_digest) < least:
        raise TooFewImages(
            f"{folder}: {len(by_digest)} different good images, at least {least} are needed; "
            f"add {least - len(by_digest)} more (better: some hundreds; one in ten is held out "
            "for the thresholds)"
        )
    digests = sorted(by_digest)
    ordered = [by_digest[digest] for digest in digests]
    together = hashlib.sha256("".join(digests).encode()).hexdigest()
    return GoodFiles(*split(ordered), digest=together)


def split(ordered: Sequence[T]) -> tuple[tuple[T, ...], tuple[T, ...], tuple[T, ...]]:
    """Train, select and calibrate parts of images in digest order, which is a fair shuffle."""
    train = (item for rank, item in enumerate(ordered) if rank % 10 not in (3, 8))
    return tuple(train), tuple(ordered[3::10]), tuple(ordered[8::10])


def test_files(folder: Path) -> tuple[TestFile, ...]:
    """The labelled test images, sorted by kind and name. Raises DataError when there are none."""
    root = folder / "test"
    if not root.is_dir():
        raise DataError(f"{folder}: no folder test/ with one sub-folder for each kind (good, ...)")
    found = tuple(
        TestFile(path, kind.name, None if kind.name == GOOD else _mask(folder, kind.name, path))
        for kind in _folders(root)
        for path in images_in(kind)
    )
    if not found:
        raise DataError(f"{root}: no images in its sub-folders; expected test/<kind>/*.png")
    return found


def images_in(folder: Path) -> list[Path]:
    """The images directly in a folder, by name. Raises DataError for anything else in there."""
    entries = sorted(path for path in folder.iterdir() if not _hidden(path))
    _refuse(folder, (path for path in entries if path.is_dir()), "sub-folders")
    _refuse(folder, (path for path in entries if not is_image(path)), "files that are no images")
    return entries


def is_image(path: Path) -> bool:
    """Whether the suffix names a format that the decoder opens (any case)."""
    return path.suffix.lower() in FILE_TYPES


def _good_paths(folder: Path) -> list[Path]:
    source = _good_folder(folder)
    found = images_in(source)
    if not found:
        raise DataError(f"{source}: no images; expected {', '.join(FILE_TYPES)} files")
    named = (path for path in found if path.stem.lower().endswith(("_mask", "-mask")))
    _refuse(source, named, "masks among the good images")
    return found


def _good_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder of one category")
    if not (folder / "train").is_dir():
        return _plain_folder(folder)
    others = [path for path in _folders(folder / "train") if path.name != GOOD]
    _refuse(folder / "train", others, "folders beside good/; training takes good images only")
    if not (folder / "train" / GOOD).is_dir():
        raise DataError(f"{folder / 'train'}: no folder good/; put the good images in train/good")
    return folder / "train" / GOOD


def _plain_folder(folder: Path) -> Path:
    categories = [path.name for path in _folders(folder) if (path / "train" / GOOD).is_dir()]
    if categories:
        raise DataError(f"{folder}: holds categories; give one of them: {', '.join(categories)}")
    if any((folder / name).is_dir() for name in ("test", "ground_truth")):
        raise DataError(f"{folder}: has test images but no train/good to learn from")
    return folder


def _mask(folder: Path, kind: str, image: Path) -> Path | None:
    masks = folder / "ground_truth" / kind
    names = (f"{image.stem}_mask", image.stem)
    for name in names:
        for suffix in (".png", ".PNG", ".bmp", ".tif", ".tiff"):
            if (masks / (name + suffix)).is_file():
                return masks / (name + suffix)
    return None


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_dir() and not _hidden(path))


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _IGNORED


def _refuse(folder: Path, wrong: Iterable[Path], what: str) -> None:
    names = [path.name for path in wrong]
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        shown = ", ".join(names[:_SHOWN]) + more
        raise DataError(f"{folder}: holds {what}: {shown}; move them elsewhere")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
