"""Where pictures come from: image files as they are, or a rendered product.

A source yields shots, and refusals for what it cannot send; a bad file is no reason to stop.
"""

import glob
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from schemas.frame import RAW_GRAY8, RAW_RGB8
from stream_inspector.image.decode import FILE_TYPES
from stream_inspector.synthetic import render
from workers.camera.settings import SYNTHETIC, CameraSettings, SyntheticSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host.regular_file import read_regular

CONTENT_TYPES = {**FILE_TYPES, ".npy": RAW_RGB8}  # or gray: the array's shape decides
GOOD = "good"
_GOOD_FOLDERS = (GOOD, "ok")  # of good images, in MVTec's layout and in BTAD's


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


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that cannot be sent, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files of a folder or pattern, and what else lay there."""

    files: tuple[Path, ...]
    skipped: tuple[Path, ...]


def list_files(source: str) -> Listing:
    """Find the image files. Raises SettingsError when there are none, and says what was there."""
    found = sorted(path for path in _candidates(source) if not path.is_dir())
    visible = [path for path in found if not path.name.startswith(".")]
    files = tuple(path for path in visible if _is_playable(path))
    skipped = tuple(path for path in visible if not _is_playable(path))
    if not files:
        known = ", ".join(CONTENT_TYPES)
        others = f" ({len(skipped)} other files, e.g. {skipped[0].name})" if skipped else ""
        raise SettingsError(f"camera.source: {source}: no image files{others}; known: {known}")
    return Listing(files, skipped)


def _is_playable(path: Path) -> bool:
    """A regular file, or a link to one: a named pipe or a device would never end."""
    return path.is_file() and path.suffix.lower() in CONTENT_TYPES


def _candidates(source: str) -> Iterator[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        return _playable(path).rglob("*")
    if path.is_file():
        return iter([path])
    if glob.has_magic(source):
        anchor, pattern = Path(path.anchor), str(path.relative_to(path.anchor))
        return anchor.glob(pattern)
    raise SettingsError(
        f"camera.source: {source}: no such folder or file; give a folder, a glob pattern such as "
        f"'parts/*.png', or {SYNTHETIC}"
    )


def _playable(folder: Path) -> Path:
    """A data set in MVTec's or BTAD's layout is played from its test images, not its masks."""
    trained = any((folder / "train" / name).is_dir() for name in _GOOD_FOLDERS)
    return folder / "test" if trained and (folder / "test").is_dir() else folder


def file_shots(
    listing: Listing, max_bytes: int, loop: bool, shuffle: bool
) -> Iterator[Shot | Refusal]:
    """The files one after another, each as its own bytes."""
    files = list(listing.files)
    if shuffle:
        random.Random(0).shuffle(files)  # noqa: S311  (an order, not a secret)
    usable = True
    while usable:
        usable = False
        for path in files:
            shot = read_shot(path, max_bytes)
            usable = usable or (loop and isinstance(shot, Shot))
            yield shot


def read_shot(path: Path, max_bytes: int) -> Shot | Refusal:
    """One file as a shot; what it is, and its size, is looked up before it is read."""
    try:
        data = read_regular(path, max_bytes, "kafka.max_frame_bytes")
        if path.suffix.lower() == ".npy":
            return _raw(path, data)
        content_type = CONTENT_TYPES[path.suffix.lower()]
        return Shot(data, content_type, path=str(path), truth=truth_of(path))
    except OSError as error:
        return Refusal(str(path), f"cannot be read: {error.strerror or error}")
    except ValueError as error:
        return Refusal(str(path), f"cannot be read: {error}")


def _raw(path: Path, file: bytes) -> Shot | Refusal:
    pixels = np.load(io.BytesIO(file), allow_pickle=False)
    gray = pixels.ndim == 2
    if pixels.dtype != np.uint8 or not (gray or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        shape = "x".join(map(str, pixels.shape))
        return Refusal(str(path), f"{pixels.dtype} {shape}; expected uint8 [h, w] or [h, w, 3]")
    height, width = pixels.shape[:2]
    content_type = RAW_GRAY8 if gray else RAW_RGB8
    data = np.ascontiguousarray(pixels).tobytes()
    return Shot(data, content_type, str(path), None, truth_of(path), width, height)


def truth_of(path: Path) -> str | None:
    """What the file shows, where the folders say so: `test/<kind>/<file>`."""
    parts = path.parts
    if len(parts) < 3 or parts[-3] != "test":
        return None
    return GOOD if parts[-2] in _GOOD_FOLDERS else parts[-2]


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
    settings: CameraSettings, max_bytes: int, listing: Listing | None
) -> Iterator[Shot | Refusal]:
    """The shots that the settings ask for; `listing` is None for the synthetic source."""
    if listing is None:
        return synthetic_shots(settings.synthetic)
    return file_shots(listing, max_bytes, settings.loop, settings.shuffle)
