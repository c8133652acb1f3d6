"""USB cameras, as Linux lists them; `video` takes their pictures."""

from contextlib import suppress
from pathlib import Path

from workers.camera.devices.device import Found

_LISTED = Path("/sys/class/video4linux")


def find(listed: Path = _LISTED) -> list[Found]:
    """One for each camera: its first node gives the pictures, others tell of them."""
    found = []
    for place in sorted(listed.glob("video*"), key=lambda place: (len(place.name), place.name)):
        with suppress(OSError, UnicodeDecodeError):  # unplugged meanwhile
            if (place / "index").read_text().strip() == "0":
                name = (place / "name").read_text().strip()
                found.append(Found(f"/dev/{place.name}", f"{name} (V4L2)"))
    return found
