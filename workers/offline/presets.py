"""Presets by name, as flags and settings give them."""

from stream_inspector.presets import PRESETS, Preset
from workers.runtime.errors import SettingsError


def find_preset(name: str) -> Preset:
    """A preset by name. Raises SettingsError with the names that exist."""
    if name not in PRESETS:
        raise SettingsError(f"preset: there is no {name!r}; allowed: {', '.join(PRESETS)}")
    return PRESETS[name]
