"""Pictures of a device as they come: what it missed is told, what it loses is looked for again."""

import io
import random
from collections.abc import Iterator

import structlog
from PIL import Image

from schemas.frame import RAW_GRAY8, RAW_RGB8
from workers.camera.devices.device import Device, DeviceLost, Grab, VideoEnded
from workers.camera.settings import DeviceSettings
from workers.camera.sources import Missed, Shot, Stop, Taken

log = structlog.get_logger(__name__)

_WAIT_S = 0.5  # for a picture, before a stop is looked for
_WORD_END = 65_535  # GigE Vision 1 counts blocks from 1 to here, and again from 1
_NEAR = 1000  # blocks from that end


def live_shots(
    device: Device, settings: DeviceSettings, stop: Stop, *, once: bool = False
) -> Iterator[Taken]:
    """Until a stop, or the end of a file (`once`). None: nothing came. Raises SettingsError."""
    failures = 0
    while not stop.is_set():
        try:
            device.open()
            log.info("device connected")
            for taken in _pictures(device, settings, stop):
                failures = 0
                yield taken
        except VideoEnded:
            if once:
                return
        except DeviceLost as error:
            failures += 1
            pause_s = _pause(settings, failures)
            log.warning("device lost", reason=str(error), retry_s=round(pause_s, 1))
            yield None
            stop.wait(pause_s)
        finally:
            device.close()


def _pictures(device: Device, settings: DeviceSettings, stop: Stop) -> Iterator[Taken]:
    last: int | None = None
    while not stop.is_set():
        grab = device.grab(min(_WAIT_S, settings.timeout_s))
        if grab is None:
            yield None
            continue
        if grab.block is not None:
            gap = missed(last, grab.block)
            last = grab.block
            if gap:
                yield Missed(gap, "gap")
        yield Missed(1, "incomplete") if grab.pixels is None else shot(grab, settings.encoding)


def missed(last: int | None, block: int) -> int:
    """Pictures that the device took between these two blocks; a count that began anew has none."""
    if last is None:
        return 0
    if block > last:
        return block - last - 1
    wrapped = last > _WORD_END - _NEAR and block < _NEAR and last <= _WORD_END
    return _WORD_END - last + block - 1 if wrapped else 0


def shot(grab: Grab, encoding: str) -> Shot:
    """A picture as it is sent; both encodings lose nothing."""
    assert grab.pixels is not None  # noqa: S101  (its caller looked)
    height, width = grab.pixels.shape[:2]
    if encoding == "raw":
        kind = RAW_GRAY8 if grab.pixels.ndim == 2 else RAW_RGB8
        data, size = grab.pixels.tobytes(), (width, height)
        return Shot(data, kind, None, None, None, *size, grab.block, grab.device_ns)
    buffer = io.BytesIO()
    Image.fromarray(grab.pixels).save(buffer, "PNG", compress_level=1)  # speed over size
    return Shot(buffer.getvalue(), "image/png", block=grab.block, device_ns=grab.device_ns)


def _pause(settings: DeviceSettings, failures: int) -> float:
    grown = settings.retry_initial_s * 2.0 ** min(failures - 1, 16)
    return min(settings.retry_max_s, grown) * (0.5 + random.random() / 2)  # noqa: S311
