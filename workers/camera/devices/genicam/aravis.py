"""GigE Vision and USB3 Vision cameras of any maker through aravis: no producer, no maker's package.

Frames come through ordinary sockets: aravis would take them from the network card, which needs a
right of its own (CAP_NET_RAW) and loses some on a loopback.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from workers.camera.devices.device import DeviceLost, Found, Grab
from workers.camera.devices.genicam.libaravis import Aravis, Refused
from workers.camera.devices.genicam.ptp import ptp
from workers.camera.devices.pixels import KNOWN, picture, pixel_format
from workers.camera.settings import DeviceSettings
from workers.runtime.errors import SettingsError

KIND = "aravis"
_CHUNK = "Chunk"
_BUFFERS = 8  # pictures that the library may hold
_NO_PACKET_SOCKET = 1
_FITTING = 1  # of the socket's memory: a picture's, as far as the system allows
_WHOLE = 0
_WHY = {2: "packets came too late", 3: "packets are missing", 5: "its size is wrong"}


class AravisDevice:
    """One camera, by its id or address; the first that is there when none is named."""

    def __init__(self, name: str, settings: DeviceSettings) -> None:
        """Raises SettingsError where the library is not installed."""
        self._name, self._settings, self._aravis = name, settings, Aravis()
        self._camera: int | None = None
        self._stream: int | None = None
        self._parser: int | None = None
        self._device: int | None = None
        self._format = ""

    def open(self) -> None:
        """Raises DeviceLost, SettingsError."""
        arv = self._aravis
        try:
            self._camera = arv.camera_new(self._name or None)
            self._device = arv.camera_get_device(self._camera)
            self._is_ours("another program controls it")
            self._set_up()
            self._format = arv.camera_get_pixel_format_as_string(self._camera)
            self._begin(arv.camera_get_payload(self._camera))
        except (DeviceLost, Refused) as error:
            raise DeviceLost(f"aravis {self._name or 'without a name'}: {error}") from None

    def _is_ours(self, otherwise: str) -> None:
        """Raises DeviceLost where a network camera does not heed us."""
        arv = self._aravis
        if arv.camera_is_gv_device(self._camera) and not arv.gv_device_is_controller(self._device):
            raise DeviceLost(otherwise)

    def _begin(self, size: int) -> None:
        arv = self._aravis
        network = arv.camera_is_gv_device(self._camera)
        if network:
            arv.gv_device_set_stream_options(self._device, _NO_PACKET_SOCKET)
        self._stream = arv.camera_create_stream(self._camera, None, None)
        if network:
            arv.set_number(self._stream, "socket-buffer", _FITTING)
        for _ in range(_BUFFERS):
            arv.stream_push_buffer(self._stream, arv.buffer_new_allocate(size))
        arv.camera_start_acquisition(self._camera)

    def grab(self, timeout_s: float) -> Grab | None:
        """Raises DeviceLost."""
        arv = self._aravis
        try:
            if self._settings.trigger == "software":
                arv.camera_software_trigger(self._camera)
            buffer = arv.stream_timeout_pop_buffer(self._stream, int(timeout_s * 1e6))
            if not buffer:
                arv.camera_get_payload(self._camera)  # raises where nobody answers
                self._is_ours("it was started anew, or another program took it")
                return None
        except (DeviceLost, Refused) as error:
            raise DeviceLost(f"aravis {self._name}: {error}") from None
        try:
            return self._grab(buffer)
        finally:
            arv.stream_push_buffer(self._stream, buffer)

    def _grab(self, buffer: int) -> Grab:
        arv, status = self._aravis, self._aravis.buffer_get_status(buffer)
        block, stamp = arv.buffer_get_frame_id(buffer), arv.buffer_get_timestamp(buffer) or None
        form, count = pixel_format(self._format), self._counted(buffer, block)
        if form is None:
            raise SettingsError(
                f"camera.device.nodes: PixelFormat is {self._format}; known are {KNOWN}"
            )
        if status != _WHOLE:
            why = _WHY.get(status, f"aravis says {status}")
            return Grab(None, block, stamp, why, self._format, count)
        height, width = arv.buffer_get_image_height(buffer), arv.buffer_get_image_width(buffer)
        samples = np.frombuffer(arv.data(buffer), np.uint8 if form.bits == 8 else "<u2")
        size = height * width * form.channels
        if samples.size < size:
            return Grab(None, block, stamp, "the buffer is incomplete", self._format, count)
        whole = samples[:size].reshape(height, width, form.channels)
        whole = whole[:, :, 0] if form.channels == 1 else whole
        made = picture(whole, form, convert_bayer=self._settings.demosaic)
        return Grab(made, block, stamp, "", self._format, count)

    def _counted(self, buffer: int, block: int) -> int | None:
        """The number of the part, by what counts them."""
        name = self._settings.counter
        if name is None or name == "block":
            return None if name is None else block
        try:
            if name.startswith(_CHUNK):
                return int(self._aravis.chunk_parser_get_integer_value(self._parser, buffer, name))
            return int(self._aravis.device_get_integer_feature_value(self._device, name))
        except (DeviceLost, Refused):
            return None

    def synchronised(self) -> bool | None:
        """By what its node map says of PTP."""
        return ptp(lambda name: _Node(self._aravis, self._device, name))

    def close(self) -> None:
        """Disconnect."""
        arv, camera, stream = self._aravis, self._camera, self._stream
        self._camera = self._stream = self._device = None
        parser, self._parser = self._parser, None
        if stream is not None:
            with suppress(DeviceLost, Refused):  # it may not answer any more
                arv.camera_stop_acquisition(camera)
        for each in (parser, stream, camera):
            arv.release(each)

    def _set_up(self) -> None:
        given, camera, arv = self._settings, self._camera, self._aravis
        if given.exposure_us is not None:
            self._set("exposure_us", arv.camera_set_exposure_time, camera, given.exposure_us)
        if given.gain is not None:
            self._set("gain", arv.camera_set_gain, camera, given.gain)
        if given.trigger != "free":
            soft = given.trigger == "software"
            line, setting = (
                ("Software", "trigger") if soft else (given.trigger_line, "trigger_line")
            )
            self._set(setting, arv.camera_set_trigger, camera, line)
        for name, value in given.nodes.items():
            self._set_node(name, value)
        if given.region is not None:
            self._set("region", arv.camera_set_region, camera, *given.region)
        self._count_parts(given.counter or "")

    def _count_parts(self, name: str) -> None:
        """A chunk travels with its picture, when it is asked for."""
        if name.startswith(_CHUNK):
            chunk = name.removeprefix(_CHUNK)
            self._set("counter", self._aravis.camera_set_chunks, self._camera, chunk)
            self._parser = self._aravis.camera_create_chunk_parser(self._camera)
        elif name not in ("", "block") and not self._is_there(name):
            raise SettingsError(f"camera.device.counter: this camera has no {name}")

    def _set_node(self, name: str, value: bool | int | float | str) -> None:
        if not self._is_there(name):
            raise SettingsError(f"camera.device.nodes.{name}: this camera has no {name}")
        said = str(value).lower() if isinstance(value, bool) else f'"{value}"'
        said = said if isinstance(value, bool | str) else str(value)
        set_features = self._aravis.device_set_features_from_string
        self._set(f"nodes.{name}", set_features, self._device, f"{name}={said}")

    def _is_there(self, name: str) -> bool:
        try:
            return bool(self._aravis.device_is_feature_available(self._device, name))
        except Refused:
            return False

    def _set(self, setting: str, function: Callable[..., Any], *given: Any) -> None:
        """Raises SettingsError for what the camera does not take."""
        try:
            function(*given)
        except Refused as error:
            raise SettingsError(f"camera.device.{setting}: {given[-1]!r}: {error}") from None


class _Node:
    """A node of a camera, as `ptp` asks for it."""

    def __init__(self, aravis: Aravis, device: int | None, name: str) -> None:
        self._aravis, self._device, self._name = aravis, device, name

    def execute(self) -> None:
        """Of a command. Raises Refused, DeviceLost."""
        self._aravis.device_execute_command(self._device, self._name)

    @property
    def value(self) -> object:
        """A switch's, or a state's. Raises Refused, DeviceLost."""
        if self._name.endswith(("Enable", "1588")):
            return self._aravis.device_get_boolean_feature_value(self._device, self._name)
        return self._aravis.device_get_string_feature_value(self._device, self._name)


def find() -> list[Found]:
    """What is there. Raises SettingsError where the library is not installed."""
    arv = Aravis()
    arv.update_device_list()
    told = ("vendor", "model", "protocol")
    return [
        Found(
            f"{KIND}:{arv.get_device_id(at)}",
            "{} {} ({})".format(*(getattr(arv, f"get_device_{what}")(at) for what in told)),
        )
        for at in range(arv.get_n_devices())
    ]
