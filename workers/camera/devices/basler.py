"""Basler's cameras through pypylon (extra `basler`): GigE, USB3, CXP, and those it emulates."""

from typing import Any

from pypylon import genicam, pylon

from workers.camera.devices.device import DeviceLost, Found, Grab
from workers.camera.settings import DeviceSettings
from workers.runtime.errors import SettingsError

KIND = "basler"
_EXPOSURE, _GAIN = ("ExposureTime", "ExposureTimeAbs"), ("Gain", "GainRaw")


class BaslerDevice:
    """One camera, by its serial number; the first that is there when none is named."""

    def __init__(self, serial: str, settings: DeviceSettings) -> None:
        self._serial, self._settings = serial, settings
        self._camera: Any = None
        self._convert = pylon.ImageFormatConverter()

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
            return _grab(found, self._convert) if found.IsValid() else None
        except genicam.GenericException as error:
            raise DeviceLost(f"Basler {self._serial}: {error}") from None

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


def _grab(found: Any, convert: Any) -> Grab:
    try:
        block, stamp = int(found.GetBlockID()), int(found.GetTimeStamp())
        if not found.GrabSucceeded():
            return Grab(None, block, stamp or None, found.GetErrorDescription())
        mono = pylon.IsMono(found.GetPixelType())
        convert.OutputPixelFormat = pylon.PixelType_Mono8 if mono else pylon.PixelType_RGB8packed
        return Grab(convert.Convert(found).GetArray().copy(), block, stamp or None)
    finally:
        found.Release()


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
