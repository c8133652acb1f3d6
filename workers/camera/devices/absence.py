"""How many parts went by while a device was away, and nothing counted them. Pure."""

from workers.camera.settings import DeviceSettings

_SETTLED_S = 1.0  # a stream's first pictures come all at once: they are a second's at most


class Absence:
    """The pace of a device, and whether it was lost since its last picture. Times: monotonic."""

    def __init__(self, settings: DeviceSettings) -> None:
        self._counted = settings.counter not in (None, "block")  # it went on counting meanwhile
        self._paced = settings.trigger != "hardware"
        self._opened_s = 0.0
        self._last_s: float | None = None
        self._pictures = 0  # since it was opened
        self._rate = 0.0  # pictures/s, when it was lost; 0: unknown
        self._away = False

    def opened(self, now_s: float) -> None:
        """The device is there."""
        self._opened_s, self._pictures = now_s, 0

    def lost(self) -> None:
        """It is not any more."""
        if self._pictures > 1 and self._last_s is not None:
            self._rate = self._pictures / max(self._last_s - self._opened_s, _SETTLED_S)
        self._away = self._last_s is not None

    def parts(self, now_s: float) -> int:
        """A picture came: parts of before that nobody took; 0: it was not away, or they count.

        At least one. A device of its own pace would have taken so many pictures; how many signals
        a hardware trigger got nobody knows.
        """
        since_s = now_s - self._last_s if self._last_s is not None else 0.0
        self._last_s, away, self._away = now_s, self._away, False
        self._pictures += 1
        if not away or self._counted:
            return 0
        return max(1, round(since_s * self._rate) - 1) if self._paced else 1
