"""Image files in folders: which are there, and what does not belong."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stream_inspector.errors import DataError
from stream_inspector.image.decode import FILE_TYPES
from stream_inspector.image.formats import heic

SUFFIXES = (*FILE_TYPES, ".npy", *(heic.SUFFIXES if heic.THERE else ()))
MASK_FOLDERS = frozenset({"ground_truth", "ground-truth", "groundtruth", "masks", "mask"})
_MASK_ENDS = ("_mask", "-mask")
_LEFT_BEHIND = frozenset(  # by file managers, archives, storage boxes, in any case
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "#recycle"}
    | {"$recycle.bin", "system volume information", "lost+found"}
)
_SHOWN = 5  # names quoted in a message


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files of a folder, and what else lay there."""

    files: tuple[Path, ...]
    skipped: tuple[Path, ...]


def images_in(folder: Path) -> list[Path]:
    """The images directly in a folder, by name. Raises DataError for folders in there."""
    entries = sorted(path for path in folder.iterdir() if not is_hidden(path.name))
    refuse(folder, (path for path in entries if path.is_dir()), "sub-folders")
    return list(filter(is_image, entries))


def others_in(folder: Path) -> list[Path]:
    """The files directly in a folder that are no images and that somebody put there, by name."""
    entries = (path for path in sorted(folder.iterdir()) if not is_hidden(path.name))
    return [path for path in entries if not is_image(path) and not path.is_dir()]


def good_images_in(folder: Path) -> list[Path]:
    """The images of a folder of good ones. Raises DataError when it has none, or has masks."""
    found = images_in(folder)
    if not found:
        others = others_in(folder)
        there = f"; there lie {shown(path.name for path in others)}" if others else ""
        raise DataError(f"{folder}: no images; expected {', '.join(SUFFIXES)} files{there}")
    refuse(folder, filter(_is_mask, found), "masks among the good images")
    return found


def images_below(folder: Path) -> Listing:
    """The images in a folder and below, through links to folders too.

    Hidden files and folders count nowhere, folders of masks and masks beside their images are no
    pictures of parts, and only regular files can be read to their end.
    """
    found = sorted(_walk(folder, set()))
    stems = {path.with_suffix("") for path in found}
    files, skipped = list[Path](), list[Path]()
    for path in found:
        beside = _is_mask(path) and path.with_name(path.stem[: -len(_MASK_ENDS[0])]) in stems
        (files if is_image(path) and path.is_file() and not beside else skipped).append(path)
    return Listing(tuple(files), tuple(skipped))


def is_image(path: Path) -> bool:
    """Whether the suffix names a format that can be read (any case)."""
    return path.suffix.lower() in SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether a file or folder was left by a program and not put there by anybody."""
    return name.startswith((".", "~$")) or name.endswith("~") or name.lower() in _LEFT_BEHIND


def folders_in(folder: Path) -> list[Path]:
    """The folders directly in a folder, by name."""
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not is_hidden(path.name)]


def child(folder: Path, name: str) -> Path:
    """The sub-folder of that name in any case; that very name where there is none."""
    if (folder / name).is_dir() or not folder.is_dir():
        return folder / name
    alike = (path for path in folders_in(folder) if folded(path.name) == folded(name))
    return next(alike, folder / name)


def folded(name: str) -> str:
    """In any case, and with letters composed or not: macOS and archives take them apart."""
    return unicodedata.normalize("NFC", name).casefold()


def name_of(folder: Path) -> str:
    """What a folder is called where it was named, though it may be a link to another."""
    return Path(os.path.abspath(folder)).name  # noqa: PTH100 - `resolve` would follow the link


def refuse(folder: Path, wrong: Iterable[Path], what: str) -> None:
    """Raises DataError naming what does not belong, if there is any."""
    names = [path.name for path in wrong]
    if names:
        raise DataError(f"{folder}: holds {what}: {shown(names)}; move them elsewhere")


def shown(names: Iterable[str]) -> str:
    """The first few of many names; what an extra would read is said."""
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    unread = not heic.THERE and any(name.lower().endswith(heic.SUFFIXES) for name in every)
    return ", ".join(every[:_SHOWN]) + more + (f" ({heic.MISSING})" if unread else "")


def _is_mask(path: Path) -> bool:
    return path.stem.lower().endswith(_MASK_ENDS)


def _walk(folder: Path, above: set[tuple[int, int]]) -> Iterator[Path]:
    """Every file that is not hidden. A folder that links to one above it is not entered again."""
    here = folder.stat()
    chain = above | {(here.st_dev, here.st_ino)}
    try:
        inside = [path for path in folder.iterdir() if not is_hidden(path.name)]
    except OSError:  # a folder that may not be read is told like a file that cannot be
        yield folder
        return
    for path in inside:
        if not path.is_dir():
            yield path
        elif path.name.casefold() not in MASK_FOLDERS and _identity(path) not in chain:
            yield from _walk(path, chain)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
