"""Good images are split once, by the digest of their contents, whatever their names or order."""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeVar, cast

from stream_inspector.errors import DataError, TooFewImages
from workers.offline.images.datasets.left_out import tell_left_out
from workers.runtime.datasets.detect import AUTO, layout_of
from workers.runtime.datasets.reviewed import refuse_chosen
from workers.runtime.host.regular_file import open_regular

T = TypeVar("T")
LEAST_GOOD = 20  # below this, two images of each held-out part cannot be had


@dataclass(frozen=True, slots=True)
class GoodFiles:
    """The good images of a category: 80 % train, 10 % select, 10 % calibrate."""

    train: tuple[Path, ...]
    select: tuple[Path, ...]  # normalisation statistics and model choices
    calibrate: tuple[Path, ...]  # thresholds, and nothing else: their guarantee rests on it
    digest: str  # of all contents; names and order do not matter
    digests: Mapping[Path, str]  # of each one's contents


def good_files(
    folder: Path,
    least: int = LEAST_GOOD,
    layout: str = AUTO,
    on_unreadable: Callable[[DataError], None] | None = None,
) -> GoodFiles:
    """Find and split the good images. Raises DataError or TooFewImages, naming what is wrong.

    A file that cannot be read is an error, too, unless somebody takes it.
    """
    paths = all_good(folder, layout)
    by_digest = dict[str, Path]()
    for path in paths:
        try:
            by_digest[file_digest(path)] = path
        except DataError as error:
            if on_unreadable is None:
                hint = "or pass --on-corrupt skip to go on without it"
                raise DataError(f"{error}, {hint}") from error
            on_unreadable(error)
    if len(by_digest) < least:
        raise TooFewImages(f"{folder}: {_too_few(len(by_digest), len(paths), least)}")
    digests = sorted(by_digest)
    ordered = [by_digest[digest] for digest in digests]
    together = hashlib.sha256("".join(digests).encode()).hexdigest()
    of_each = {path: digest for digest, path in by_digest.items()}
    return GoodFiles(*split(ordered), digest=together, digests=of_each)


def all_good(folder: Path, layout: str = AUTO) -> list[Path]:
    """The good images of a folder. Raises DataError; what lies beside them is told."""
    paths = layout_of(folder, layout).good(folder)
    refuse_chosen(paths)
    tell_left_out(paths)
    return paths


def _too_few(different: int, files: int, least: int) -> str:
    of = f" in {files} files" if files > different else ""
    copies = ", all copies of one picture" if different == 1 < files else ""
    return (
        f"{different} different good image{'s' * (different != 1)}{of}{copies}; at least {least} "
        f"are needed: add {least - different} more (better: some hundreds)"
    )


def split(ordered: Sequence[T]) -> tuple[tuple[T, ...], tuple[T, ...], tuple[T, ...]]:
    """Train, select and calibrate parts of images in digest order, which is a fair shuffle."""
    train = (item for rank, item in enumerate(ordered) if rank % 10 not in (3, 8))
    return tuple(train), tuple(ordered[3::10]), tuple(ordered[8::10])


def file_digest(path: Path) -> str:
    """SHA-256 of a file's contents. Raises DataError naming the file."""
    try:
        with open_regular(path, sys.maxsize, "") as file:
            return hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
    except OSError as error:
        what = "a link to nothing" if path.is_symlink() and not path.exists() else error.strerror
        raise DataError(f"{path}: cannot be read: {what}; repair or remove it") from error
