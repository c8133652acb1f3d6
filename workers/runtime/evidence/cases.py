"""A case: the pictures of one inspected frame, and the record beside them that says whose they are.

    ab/abcd....png      a picture, named by its content
    cases/12/1234.json  a case, named by its outcome's id: category, grade, which pictures
    holds/1234.json     who wants that case to stay, why and until when
    gc/clock            as old as the last collection

Cases share a picture where their content is the same. So a picture's name says nothing of its life;
records do. A writer notes the case first, then writes each picture, also one that is there already:
by its time a picture is known to be in use before anything that refers to it was read.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.part import PartRef
from workers.runtime.store.ports import BlobStore, BlobWriter

CASES, HOLDS = "cases/", "holds/"
GC_CLOCK = "gc/clock"
_PICTURE = re.compile(r"(?:^|/)([0-9a-f]{2})/(\1[0-9a-f]{62}\.[a-z0-9]{1,8})$")
_ID = re.compile(r"[0-9a-f]{32}")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, data: bytes) -> Self | None:
        """None: it is not one."""
        try:
            return cls.model_validate_json(data)
        except ValidationError:
            return None

    def dumped(self) -> bytes:
        """As it is stored."""
        return self.model_dump_json(exclude_none=True).encode()


class Expired(_Record):
    """When and why the pictures of a case went."""

    at: datetime
    rule: str


class Case(_Record):
    """Whose the pictures are."""

    outcome_id: str = Field(pattern=_ID.pattern)
    frame_id: str
    camera_id: str
    category: str
    grade: str
    captured_at: datetime
    decided_at: datetime
    model_version: str
    pictures: dict[str, str]  # frame, heatmap, outline, counterpart -> name in the store
    part: PartRef | None = None  # who it is, where its camera said so
    expired: Expired | None = None

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{CASES}{self.outcome_id[:2]}/{self.outcome_id}.json"


class Hold(_Record):
    """Somebody wants a case to stay."""

    outcome_id: str = Field(pattern=_ID.pattern)
    by: str
    why: str
    since: datetime
    until: datetime | None = None  # None: until it is released

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{HOLDS}{self.outcome_id}.json"

    def lasts(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.until is None or now < self.until


def picture_name(data: bytes, extension: str) -> str:
    """A picture's name in the store: its content's digest."""
    digest = hashlib.sha256(data).hexdigest()
    return f"{digest[:2]}/{digest}.{extension}"


def picture_in(link: str) -> str | None:
    """The name of the picture that a link opens; None: it is no picture of ours."""
    found = _PICTURE.search(link.partition("?")[0])
    return f"{found[1]}/{found[2]}" if found else None


def is_id(text: str) -> bool:
    """Whether it may be an outcome's id."""
    return _ID.fullmatch(text) is not None


def note(blobs: BlobWriter, case: Case) -> None:
    """Write a case's record. Raises StoreUnavailable."""
    blobs.write(case.name, case.dumped())


def read_case(blobs: BlobStore, name: str) -> Case | None:
    """The case of a record; None: gone, or unreadable. Raises StoreUnavailable."""
    data = _data(blobs, name)
    return None if data is None else Case.read(data)


def read_hold(blobs: BlobStore, outcome_id: str) -> Hold | None:
    """Who holds a case. Raises StoreUnavailable."""
    name = f"{HOLDS}{outcome_id}.json"
    data = _data(blobs, name)
    if data is None:
        return None
    # what nobody can read is still somebody's wish
    unreadable = Hold(outcome_id=outcome_id, by="?", why="unreadable record", since=_EPOCH)
    return Hold.read(data) or unreadable


_EPOCH = datetime.fromtimestamp(0, UTC)


def holds(blobs: BlobStore) -> Iterator[Hold]:
    """Every hold, also those whose time is over. Raises StoreUnavailable."""
    for name in blobs.names(HOLDS):
        outcome_id = name.removeprefix(HOLDS).removesuffix(".json")
        if is_id(outcome_id) and (found := read_hold(blobs, outcome_id)):
            yield found


def _data(blobs: BlobStore, name: str) -> bytes | None:
    try:
        return blobs.read(name)
    except FileNotFoundError:
        return None
