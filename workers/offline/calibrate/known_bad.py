"""Pictures of parts that are known to be defective: whole ones, without masks, sorted or not."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from stream_inspector.errors import DataError
from workers.offline.fit import short_digests
from workers.offline.images.datasets import LabelledFile, file_digest
from workers.runtime.datasets.files import images_below, shown
from workers.runtime.datasets.words import is_good

UNSORTED = "defective"  # the kind of pictures that lie in no sub-folder


def known_bad_files(folder: Path) -> tuple[LabelledFile, ...]:
    """Every picture of the folder and below; its sub-folder is its kind.

    Raises DataError when there is none, or when a sub-folder says that its pictures are good.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; --known-bad wants one of defective pictures")
    found = images_below(folder).files
    good = [path for path in found if any(map(is_good, path.relative_to(folder).parts[:-1]))]
    if good:
        raise DataError(
            f"{folder}: holds good pictures, for instance {good[0].relative_to(folder)}; "
            "--known-bad takes defective ones only, --defects a labelled folder with both"
        )
    if not found:
        raise DataError(f"{folder}: no pictures; --known-bad wants a folder of defective ones")
    files = (LabelledFile(path, _kind(path, folder), True, None) for path in found)
    return tuple(sorted(files, key=lambda file: (file.kind, str(file.path))))


def refuse_good_ones(files: Sequence[LabelledFile], good: Iterable[Path], seen: set[int]) -> None:
    """Raises DataError when a picture is among the good ones: those that set the thresholds, or
    those whose short digests the model has `seen`.
    """
    digests = [file_digest(file.path) for file in files]
    known = {file_digest(path) for path in good}
    both = [
        file.path.name
        for file, digest, short in zip(files, digests, short_digests(digests).tolist(), strict=True)
        if digest in known or short in seen
    ]
    if both:
        raise DataError(
            f"{shown(both)}: among the good images and the known bad ones alike; take them out of "
            "one of the two (and train again, if they are bad)"
        )


def _kind(path: Path, folder: Path) -> str:
    return "/".join(path.relative_to(folder).parts[:-1]) or UNSORTED
