"""Videos, streams and USB cameras through PyAV (extra `video`): a file, a URL, /dev/video0."""

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from workers.camera.devices.device import DeviceLost, Grab, VideoEnded
from workers.camera.devices.pixels import Picture
from workers.camera.settings import DeviceSettings
from workers.runtime.errors import SettingsError


class VideoDevice:
    """One stream of pictures. It has no count that would show what is lost."""

    def __init__(self, where: str, settings: DeviceSettings) -> None:
        self._where, self._settings = where, settings
        self._live = "://" in where or where.startswith("/dev/video")
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())

    def open(self) -> None:
        """Raises DeviceLost."""
        options = {"rtsp_transport": "tcp"} if self._where.startswith("rtsp") else {}
        options |= {name: _option(value) for name, value in self._settings.nodes.items()}
        kind = "v4l2" if self._where.startswith("/dev/video") else None
        limit_s = self._settings.timeout_s
        try:
            self._container = av.open(
                self._where, format=kind, options=options, timeout=(limit_s, limit_s)
            )
            self._frames = self._container.decode(video=0)
        except (FFmpegError, IndexError) as error:
            raise DeviceLost(f"{self._where}: {error} (camera.source)") from None

    def grab(self, timeout_s: float) -> Grab | None:  # noqa: ARG002  (its own: device.timeout_s)
        """Raises DeviceLost, also where a stream ends; VideoEnded behind a file's last picture."""
        try:
            frame = next(self._frames, None)
        except FFmpegError as error:
            raise DeviceLost(f"{self._where}: {error}") from None
        if frame is None and self._live:
            raise DeviceLost(f"{self._where}: the stream ended")
        if frame is None:
            raise VideoEnded(f"{self._where}: no more pictures")
        gray = frame.format.name.startswith("gray")
        pixels = frame.to_ndarray(format="gray" if gray else "rgb24")
        return Grab(Picture(self._cut(pixels)), None, None)

    def _cut(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The region; raises SettingsError where the pictures are smaller."""
        if self._settings.region is None:
            return pixels
        x, y, width, height = self._settings.region
        if y + height > pixels.shape[0] or x + width > pixels.shape[1]:
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise SettingsError(f"camera.device.region: its pictures have {size} pixels")
        return np.ascontiguousarray(pixels[y : y + height, x : x + width])

    def synchronised(self) -> bool | None:
        """It has no clock."""
        return None

    def close(self) -> None:
        """Disconnect."""
        container, self._container = self._container, None
        self._frames = iter(())
        if container is not None:
            container.close()


def _option(value: bool | int | float | str) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
