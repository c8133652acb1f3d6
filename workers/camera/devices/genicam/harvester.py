"""Any GenICam camera through harvesters and its maker's producer, a .cti file (extra `genicam`)."""

from typing import Any

from genicam.gentl import GenericException, TimeoutException
from harvesters.core import Harvester

from workers.camera.devices.device import DeviceLost, Found, Grab
from workers.camera.devices.genicam.ptp import ptp
from workers.camera.devices.pixels import KNOWN, picture, pixel_format
from workers.camera.settings import DeviceSettings
from workers.runtime.errors import SettingsError

KIND = "genicam"
_CHUNK = "Chunk"


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
                return self._grab(buffer)
        except TimeoutException:
            return None
        except GenericException as error:
            raise DeviceLost(f"GenICam {self._name}: {error}") from None

    def _grab(self, buffer: Any) -> Grab:
        block, stamp = _told(buffer, "frame_id"), _told(buffer, "timestamp_ns")
        part = buffer.payload.components[0]
        name, count = str(part.data_format), self._counted(block)
        form = pixel_format(name)
        if form is None:
            raise SettingsError(f"camera.device.nodes: PixelFormat is {name}; known are {KNOWN}")
        if part.data.size < part.height * part.width * form.channels:
            return Grab(None, block, stamp, "the buffer is incomplete", name, count)
        shape = (part.height, part.width, form.channels)
        samples = part.data.reshape(shape[:2] if form.channels == 1 else shape)
        bayer = self._settings.demosaic
        made = picture(samples, form, convert_bayer=bayer)
        return Grab(made, block, stamp, "", name, count)

    def _counted(self, block: int | None) -> int | None:
        """The number of the part; chunks of the buffer in hand are in the node map."""
        name = self._settings.counter
        if name is None or name == "block":
            return None if name is None else block
        return _value(self._acquirer.remote_device.node_map, name)

    def synchronised(self) -> bool | None:
        """By what its node map says of PTP."""
        return ptp(lambda name: getattr(self._acquirer.remote_device.node_map, name))

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
        for name, value in _region(given):
            if value or hasattr(nodes, name):  # some sensors have no offset to set to 0
                _set(nodes, name, value, "region")
        _count_parts(nodes, given.counter or "")


def _region(given: DeviceSettings) -> list[tuple[str, int]]:
    """The offsets give way first: width and height are bounded by them."""
    if given.region is None:
        return []
    x, y, width, height = given.region
    order = [("OffsetX", 0), ("OffsetY", 0), ("Width", width), ("Height", height)]
    return [*order, ("OffsetX", x), ("OffsetY", y)]


def _count_parts(nodes: Any, name: str) -> None:
    """A chunk travels with its picture, when it is asked for."""
    if name.startswith(_CHUNK):
        _set(nodes, "ChunkModeActive", True, "counter")
        _set(nodes, "ChunkSelector", name.removeprefix(_CHUNK), "counter")
        _set(nodes, "ChunkEnable", True, "counter")
    elif name not in ("", "block") and not hasattr(nodes, name):
        raise SettingsError(f"camera.device.counter: this camera has no {name}")


def _value(nodes: Any, name: str) -> int | None:
    try:
        return int(getattr(nodes, name).value)
    except Exception:  # each producer has its own
        return None


def _set(nodes: Any, name: str, value: Any, setting: str) -> None:
    if not hasattr(nodes, name):
        raise SettingsError(f"camera.device.{setting}: this camera has no {name}")
    try:
        getattr(nodes, name).value = value
    except Exception as error:  # each producer has its own
        raise SettingsError(f"camera.device.{setting}: {value!r}: {error}") from None


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
