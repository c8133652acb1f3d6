"""Basler's cameras through pypylon (extra `basler`): GigE, USB3, CXP, and those it emulates."""

from typing import Any

from pypylon import genicam, pylon

from workers.camera.devices.device import DeviceLost, Found, Grab
from workers.camera.devices.genicam.ptp import ptp
from workers.camera.devices.pixels import Picture, picture, pixel_format
from workers.camera.settings import DeviceSettings
from workers.runtime.errors import SettingsError

KIND = "basler"
_CHUNK = "Chunk"
_EXPOSURE, _GAIN = ("ExposureTime", "ExposureTimeAbs"), ("Gain", "GainRaw")


class BaslerDevice:
    """One camera, by its serial number; the first that is there when none is named."""

    def __init__(self, serial: str, settings: DeviceSettings) -> None:
        self._serial, self._settings = serial, settings
        self._camera: Any = None
        self._convert = pylon.ImageFormatConverter()
        self._convert.OutputBitAlignment.Value = "MsbAligned"
        self._format = ""

    def open(self) -> None:
        """Raises DeviceLost, SettingsError."""
        found = [each for each in _devices() if self._serial in ("", each.GetSerialNumber())]
        if not found:
            raise DeviceLost(f"no Basler camera {self._serial or 'at all'} (camera.source)")
        try:
            factory = pylon.TlFactory.GetInstance()
            self._camera = pylon.InstantCamera(factory.CreateDevice(found[0]))
            self._camera.Open()
            self._set_up()
            self._format = str(self._camera.PixelFormat.Value)
            self._camera.StartGrabbing(pylon.GrabStrategy_OneByOne)
        except genicam.GenericException as error:
            raise DeviceLost(f"Basler {self._serial}: {error}") from None

    def grab(self, timeout_s: float) -> Grab | None:
        """Raises DeviceLost."""
        try:
            milliseconds = max(1, int(timeout_s * 1000))
            if self._settings.trigger == "software" and not self._trigger(milliseconds):
                return None
            found = self._camera.RetrieveResult(milliseconds, pylon.TimeoutHandling_Return)
            return self._grab(found) if found.IsValid() else None
        except genicam.GenericException as error:
            raise DeviceLost(f"Basler {self._serial}: {error}") from None

    def _grab(self, found: Any) -> Grab:
        try:
            block, stamp = int(found.GetBlockID()), int(found.GetTimeStamp()) or None
            whole = found.GrabSucceeded()
            return Grab(
                self._picture(found) if whole else None,
                block,
                stamp,
                "" if whole else found.GetErrorDescription(),
                self._format,
                self._counted(found, block),
            )
        finally:
            found.Release()

    def _picture(self, found: Any) -> Picture:
        """What is packed in an unusual way is unpacked by pylon, with its depth."""
        form = pixel_format(self._format)
        if form is not None:
            bayer = self._settings.demosaic
            return picture(found.GetArray(), form, convert_bayer=bayer)
        mono = pylon.IsMono(found.GetPixelType())
        self._convert.OutputPixelFormat = (
            pylon.PixelType_Mono16 if mono else pylon.PixelType_RGB8packed
        )
        return Picture(self._convert.Convert(found).GetArray().copy())

    def _counted(self, found: Any, block: int) -> int | None:
        """The number of the part, by what counts them."""
        name = self._settings.counter
        if name is None or name == "block":
            return None if name is None else block
        nodes = self._camera.GetNodeMap()
        if name.startswith(_CHUNK):
            nodes = found.GetChunkDataNodeMap()
        node = nodes.GetNode(name)
        return int(node.Value) if node and genicam.IsReadable(node) else None

    def synchronised(self) -> bool | None:
        """By what its node map says of PTP."""
        return ptp(self._camera.GetNodeMap().GetNode)

    def close(self) -> None:
        """Disconnect."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.Close()

    def _trigger(self, milliseconds: int) -> bool:
        """Ask for a picture, as soon as the camera can take one."""
        camera = self._camera
        if camera.CanWaitForFrameTriggerReady() and not camera.WaitForFrameTriggerReady(
            milliseconds, pylon.TimeoutHandling_Return
        ):
            return False
        camera.ExecuteSoftwareTrigger()
        return True

    def _set_up(self) -> None:
        given = self._settings
        if given.exposure_us is not None:
            self._set(_EXPOSURE, given.exposure_us, "exposure_us")
        if given.gain is not None:
            self._set(_GAIN, given.gain, "gain")
        if given.trigger != "free":
            self._set(("TriggerSelector",), "FrameStart", "trigger")
            self._set(("TriggerMode",), "On", "trigger")
            line = "Software" if given.trigger == "software" else given.trigger_line
            self._set(("TriggerSource",), line, "trigger_line")
        for name, value in given.nodes.items():
            self._set((name,), value, f"nodes.{name}")
        for name, value, setting in self._region():
            self._set((name,), value, setting)
        self._count_parts()

    def _region(self) -> list[tuple[str, int, str]]:
        """The offsets give way first: width and height are bounded by them."""
        if self._settings.region is None:
            return []
        x, y, width, height = self._settings.region
        order = (("OffsetX", 0), ("OffsetY", 0), ("Width", width), ("Height", height))
        return [(*each, "region") for each in (*order, ("OffsetX", x), ("OffsetY", y))]

    def _count_parts(self) -> None:
        """A chunk travels with its picture, when it is asked for."""
        name = self._settings.counter or ""
        if name.startswith(_CHUNK):
            self._set(("ChunkModeActive",), True, "counter")
            self._set(("ChunkSelector",), name.removeprefix(_CHUNK), "counter")
            self._set(("ChunkEnable",), True, "counter")
        elif name not in ("", "block") and not self._is_there(name):
            raise SettingsError(f"camera.device.counter: this camera has no {name}")

    def _is_there(self, name: str) -> bool:
        node = self._camera.GetNodeMap().GetNode(name)
        return bool(node) and bool(genicam.IsAvailable(node))

    def _set(self, names: tuple[str, ...], value: Any, setting: str) -> None:
        """Set the first of these nodes that the camera has."""
        nodes = (self._camera.GetNodeMap().GetNode(name) for name in names)
        node = next((each for each in nodes if each and genicam.IsWritable(each)), None)
        if node is None:
            raise SettingsError(f"camera.device.{setting}: this camera has no {names[0]} to set")
        try:
            kind = type(node.Value)
            node.Value = int(value) if kind is int else kind(value)
        except (genicam.GenericException, ValueError, TypeError) as error:
            raise SettingsError(f"camera.device.{setting}: {value!r}: {error}") from None


def _devices() -> list[Any]:
    return list(pylon.TlFactory.GetInstance().EnumerateDevices())


def find() -> list[Found]:
    """What is there."""
    return [
        Found(
            f"{KIND}:{each.GetSerialNumber()}", f"{each.GetModelName()} ({each.GetDeviceClass()})"
        )
        for each in _devices()
    ]
