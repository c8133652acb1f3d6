"""Where pictures come from: image files as they are, or a rendered product.

A source yields shots, and refusals for what it cannot send; a bad file is no reason to stop.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from PIL import Image

from stream_inspector.synthetic import render
from workers.camera.settings import SYNTHETIC, CameraSettings, SyntheticSettings
from workers.runtime.datasets.files import SUFFIXES, shown
from workers.runtime.datasets.picture_file import read_picture_file
from workers.runtime.datasets.played import Played, played
from workers.runtime.errors import SettingsError

AWAY = "away"  # the device was lost, and nothing counted the parts: numbers begin anew


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture before it becomes a frame. `truth` is "good" or a kind of defect, if known."""

    data: bytes
    content_type: str
    path: str | None = None
    index: int | None = None  # number in the synthetic series
    truth: str | None = None
    width: int | None = None  # raw pixels only
    height: int | None = None
    block: int | None = None  # the device's own count and clock
    device_ns: int | None = None
    taken_at: datetime | None = None  # by this machine's clock; None: when it becomes a frame
    pixel_format: str | None = None  # as the device took it
    count: int | None = None  # number of the part, by what counts them


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that cannot be sent, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Missed:
    """Parts of which no picture can be sent: `gap`, `incomplete`, `trigger`, `away`, `refused`."""

    parts: int
    reason: str


Taken = Shot | Refusal | Missed | None  # None: nothing came


class Stop(Protocol):
    """Tells when to end."""

    def is_set(self) -> bool:
        """Whether to end now."""

    def wait(self, timeout: float) -> bool:
        """Wait that long, or until it is time to end."""


def list_files(source: str) -> Played:
    """Find the image files. Raises SettingsError when there are none, and says what was there."""
    found = played(source)
    if found is None:
        raise SettingsError(
            f"camera.source: {source}: no such folder or file; give a folder, a glob pattern such "
            f"as 'parts/*.png', or {SYNTHETIC}"
        )
    if not found.files:
        left = found.skipped
        others = f"; there lie {shown(path.name for path in left)}" if left else ""
        known = ", ".join(SUFFIXES)
        raise SettingsError(f"camera.source: {source}: no image files{others}; known: {known}")
    return found


def file_shots(
    listing: Played, max_bytes: int, loop: bool, shuffle: bool
) -> Iterator[Shot | Refusal]:
    """The files one after another, each as its own bytes."""
    files = list(listing.files)
    if shuffle:
        random.Random(0).shuffle(files)  # noqa: S311  (an order, not a secret)
    usable = True
    while usable:
        usable = False
        for path in files:
            shot = read_shot(path, max_bytes, listing.truths.get(path))
            usable = usable or (loop and isinstance(shot, Shot))
            yield shot


def read_shot(path: Path, max_bytes: int, truth: str | None = None) -> Shot | Refusal:
    """One file as a shot."""
    try:
        found = read_picture_file(path, max_bytes)
    except OSError as error:
        return Refusal(str(path), f"cannot be read: {error.strerror or error}")
    except ValueError as error:
        return Refusal(str(path), f"cannot be read: {error}")
    size = (found.width, found.height)
    return Shot(found.data, found.content_type, str(path), None, truth, *size)


def synthetic_shots(settings: SyntheticSettings) -> Iterator[Shot]:
    """The rendered series, without end. The same seed gives the same shots."""
    index = settings.first_index
    while True:
        yield synthetic_shot(index, settings)
        index += 1


def synthetic_shot(index: int, settings: SyntheticSettings) -> Shot:
    """Part number `index`, defective or not as the seed decides."""
    defect = draw_defect(index, settings)
    frame = render(index, settings.seed, defect, (settings.height, settings.width))
    buffer = io.BytesIO()
    if settings.encoding == "png":
        Image.fromarray(frame.image).save(buffer, "PNG", compress_level=1)  # speed over size
    else:
        Image.fromarray(frame.image).save(buffer, "JPEG", quality=settings.jpeg_quality)
    return Shot(buffer.getvalue(), f"image/{settings.encoding}", index=index, truth=frame.kind)


def draw_defect(index: int, settings: SyntheticSettings) -> str | None:
    """The defect of part number `index`, or None: a draw that depends on (seed, index) alone."""
    draw = random.Random(f"{settings.seed}:{index}")  # noqa: S311  (a schedule, not a secret)
    return draw.choice(settings.kinds) if draw.random() < settings.defect_share else None


def shots(
    settings: CameraSettings, max_bytes: int, listing: Played | None
) -> Iterator[Shot | Refusal]:
    """The shots that the settings ask for; `listing` is None for the synthetic source."""
    if listing is None:
        return synthetic_shots(settings.synthetic)
    return file_shots(listing, max_bytes, settings.loop, settings.shuffle)
