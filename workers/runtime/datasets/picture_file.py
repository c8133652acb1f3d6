"""One image file as what a camera would send.

Its own bytes, those of a JPEG for HEIC, or the pixels of a numpy array.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.frame import RAW_GRAY8, RAW_RGB8
from stream_inspector.errors import FrameRejected
from stream_inspector.image.decode import FILE_TYPES, DecodeLimits
from stream_inspector.image.formats.heic import THERE, as_jpeg, is_heic
from workers.runtime.host.regular_file import read_regular


@dataclass(frozen=True, slots=True)
class PictureFile:
    """Encoded bytes, or raw pixels with their size."""

    data: bytes
    content_type: str
    width: int | None = None  # raw pixels only
    height: int | None = None


def read_picture_file(path: Path, max_bytes: int) -> PictureFile:
    """A file's picture; what it is, and its size, is looked up before it is read.

    Raises OSError, or ValueError for an array that is none.
    """
    data = read_regular(path, max_bytes, "kafka.max_frame_bytes")
    if path.suffix.lower() == ".npy":
        return _raw(data)
    if is_heic(data) and THERE:
        return _of_heic(data, max_bytes)
    return PictureFile(data, FILE_TYPES.get(path.suffix.lower(), "image/jpeg"))


def _of_heic(data: bytes, max_bytes: int) -> PictureFile:
    try:
        jpeg = as_jpeg(data, DecodeLimits())
    except FrameRejected as error:
        raise ValueError(str(error)) from error
    if len(jpeg) > max_bytes:
        raise ValueError(
            f"has {len(jpeg)} bytes as JPEG; the limit is {max_bytes} (setting "
            "kafka.max_frame_bytes)"
        )
    return PictureFile(jpeg, FILE_TYPES[".jpg"])


def _raw(file: bytes) -> PictureFile:
    try:
        pixels = np.load(io.BytesIO(file), allow_pickle=False)
    except Exception as error:  # whatever a header of numpy's format makes it raise
        raise ValueError(f"is no array of numpy: {str(error) or type(error).__name__}") from error
    gray = pixels.ndim == 2
    if pixels.dtype != np.uint8 or not (gray or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        shape = "x".join(map(str, pixels.shape))
        raise ValueError(f"{pixels.dtype} {shape}; expected uint8 [h, w] or [h, w, 3]")
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).tobytes()
    return PictureFile(data, RAW_GRAY8 if gray else RAW_RGB8, width, height)
