"""Which device a source names, and what is there."""

from collections.abc import Callable

from workers.camera.devices.device import Device, Found
from workers.camera.devices.genicam.aravis import AravisDevice
from workers.camera.devices.genicam.aravis import find as find_aravis
from workers.camera.devices.genicam.libaravis import NotInstalled
from workers.camera.devices.usb import find as find_usb
from workers.camera.settings import DeviceSettings
from workers.runtime.errors import SettingsError


def open_device(source: str, settings: DeviceSettings) -> Device:
    """The device behind `camera.source`. Raises SettingsError where its extra is missing."""
    kind, _, name = source.partition(":")
    if kind == "basler":
        return _with("basler", lambda: _basler(name, settings))
    if kind == "genicam":
        return _with("genicam", lambda: _genicam(name, settings))
    if kind == "aravis":
        return AravisDevice(name, settings)
    where = name if kind == "video" else source
    return _with("video", lambda: _video(where, settings))


def find_devices(settings: DeviceSettings) -> list[Found]:
    """What Linux and the installed libraries see. Raises SettingsError where there is none."""
    found = find_usb()
    missing = 0
    for look in (_find_basler, lambda: _find_genicam(settings), find_aravis):
        try:
            found += look()
        except (ModuleNotFoundError, NotInstalled):
            missing += 1
    if missing == 3 and not found:
        raise SettingsError(
            "no library for cameras is installed: extras `basler`, `genicam`, or the system's "
            "package of aravis (docs/cameras.md)"
        )
    return found


def _with(extra: str, make: Callable[[], Device]) -> Device:
    try:
        return make()
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"camera.source: {error.name} is not installed; install the extra `{extra}`: "
            f"pip install '.[{extra}]' in the checkout"
        ) from None


def _basler(name: str, settings: DeviceSettings) -> Device:
    from workers.camera.devices.genicam.basler import BaslerDevice

    return BaslerDevice(name, settings)


def _genicam(name: str, settings: DeviceSettings) -> Device:
    from workers.camera.devices.genicam.harvester import GenicamDevice

    return GenicamDevice(name, settings)


def _video(where: str, settings: DeviceSettings) -> Device:
    from workers.camera.devices.video import VideoDevice

    return VideoDevice(where, settings)


def _find_basler() -> list[Found]:
    from workers.camera.devices.genicam.basler import find

    return find()


def _find_genicam(settings: DeviceSettings) -> list[Found]:
    if not settings.cti:
        return []
    from workers.camera.devices.genicam.harvester import find

    return find(settings)
