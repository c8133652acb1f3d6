"""Which files of a folder, a pattern or a file are shown to cameras, and what they show."""

import glob
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stream_inspector.errors import DataError
from workers.runtime.datasets.detect import labelled_layout
from workers.runtime.datasets.files import (
    MASK_FOLDERS,
    Listing,
    child,
    folders_in,
    images_below,
    is_hidden,
    is_image,
)
from workers.runtime.datasets.visa import VISA
from workers.runtime.datasets.words import GOOD, is_good


@dataclass(frozen=True, slots=True)
class Played:
    """Files in the order of their paths, what else lay there, and what is known of some."""

    files: tuple[Path, ...]
    skipped: tuple[Path, ...]
    truths: Mapping[Path, str] = field(default_factory=dict)  # "good", or a kind of defect


def played(source: str) -> Played | None:
    """The files that a folder, a file or a glob pattern names; None: there is no such thing.

    A dataset in a known layout is played from its test images, as `evaluate` reads them.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        return _listed(Listing((path,), ()) if is_image(path) else Listing((), (path,)))
    if glob.has_magic(source):
        return _listed(_matching(path))
    return None


def truth_of(path: Path) -> str | None:
    """What the file shows, where the folders say so: `test/<kind>/<file>`."""
    parts = path.parts
    if len(parts) < 3 or parts[-3].casefold() != "test":
        return None
    return GOOD if is_good(parts[-2]) else parts[-2]


def _of_folder(folder: Path) -> Played:
    layout = labelled_layout(folder)
    if layout is VISA:
        return _of_visa(folder)
    if layout is not None and child(folder, "test").is_dir():
        return _listed(images_below(child(folder, "test")))
    inside = [each for each in folders_in(folder) if labelled_layout(each) is not None]
    if not inside:
        return _listed(images_below(folder))
    parts = [_of_folder(each) for each in inside]  # the root of a dataset
    return Played(
        tuple(path for part in parts for path in part.files),
        tuple(path for part in parts for path in part.skipped),
        {path: truth for part in parts for path, truth in part.truths.items()},
    )


def _of_visa(folder: Path) -> Played:
    """What its split file keeps for the test; without one, all that are no masks."""
    try:
        files = VISA.labelled(folder)
    except DataError:
        return _listed(images_below(folder))
    return Played(
        tuple(file.path for file in files),
        (),
        {file.path: file.kind if file.defective else GOOD for file in files},
    )


def _matching(pattern: Path) -> Listing:
    anchor, rest = Path(pattern.anchor), str(pattern.relative_to(pattern.anchor))
    named = {part.casefold() for part in Path(rest).parts}
    files, skipped = list[Path](), list[Path]()
    for path in sorted(anchor.glob(rest)):
        inner = path.relative_to(anchor).parts
        if path.is_dir() or any(is_hidden(part) and part.casefold() not in named for part in inner):
            continue
        masks = {part.casefold() for part in inner[:-1]} & (MASK_FOLDERS - named)
        usable = is_image(path) and path.is_file() and not masks
        (files if usable else skipped).append(path)
    return Listing(tuple(files), tuple(skipped))


def _listed(listing: Listing) -> Played:
    truths = {path: truth for path in listing.files if (truth := truth_of(path)) is not None}
    return Played(listing.files, listing.skipped, truths)
