"""Pictures of parts that people judged: from the frames topic into a folder, under the last word.

Frames are kept for a day, reviews for a year: a picture is moved when somebody says otherwise
later, whether or not its frame is still there.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas.frame import Frame, decode_frame
from schemas.outcome import content_digest, outcome_id
from schemas.review import Review, Subject, last_words
from stream_inspector.errors import FrameRejected
from workers.collector.collect import Counts, OnProgress, Stop
from workers.collector.folder import Decode, encoded, file_name
from workers.collector.selection import Selection
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Reader, Record
from workers.runtime.datasets.reviewed import BOOK, Entry, place_of, read_book
from workers.runtime.errors import SettingsError
from workers.runtime.names import is_name

FOLDER = "reviewed"  # of a category
_POLL_S = 0.2
# outcome id, the coordinates of the frame, and its picture's digest where that is said
Key = tuple[str, str, int, int, str | None]


class JudgedPictures:
    """Writes pictures under <root>/<category>/reviewed. Raises SettingsError."""

    def __init__(self, root: Path, decode: Decode):
        self._root, self._decode = root, decode
        self._books: dict[str, dict[Subject, Entry]] = {}

    def has(self, review: Review) -> bool:
        """Whether the part's picture is there."""
        entry = self._book(review.frame.category).get(review.subject)
        return entry is not None and bool(entry.sha256)

    def put(self, frame: Frame, review: Review) -> str | None:
        """Write a picture; the folder it went to, None where the review says nothing of the part.

        Raises FrameRejected when it is no whole picture.
        """
        place = place_of(review)
        if place is None:
            return None
        data = encoded(frame, self._decode)
        name = f"{place}/{file_name(frame)}"
        path = self._folder(review) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            raise _unwritable(path, error) from None
        self._note(Entry(review, name, hashlib.sha256(data).hexdigest()))
        return place

    def amend(self, words: Mapping[Subject, Review]) -> int:
        """Move pictures of which something else is said now; how many."""
        changed = 0
        for category in {review.frame.category for review in words.values()}:
            for subject, entry in list(self._book(category).items()):
                said = words.get(subject)
                if said is not None and said.review_id != entry.review.review_id:
                    self._move(entry, said)
                    changed += 1
        return changed

    def _move(self, entry: Entry, said: Review) -> None:
        """To where the new word wants it; where that says nothing it waits, out of all sets."""
        place = place_of(said) or "undecided"
        if entry.file is None:
            return
        name = f"{place}/{Path(entry.file).name}"
        before, after = self._folder(said) / entry.file, self._folder(said) / name
        try:
            after.parent.mkdir(parents=True, exist_ok=True)
            if before.exists():
                before.replace(after)
        except OSError as error:
            raise _unwritable(after, error) from None
        self._note(Entry(said, name, entry.sha256))

    def _note(self, entry: Entry) -> None:
        line = {
            "file": entry.file,
            "sha256": entry.sha256,
            "review": entry.review.model_dump(mode="json"),
        }
        path = self._folder(entry.review) / BOOK
        try:
            with path.open("a", encoding="utf-8") as book:
                book.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise _unwritable(path, error) from None
        self._book(entry.review.frame.category)[entry.review.subject] = entry

    def _book(self, category: str) -> dict[Subject, Entry]:
        if category not in self._books:
            folder = self._root / category / FOLDER
            found = read_book(folder) if (folder / BOOK).is_file() else {}
            self._books[category] = found
            _mend(folder / BOOK)
        return self._books[category]

    def _folder(self, review: Review) -> Path:
        return self._root / review.frame.category / FOLDER


def collect_reviewed(
    frames: Reader,
    reviews: Reader,
    selection: Selection,
    pictures: JudgedPictures,
    *,
    stop: Stop,
    show: OnProgress,
) -> tuple[Counts, PassedOver]:
    """Read all reviews, then the frames that the topic holds, and write those that were judged."""
    counts, passed = Counts(), PassedOver()
    words = _words(reviews, selection, passed, stop)
    counts.apart["said otherwise now: moved"] += pictures.amend(words)
    wanted = {_key(r): r for r in words.values() if place_of(r) and not pictures.has(r)}
    while wanted and not stop.is_set():
        for record in frames.poll(_POLL_S):
            _take(record, wanted, pictures, counts, passed)
        show(counts, frames.left())
        if frames.at_end():
            break
    if wanted:
        counts.left_out["judged, but their frames are not on the topic any more"] = len(wanted)
    counts.apart = +counts.apart  # without those that are 0
    return counts, passed


def _words(
    reviews: Reader, selection: Selection, passed: PassedOver, stop: Stop
) -> dict[Subject, Review]:
    """The last word on each part that is meant."""
    words: dict[Subject, Review] = {}
    while not stop.is_set():
        read = (
            passed.read(record, lambda each: Review.decode(each.headers, each.value))
            for record in reviews.poll(_POLL_S)
        )
        fresh = [r for r in read if r and selection.takes(r.frame) and is_name(r.frame.category)]
        words = last_words([*words.values(), *fresh]) if fresh else words
        if reviews.at_end():
            break
    return words


def _take(
    record: Record,
    wanted: dict[Key, Review],
    pictures: JudgedPictures,
    counts: Counts,
    passed: PassedOver,
) -> None:
    counts.read += 1
    frame = passed.read(record, lambda each: decode_frame(each.headers, each.value))
    if frame is None:
        return
    at = record.partition
    name = outcome_id(frame.source, frame.frame_id, frame.run)
    place = name, at.topic, at.index, record.offset
    review = wanted.pop((*place, content_digest(frame.data)), None)
    review = review or wanted.pop((*place, None), None)
    if review is None:
        return
    try:
        folder = pictures.put(frame, review)
    except FrameRejected:
        counts.left_out["no whole picture"] += 1
    else:
        counts.good[f"{frame.category}/{FOLDER}/{folder}"] += 1


def _key(review: Review) -> Key:
    at = review.record
    return review.outcome_id, at.topic, at.partition, at.offset, review.frame.content


def _mend(book: Path) -> None:
    """A run that was killed may have left half a line: the next one begins on its own."""
    try:
        if book.is_file() and not book.read_bytes().endswith(b"\n"):
            with book.open("a", encoding="utf-8") as lines:
                lines.write("\n")
    except OSError as error:
        raise _unwritable(book, error) from None


def _unwritable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"collect.out: {path}: {error.strerror or error}")


def lines_of(counts: Counts, root: Path) -> Iterable[str]:
    """What became of the reviewed parts."""
    yield f"{counts.read} records read"
    for place, count in sorted(counts.good.items()):
        yield f"{count} pictures taken into {root / place}"
    for said in (counts.apart, counts.left_out):
        yield from (f"{count} {what}" for what, count in said.items())
