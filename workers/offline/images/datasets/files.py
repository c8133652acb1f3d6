"""Image files in folders: which are there, and what does not belong."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from stream_inspector.errors import DataError
from stream_inspector.image.decode import FILE_TYPES

MASK_SUFFIXES = (".png", ".PNG", ".bmp", ".BMP", ".tif", ".tiff")
_IGNORED = {"thumbs.db", "desktop.ini"}  # left behind by file managers
_SHOWN = 5  # names quoted in a message


def images_in(folder: Path) -> list[Path]:
    """The images directly in a folder, by name. Raises DataError for anything else in there."""
    entries = sorted(path for path in folder.iterdir() if not _hidden(path))
    refuse(folder, (path for path in entries if path.is_dir()), "sub-folders")
    refuse(folder, (path for path in entries if not is_image(path)), "files that are no images")
    return entries


def good_images_in(folder: Path) -> list[Path]:
    """The images of a folder of good ones. Raises DataError when it has none, or has masks."""
    found = images_in(folder)
    if not found:
        raise DataError(f"{folder}: no images; expected {', '.join(FILE_TYPES)} files")
    named = (path for path in found if path.stem.lower().endswith(("_mask", "-mask")))
    refuse(folder, named, "masks among the good images")
    return found


def is_image(path: Path) -> bool:
    """Whether the suffix names a format that the decoder opens (any case)."""
    return path.suffix.lower() in FILE_TYPES


def folders_in(folder: Path) -> list[Path]:
    """The folders directly in a folder, by name."""
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not _hidden(path)]


def refuse(folder: Path, wrong: Iterable[Path], what: str) -> None:
    """Raises DataError naming what does not belong, if there is any."""
    names = [path.name for path in wrong]
    if names:
        raise DataError(f"{folder}: holds {what}: {shown(names)}; move them elsewhere")


def shown(names: Iterable[str]) -> str:
    """The first few of many names."""
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def candidates(stems: Iterable[str], folder: Path) -> Iterator[Path]:
    """The mask files that may belong to one of `stems`."""
    return (folder / (stem + suffix) for stem in stems for suffix in MASK_SUFFIXES)


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _IGNORED
