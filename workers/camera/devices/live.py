"""Pictures of a device as they come: what it missed is told, what it loses is looked for again."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import structlog

from workers.camera.devices.absence import Absence
from workers.camera.devices.clock import DeviceClock
from workers.camera.devices.device import Device, DeviceLost, Grab, VideoEnded
from workers.camera.devices.encode import shot
from workers.camera.settings import DeviceSettings
from workers.camera.sources import AWAY, Missed, Stop, Taken

log = structlog.get_logger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ASK_CLOCK_S = 10.0  # between two questions whether its clock follows PTP
_WAIT_S = 0.5  # for a picture, before a stop is looked for
_WORD_END = 65_535  # GigE Vision 1 counts blocks from 1 to here, and again from 1
_NEAR = 1000  # blocks from that end


def live_shots(
    device: Device,
    settings: DeviceSettings,
    stop: Stop,
    *,
    once: bool = False,
    clock: DeviceClock | None = None,
) -> Iterator[Taken]:
    """Until a stop, or the end of a file (`once`). None: nothing came. Raises SettingsError."""
    failures, counts, absence = 0, Counts(settings), Absence(settings)
    clock = clock or DeviceClock()
    while not stop.is_set():
        try:
            device.open()
            log.info("device connected")
            counts.begin()
            absence.opened(time.monotonic())
            clock.synchronised = device.synchronised()
            for taken in _pictures(device, settings, stop, counts, clock):
                failures = 0
                if taken is not None and (parts := absence.parts(time.monotonic())):
                    yield Missed(parts, AWAY)
                yield taken
        except VideoEnded:
            if once:
                return
            yield None
        except DeviceLost as error:
            failures += 1
            absence.lost()
            pause_s = _pause(settings, failures)
            log.warning("device lost", reason=str(error), retry_s=round(pause_s, 1))
            yield None
            stop.wait(pause_s)
        finally:
            device.close()


def _pictures(
    device: Device, settings: DeviceSettings, stop: Stop, counts: "Counts", clock: DeviceClock
) -> Iterator[Taken]:
    asked_s = time.monotonic()
    while not stop.is_set():
        grab, arrived_ns = device.grab(min(_WAIT_S, settings.timeout_s)), time.time_ns()
        if time.monotonic() - asked_s > _ASK_CLOCK_S:
            clock.synchronised, asked_s = device.synchronised(), time.monotonic()
        if grab is None:
            yield None
            continue
        yield from counts.missed(grab)
        taken_ns = clock.taken(grab.device_ns, arrived_ns)
        if grab.picture is None:
            yield Missed(1, "incomplete")
        else:
            yield shot(grab, settings, _moment(taken_ns), counts.part)


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


class Counts:
    """What the counts of a device say of parts that there is no picture of."""

    def __init__(self, settings: DeviceSettings) -> None:
        self._step, self._own = settings.counter_step, settings.counter == "block"
        self._wraps_at = settings.counter_wraps_at
        self._block: int | None = None
        self._count: int | None = None  # as the device gave it
        self._turns = 0  # how often that went on from 0
        self.part: int | None = None  # number of the newest one; None: nothing counts them

    def begin(self) -> None:
        """Connected: pictures are counted anew, while parts that went by meanwhile were counted."""
        self._block = None
        if self._own:
            self._count = self.part = None

    def missed(self, grab: Grab) -> Iterator[Missed]:
        """Pictures that were lost, then parts that were counted and never taken."""
        gap = 0
        if grab.block is not None:
            gap = missed(self._block, grab.block)
            self._block = grab.block
        if gap:
            yield Missed(gap, "gap")
        if grab.count is None:
            return
        last, self.part = self.part, self._number(grab.count)
        if self._own:
            untaken = missed(last, self.part) - gap
        else:
            untaken = 0 if last is None else self.part - last - 1 - gap
        if untaken > 0:
            yield Missed(untaken, "trigger")

    def _number(self, count: int) -> int:
        """Of the part. So many counts are one, the nearest counts: an encoder is never exact."""
        last, self._count = self._count, count
        if self._wraps_at and last is not None:
            turned = round((last - count) / self._wraps_at)  # the shorter way round
            self._turns += turned
        counted = count + self._turns * (self._wraps_at or 0)
        return (counted + self._step // 2) // self._step


def missed(last: int | None, block: int) -> int:
    """Pictures that the device took between these two blocks; a count that began anew has none."""
    if last is None:
        return 0
    if block > last:
        return block - last - 1
    wrapped = last > _WORD_END - _NEAR and block < _NEAR and last <= _WORD_END
    return _WORD_END - last + block - 1 if wrapped else 0


def _pause(settings: DeviceSettings, failures: int) -> float:
    grown = settings.retry_initial_s * 2.0 ** min(failures - 1, 16)
    return min(settings.retry_max_s, grown) * (0.5 + random.random() / 2)  # noqa: S311
