"""Dead letters as they stand in their topic, which of them are open, and which are meant. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.dead_letter import DeadLetter
from schemas.envelope import event_type
from schemas.interruption import Interruption
from schemas.outcome import RejectReason, fingerprint
from schemas.resolution import Resolution
from schemas.review import Review, Subject, last_words
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Record

_INTERRUPTION = event_type(Interruption.message_name).encode()

Key = tuple[str, str, int, int]  # outcome id, and the coordinates of the record: ids repeat
Resolutions = Mapping[Key, Resolution]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant: all conditions that are given have to hold."""

    reasons: frozenset[RejectReason] = frozenset()
    categories: frozenset[str] = frozenset()
    cameras: frozenset[str] = frozenset()
    ids: tuple[str, ...] = ()  # frame ids, outcome ids or their first characters, coordinates
    since: datetime | None = None  # by the time of rejection
    until: datetime | None = None

    @property
    def empty(self) -> bool:
        """Whether it takes every letter."""
        return self == Filter()

    def takes(self, letter: DeadLetter) -> bool:
        """Whether a letter is meant."""
        return all(
            (
                not self.reasons or letter.reason in self.reasons,
                not self.categories or category_of(letter) in self.categories,
                not self.cameras or camera_of(letter) in self.cameras,
                not self.ids or any(_named(letter, name) for name in self.ids),
                self.since is None or letter.rejected_at >= self.since,
                self.until is None or letter.rejected_at < self.until,
            )
        )


@dataclass(slots=True)
class Reading:
    """What was met besides dead letters while the topic was read."""

    interruptions: list[Interruption] = field(default_factory=list)
    passed: PassedOver = field(default_factory=PassedOver)


def read_letters(records: Iterable[Record], reading: Reading) -> Iterator[DeadLetter]:
    """The dead letters of a topic, each once: a redelivered frame may have left two.

    Frames that bear the same id, as of a camera that counts anew at each start, are others.
    """
    seen: set[tuple[str, str]] = set()
    for record in records:
        letter = reading.passed.read(record, lambda each: _read(each, reading))
        if letter is None:
            continue
        identity = letter.outcome_id, fingerprint(letter.frame, letter.record)
        if identity not in seen:
            seen.add(identity)
            yield letter


def key_of(said: DeadLetter | Resolution) -> Key:
    """Which letter this is, or which one it settles."""
    at = said.record if isinstance(said, DeadLetter) else said.original
    return said.outcome_id, at.topic, at.partition, at.offset


def _read(record: Record, reading: Reading) -> DeadLetter | None:
    if dict(record.headers).get("ce_type") == _INTERRUPTION:
        reading.interruptions.append(Interruption.decode(record.headers, record.value))
        return None
    return DeadLetter.decode(record.headers, record.value)


def read_resolutions(
    records: Iterable[Record], passed: PassedOver | None = None
) -> dict[Key, Resolution]:
    """What became of dead letters. The first word counts; what is no resolution is passed over."""
    found: dict[Key, Resolution] = {}
    told = passed or PassedOver()
    for record in records:
        resolution = told.read(record, lambda each: Resolution.decode(each.headers, each.value))
        if resolution is not None:
            found.setdefault(key_of(resolution), resolution)
    return found


def read_reviews(records: Iterable[Record], passed: PassedOver) -> dict[Subject, Review]:
    """The last word on each frame; what is no review is passed over."""
    read = (passed.read(r, lambda each: Review.decode(each.headers, each.value)) for r in records)
    return last_words(review for review in read if review is not None)


def category_of(letter: DeadLetter) -> str | None:
    """The frame's category; of the raw headers where they could not be read as a whole."""
    return letter.frame.category if letter.frame else _header(letter, "ce_category")


def camera_of(letter: DeadLetter) -> str | None:
    """The frame's camera, likewise."""
    return letter.frame.camera_id if letter.frame else _header(letter, "ce_camera")


def frame_of(letter: DeadLetter) -> str | None:
    """The frame's id, likewise."""
    return letter.frame.frame_id if letter.frame else _header(letter, "ce_id")


def content_type_of(letter: DeadLetter) -> str | None:
    """What the bytes were said to be."""
    return _header(letter, "content-type")


def has_bytes(letter: DeadLetter) -> bool:
    """Whether the frame can be sent again: a dead letter of a huge record holds a part of it."""
    return letter.original.value is not None and not letter.original.cut


def _header(letter: DeadLetter, name: str) -> str | None:
    found = dict(letter.original.header_bytes()).get(name)
    return None if found is None else found.decode("utf-8", "replace")


def _named(letter: DeadLetter, name: str) -> bool:
    return name in {frame_of(letter), where(letter)} or letter.outcome_id.startswith(name)


def where(letter: DeadLetter) -> str:
    """The coordinates of the record that was rejected."""
    at = letter.record
    return f"{at.topic}/{at.partition}/{at.offset}"
