"""Any GenICam camera through harvesters and its maker's producer, a .cti file (extra `genicam`)."""

from typing import Any

import numpy as np
from genicam.gentl import GenericException, TimeoutException
from harvesters.core import Harvester
from numpy.typing import NDArray

from workers.camera.devices.device import DeviceLost, Found, Grab
from workers.camera.settings import DeviceSettings
from workers.runtime.errors import SettingsError

KIND = "genicam"
_CHANNELS = {"Mono8": 1, "RGB8": 3, "RGBa8": 4, "BGR8": 3, "BGRa8": 4}


class GenicamDevice:
    """One camera, by its id; the first that is there when none is named."""

    def __init__(self, name: str, settings: DeviceSettings) -> None:
        """Raises SettingsError without a producer."""
        if not settings.cti:
            raise SettingsError("camera.device.cti: name the producers (.cti) of your cameras")
        self._name, self._settings = name, settings
        self._harvester: Any = None
        self._acquirer: Any = None

    def open(self) -> None:
        """Raises DeviceLost, SettingsError."""
        self._harvester = _harvester(self._settings)
        ids = [each.id_ for each in self._harvester.device_info_list]
        if not ids or self._name not in ("", *ids):
            raise DeviceLost(f"no GenICam camera {self._name or 'at all'}; there are: {ids}")
        try:
            self._acquirer = self._harvester.create({"id_": self._name or ids[0]})
            self._set_up()
            self._acquirer.start()
        except GenericException as error:
            raise DeviceLost(f"GenICam {self._name}: {error}") from None

    def grab(self, timeout_s: float) -> Grab | None:
        """Raises DeviceLost."""
        try:
            if self._settings.trigger == "software":
                self._acquirer.remote_device.node_map.TriggerSoftware.execute()
            with self._acquirer.fetch(timeout=timeout_s) as buffer:
                return _grab(buffer)
        except TimeoutException:
            return None
        except GenericException as error:
            raise DeviceLost(f"GenICam {self._name}: {error}") from None

    def close(self) -> None:
        """Disconnect."""
        acquirer, self._acquirer = self._acquirer, None
        harvester, self._harvester = self._harvester, None
        if acquirer is not None:
            acquirer.destroy()
        if harvester is not None:
            harvester.reset()

    def _set_up(self) -> None:
        given, nodes = self._settings, self._acquirer.remote_device.node_map
        wanted: dict[str, tuple[Any, str]] = {}
        if given.exposure_us is not None:
            wanted["ExposureTime"] = given.exposure_us, "exposure_us"
        if given.gain is not None:
            wanted["Gain"] = given.gain, "gain"
        if given.trigger != "free":
            line = "Software" if given.trigger == "software" else given.trigger_line
            wanted["TriggerSelector"] = "FrameStart", "trigger"
            wanted["TriggerMode"] = "On", "trigger"
            wanted["TriggerSource"] = line, "trigger_line"
        wanted |= {name: (value, f"nodes.{name}") for name, value in given.nodes.items()}
        for name, (value, setting) in wanted.items():
            _set(nodes, name, value, setting)


def _set(nodes: Any, name: str, value: Any, setting: str) -> None:
    if not hasattr(nodes, name):
        raise SettingsError(f"camera.device.{setting}: this camera has no {name}")
    try:
        getattr(nodes, name).value = value
    except Exception as error:  # each producer has its own
        raise SettingsError(f"camera.device.{setting}: {value!r}: {error}") from None


def _grab(buffer: Any) -> Grab:
    block, stamp = _told(buffer, "frame_id"), _told(buffer, "timestamp_ns")
    part = buffer.payload.components[0]
    channels = _CHANNELS.get(part.data_format)
    if channels is None:
        known = ", ".join(_CHANNELS)
        raise SettingsError(
            f"camera.device.nodes: PixelFormat is {part.data_format}; one of {known} is needed"
        )
    if part.data.size < part.height * part.width * channels:
        return Grab(None, block, stamp, "the buffer is incomplete")
    return Grab(_pixels(part, channels), block, stamp)


def _pixels(part: Any, channels: int) -> NDArray[np.uint8]:
    shape = (part.height, part.width) if channels == 1 else (part.height, part.width, channels)
    found = part.data.reshape(shape)
    if channels > 1:
        found = found[:, :, 2::-1] if part.data_format.startswith("BGR") else found[:, :, :3]
    return np.array(found, np.uint8)


def _told(buffer: Any, name: str) -> int | None:
    try:
        return int(getattr(buffer.module, name))
    except Exception:  # a producer that does not tell raises what it likes
        return None


def _harvester(settings: DeviceSettings) -> Any:
    harvester = Harvester()
    for file in settings.cti:
        try:
            harvester.add_file(str(file), check_existence=True, check_validity=True)
        except OSError as error:
            raise SettingsError(f"camera.device.cti: {file}: {error}") from None
    harvester.update()
    return harvester


def find(settings: DeviceSettings) -> list[Found]:
    """What the producers see."""
    harvester = _harvester(settings)
    try:
        return [
            Found(f"{KIND}:{each.id_}", f"{each.vendor} {each.model} {each.serial_number}")
            for each in harvester.device_info_list
        ]
    finally:
        harvester.reset()
