"""A picture of a device as it is sent. All encodings but JPEG lose nothing."""

import io
import zlib
from datetime import datetime

import numpy as np
from PIL import Image

from schemas.frame import RAW_BAYER, RAW_GRAY8, RAW_GRAY16, RAW_RGB8
from workers.camera.devices.device import Grab
from workers.camera.devices.pixels import Picture
from workers.camera.settings import DeviceSettings
from workers.camera.sources import Shot
from workers.runtime.errors import SettingsError

_GREY = 2  # dimensions


def shot(
    grab: Grab,
    settings: DeviceSettings,
    taken_at: datetime | None = None,
    part: int | None = None,
) -> Shot:
    """Of part number `part`. Raises SettingsError for an encoding that cannot hold the picture."""
    assert grab.picture is not None  # noqa: S101  (its caller looked)
    data, kind = encoded(grab.picture, settings)
    height, width = grab.picture.pixels.shape[:2]
    raw = settings.encoding == "raw"
    return Shot(
        data,
        kind,
        width=width if raw else None,
        height=height if raw else None,
        block=grab.block,
        device_ns=grab.device_ns,
        taken_at=taken_at,
        pixel_format=grab.pixel_format,
        count=part,
    )


def encoded(picture: Picture, settings: DeviceSettings) -> tuple[bytes, str]:
    """Bytes and content type. Raises SettingsError, see above."""
    pixels, deep = picture.pixels, picture.pixels.dtype != np.uint8
    if settings.encoding == "raw":
        return pixels.tobytes(), _raw_type(picture, deep)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if settings.encoding == "jpeg":
        if deep:
            raise SettingsError(
                "camera.device.encoding: jpeg holds 8 bits, and the camera gives more: set "
                "nodes.PixelFormat to Mono8, or another encoding"
            )
        image.save(buffer, "JPEG", quality=settings.jpeg_quality)
        return buffer.getvalue(), "image/jpeg"
    if settings.encoding == "png-fast":  # runs alone are packed
        image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    else:
        image.save(buffer, "PNG", compress_level=1)  # speed over size
    return buffer.getvalue(), "image/png"


def _raw_type(picture: Picture, deep: bool) -> str:
    if picture.bayer is not None:
        return RAW_BAYER[picture.bayer, 16 if deep else 8]
    if picture.pixels.ndim == _GREY:
        return RAW_GRAY16 if deep else RAW_GRAY8
    return RAW_RGB8
