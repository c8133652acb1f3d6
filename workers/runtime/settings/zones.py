"""Time zones by name."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator


def known_zone(name: str) -> str:
    """The name of a zone that this system knows. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # no name, a folder, not found
        raise ValueError(
            f"{name!r} is no time zone of this system, e.g. Europe/Berlin (package tzdata)"
        ) from None
    return name


ZoneName = Annotated[str, AfterValidator(known_zone)]
