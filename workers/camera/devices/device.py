"""What the camera process needs of a device that takes pictures by itself."""

from dataclasses import dataclass
from typing import Protocol

from workers.camera.devices.pixels import Picture
from workers.runtime.errors import Transient


class DeviceLost(Transient):
    """The device does not answer, or is not there; it is looked for again."""


class VideoEnded(Transient):
    """A file has no more pictures."""


@dataclass(frozen=True, slots=True)
class Grab:
    """A picture as the device gave it; None where it is broken."""

    picture: Picture | None
    block: int | None  # counts up with each picture that the device took; None: it does not count
    device_ns: int | None  # its own clock
    why: str = ""  # it is broken
    pixel_format: str | None = None  # as the device took it
    count: int | None = None  # by what counts the parts (camera.device.counter)


@dataclass(frozen=True, slots=True)
class Found:
    """A device that is there."""

    source: str  # what camera.source names it by
    what: str  # for people


class Device(Protocol):
    """Belongs to one thread."""

    def open(self) -> None:
        """Connect, set it up and begin to take pictures.

        Raises DeviceLost, and SettingsError for a setting that it does not take.
        """

    def grab(self, timeout_s: float) -> Grab | None:
        """The next picture; None: there was none in time. Raises DeviceLost."""

    def synchronised(self) -> bool | None:
        """Whether its clock follows PTP; None: it does not say."""

    def close(self) -> None:
        """Take no more pictures, and disconnect."""
