"""Videos, streams and USB cameras through PyAV (extra `video`): a file, a URL, /dev/video0."""

from collections.abc import Iterator
from typing import Any

import av
from av.error import FFmpegError

from workers.camera.devices.device import DeviceLost, Grab, VideoEnded
from workers.camera.settings import DeviceSettings


class VideoDevice:
    """One stream of pictures. It has no count that would show what is lost."""

    def __init__(self, where: str, settings: DeviceSettings) -> None:
        self._where, self._settings = where, settings
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())

    def open(self) -> None:
        """Raises DeviceLost."""
        options = {"rtsp_transport": "tcp"} if self._where.startswith("rtsp") else {}
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
        """Raises DeviceLost; VideoEnded behind the last picture of a file."""
        try:
            frame = next(self._frames, None)
        except FFmpegError as error:
            raise DeviceLost(f"{self._where}: {error}") from None
        if frame is None:
            raise VideoEnded(f"{self._where}: no more pictures")
        gray = frame.format.name.startswith("gray")
        return Grab(frame.to_ndarray(format="gray" if gray else "rgb24"), None, None)

    def close(self) -> None:
        """Disconnect."""
        container, self._container = self._container, None
        self._frames = iter(())
        if container is not None:
            container.close()
