"""A training folder as `train` reads it, and the book of what was collected into it.

<category>/train/good/<capture time>-<camera>-<hash>.png     the camera's own bytes
<category>/apart/<outcome>/...                               what is not good, with --verdict apart
<category>/collected.jsonl                                   a line for each frame
"""

import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.frame import RAW_TYPES, Frame
from schemas.outcome import outcome_id
from stream_inspector.image.decode import Decoded, DecodeLimits
from stream_inspector.image.formats.raw import RAW_FORMATS, raw_picture
from stream_inspector.image.view.canvas import View
from workers.runtime.decoders.picture import Picture
from workers.runtime.errors import SettingsError
from workers.runtime.json_text import parse
from workers.runtime.names import check_name

BOOK = "collected.jsonl"
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/bmp": ".bmp", "image/tiff": ".tiff"}
_SMALL = View((32, 32))  # only to see that a picture can be decoded
Decode = Callable[[Picture], Decoded]  # raises FrameRejected
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class TrainingFolder:
    """Writes frames, each once however often the command runs. Raises SettingsError."""

    def __init__(self, root: Path, decode: Decode):
        self._root, self._decode = root, decode
        self._books: dict[str, Book] = {}

    def count(self, category: str) -> int:
        """Good images that were collected for a category so far, earlier runs included."""
        return self._book(category).good

    def has(self, frame: Frame) -> bool:
        """Whether the frame was collected before."""
        return identity(frame) in self._book(frame.category).known

    def put(self, frame: Frame, outcome: str | None, good: bool) -> None:
        """Write a frame, then its line: a crash between the two repeats the same file.

        Raises FrameRejected when it is no whole picture.
        """
        place = Path("train/good") if good else Path("apart") / (outcome or "unknown")
        path = self._root / frame.category / place / file_name(frame)
        data = encoded(frame, self._decode)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            partial.write_bytes(data)
            partial.replace(path)
            file = (place / path.name).as_posix()
            self._book(frame.category).add(frame, outcome, file, good)
        except OSError as error:
            raise _unwritable(path, error) from None

    def _book(self, category: str) -> "Book":
        if category not in self._books:
            self._books[category] = Book(self._root / check_name(category) / BOOK)
        return self._books[category]


class Book:
    """The lines of one category."""

    def __init__(self, path: Path):
        self._path = path
        self.known: set[bytes] = set()
        self.good = 0
        self._torn = False
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            with self._path.open(encoding="utf-8") as lines:
                line = ""
                for line in lines:
                    self._take(line)
                self._torn = bool(line) and not line.endswith("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise _unwritable(self._path, error) from None

    def _take(self, line: str) -> None:
        try:
            entry = parse(line)
            self.known.add(_known_as(str(entry["id"]), str(entry["sha256"])))
            self.good += entry["file"].startswith("train/")
        except (ValueError, KeyError, TypeError, AttributeError):
            return  # the last line of a run that was killed

    def add(self, frame: Frame, outcome: str | None, file: str, good: bool) -> None:
        """Append a line and hand it to the operating system."""
        entry: dict[str, Any] = {
            "id": outcome_id(frame.source, frame.frame_id),
            "file": file,
            "frame_id": frame.frame_id,
            "camera_id": frame.camera_id,
            "category": frame.category,
            "captured_at": frame.captured_at.isoformat(),
            "content_type": frame.content_type,
            "run": frame.run,
            "part": frame.part and frame.part.model_dump(exclude_defaults=True),
            "outcome": outcome,
            "sha256": hashlib.sha256(frame.data).hexdigest(),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as book:
            book.write("\n" * self._torn + json.dumps(entry, ensure_ascii=False) + "\n")
        self._torn = False
        self.known.add(identity(frame))
        self.good += good


def identity(frame: Frame) -> bytes:
    """The same for a frame and its replays: 16 bytes. Another picture under its id is another."""
    content = hashlib.sha256(frame.data).hexdigest()
    return _known_as(outcome_id(frame.source, frame.frame_id), content)


def _known_as(name: str, content: str) -> bytes:
    return hashlib.sha256(f"{name} {content}".encode()).digest()[:16]


def file_name(frame: Frame) -> str:
    """A name that sorts by time, says the camera, and cannot leave its folder."""
    camera = _UNSAFE.sub("_", frame.camera_id)[:40].strip(".") or "_"
    suffix = _SUFFIXES.get(frame.content_type, ".png")
    return f"{frame.captured_at:%Y%m%dT%H%M%S}-{camera}-{identity(frame).hex()[:16]}{suffix}"


def encoded(frame: Frame, decode: Decode) -> bytes:
    """The camera's own bytes; raw pixels as a PNG, which loses nothing but of a mosaic of 16 bits.

    Raises FrameRejected when a worker could not decode them: training would stumble over it.
    """
    decode(Picture(frame.data, frame.content_type, _SMALL, frame.width, frame.height))
    if frame.content_type not in RAW_TYPES:
        return frame.data
    buffer, size = io.BytesIO(), (frame.width, frame.height)
    form = RAW_FORMATS[frame.content_type]
    raw_picture(frame.data, form, *size, DecodeLimits()).save(buffer, "PNG")
    return buffer.getvalue()


def _unwritable(path: Path, error: Exception) -> SettingsError:
    reason = getattr(error, "strerror", None) or str(error)
    return SettingsError(f"collect.out: {path}: {reason}")
