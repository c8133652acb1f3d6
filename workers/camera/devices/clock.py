"""When a picture was taken, by this machine's clock, from the device's own count of time. Pure.

Most devices count from their start, and a picture arrives some while after its exposure, now
sooner, now later. The shortest way of late is taken off: what is left of it is constant. A device
that follows PTP has the time of day, and is believed.
"""

import math

_WINDOW_NS = 30 * 10**9  # clocks drift apart: what was the shortest way is forgotten after two
_JUMP_NS = 10 * 10**9  # a way that long is a clock that was set, or began anew
_DAY_NS = 86_400 * 10**9  # a clock that is off by less is one of the time of day
_SYNCHRONOUS_NS = 10**9  # PTP is believed as long as pictures take no longer than that
_S = 1e9


class DeviceClock:
    """One device's clock beside ours. Times are nanoseconds."""

    def __init__(self) -> None:
        self._shortest: int | None = None  # arrival less the device's time, in this window
        self._before: int | None = None  # ... in the one before
        self._since = 0
        self.synchronised: bool | None = None  # the device says so of PTP; None: it does not say
        self.transfer_s = math.nan  # from exposure to arrival, of the newest picture

    def taken(self, device_ns: int | None, arrived_ns: int) -> int:
        """When the picture was taken: never after it arrived."""
        found = arrived_ns if device_ns is None else self._mapped(device_ns, arrived_ns)
        self.transfer_s = (arrived_ns - found) / _S if device_ns is not None else math.nan
        return found

    @property
    def ahead_s(self) -> float:
        """By how much the device's time of day is ahead of ours; NaN: it counts something else."""
        way = self._way()
        return -way / _S if way is not None and abs(way) < _DAY_NS else math.nan

    def _mapped(self, device_ns: int, arrived_ns: int) -> int:
        way = arrived_ns - device_ns
        known = self._way()
        if known is not None and way - known > _JUMP_NS:
            self._shortest = self._before = None
        self._note(way, arrived_ns)
        if self.synchronised and 0 <= way <= _SYNCHRONOUS_NS:
            return device_ns
        shortest = self._way()
        return device_ns + (way if shortest is None else shortest)

    def _note(self, way: int, arrived_ns: int) -> None:
        if self._shortest is None or not 0 <= arrived_ns - self._since <= _WINDOW_NS:
            self._before, self._shortest, self._since = self._shortest, way, arrived_ns
        self._shortest = min(self._shortest, way)

    def _way(self) -> int | None:
        ways = [each for each in (self._shortest, self._before) if each is not None]
        return min(ways, default=None)
