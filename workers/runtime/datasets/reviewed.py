"""A folder of pictures that people judged, as `collect --verdict reviewed` writes it.

audit/*               good parts that were drawn by chance: they may set thresholds
chosen/*              good parts that somebody looked at because of their score: they may not
defective/<kind>/*    confirmed defects
reviews.jsonl         a line for each: file, digest, review; of several on one part the last counts
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from schemas.review import Part, Review, Sample, Subject
from stream_inspector.errors import DataError
from workers.runtime.datasets.layout import LabelledFile
from workers.runtime.datasets.words import GOOD, is_good
from workers.runtime.json_text import parse
from workers.runtime.moments import said as as_text

BOOK = "reviews.jsonl"
AUDIT, CHOSEN, DEFECTIVE = "audit", "chosen", "defective"
_UNSAFE = re.compile(r"[^\w.-]+")
_UNSORTED = "unsorted"  # of no stated kind


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture and the last word on it."""

    review: Review
    file: str | None  # below the folder; None: the word says nothing of the part
    sha256: str


def place_of(review: Review) -> str | None:
    """The folder of a review's picture; None where it says nothing of the part."""
    if review.part is Part.GOOD:
        return AUDIT if review.sample is Sample.AUDIT else CHOSEN
    if review.part is Part.DEFECTIVE:
        return f"{DEFECTIVE}/{_kind(review.kind)}"
    return None


def read_book(folder: Path) -> dict[Subject, Entry]:
    """The last line of each part; lines that cannot be read, as a killed run leaves, say nothing.

    Raises DataError when the file cannot be read.
    """
    found: dict[Subject, Entry] = {}
    path = folder / BOOK
    try:
        with path.open(encoding="utf-8") as lines:
            for entry in _entries(lines):
                found[entry.review.subject] = entry
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return found


def refuse_chosen(paths: Iterable[Path]) -> None:
    """Raises DataError when a picture was looked at because of its score."""
    for path in paths:
        if path.parent.name == CHOSEN and (path.parent.parent / BOOK).is_file():
            raise DataError(
                f"{path.parent}: these good parts were looked at because of their score; with them "
                f"thresholds would only rise. Give {path.parent.parent}, whose random sample "
                f"({AUDIT}/) may set thresholds"
            )


def lineage(reviews: Iterable[Review]) -> dict[str, str | int]:
    """What a model version keeps of the reviews that it learnt from; empty of none."""
    return lineage_of((review.review_id, review.reviewed_at) for review in reviews)


def lineage_of(said: Iterable[tuple[str, datetime]]) -> dict[str, str | int]:
    """The same, of ids and times."""
    every = sorted(said)
    if not every:
        return {}
    times = sorted(at for _, at in every)
    together = "".join(review_id for review_id, _ in every)
    return {
        "reviews": len(every),
        "reviews_digest": hashlib.sha256(together.encode()).hexdigest()[:16],
        "reviews_from": as_text(times[0]),
        "reviews_to": as_text(times[-1]),
    }


def reviews_of(paths: Iterable[Path]) -> list[Review]:
    """The reviews of those pictures that lie in a folder of reviewed ones."""
    found, books = list[Review](), dict[Path, dict[str, Review]]()
    for path in paths:
        root = next((each for each in path.parents[:3] if (each / BOOK).is_file()), None)
        if root is None:
            continue
        if root not in books:
            books[root] = {e.file: e.review for e in read_book(root).values() if e.file}
        review = books[root].get(path.relative_to(root).as_posix())
        found += [review] if review else []
    return found


class ReviewedFolder:
    """Its good pictures are those of the random sample."""

    name = "reviewed"

    def fits(self, folder: Path) -> bool:
        """A book of reviews."""
        return (folder / BOOK).is_file()

    def good(self, folder: Path) -> list[Path]:
        """The random sample's good parts."""
        found = self.pictures(folder, AUDIT)
        if not found:
            raise DataError(
                f"{folder}: no reviewed good parts of a random sample ({AUDIT}/); ask for some "
                "with `stream-inspector review ask`, and judge them"
            )
        return found

    def labelled(self, folder: Path) -> list[LabelledFile]:
        """The random sample's good parts, and confirmed defects by their kinds."""
        good = [LabelledFile(p, GOOD, False, None) for p in self.pictures(folder, AUDIT)]
        bad = [
            LabelledFile(path, path.parent.name, True, None, "reviews have no masks")
            for path in self.pictures(folder, DEFECTIVE)
        ]
        if not good + bad:
            raise DataError(f"{folder}: no reviewed pictures")
        return good + sorted(bad, key=lambda file: (file.kind, file.path.name))

    @staticmethod
    def pictures(folder: Path, part: str) -> list[Path]:
        """Those in one of its folders that the book names, by name."""
        named = {entry.file for entry in read_book(folder).values() if entry.file}
        inside = (folder / name for name in named if name.partition("/")[0] == part)
        return sorted(path for path in inside if path.is_file())


REVIEWED = ReviewedFolder()


def _entries(lines: Iterable[str]) -> Iterator[Entry]:
    for line in lines:
        try:
            read = parse(line)
            file = read["file"]
            yield Entry(
                Review.model_validate(read["review"]),
                None if file is None else str(file),
                str(read["sha256"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def _kind(kind: str | None) -> str:
    """A folder's name of a kind of defect; never one that says good."""
    name = _UNSAFE.sub("_", kind or "").strip("._-")
    if not name:
        return _UNSORTED
    return f"defect-{name}" if is_good(name) else name
