"""One picture of a real camera, to see what it sees."""

import time
from pathlib import Path

from PIL import Image

from workers.camera.devices.device import DeviceLost
from workers.camera.devices.open import open_device
from workers.camera.settings import WATCH, CameraSettings
from workers.runtime.errors import SettingsError

_PATIENCE_S = 10.0


def preview(camera: CameraSettings, file: Path) -> None:
    """Write the first whole picture. Raises SettingsError, DeviceLost."""
    if not camera.live or camera.source.startswith(WATCH):
        raise SettingsError(f"camera.source: {camera.source} is no camera: look at its files")
    device = open_device(camera.source, camera.device)
    try:
        device.open()
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            grab = device.grab(1.0)
            if grab is not None and grab.picture is not None:
                _write(Image.fromarray(grab.picture.pixels), file)
                return
    finally:
        device.close()
    raise DeviceLost(f"{camera.source}: no picture in {_PATIENCE_S:.0f} s; is it triggered?")


def _write(picture: Image.Image, file: Path) -> None:
    try:
        picture.save(file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--preview {file}: {error}") from None
