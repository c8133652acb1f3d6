"""How much of a detector's work a category's view makes of one frame."""

from pathlib import Path

from workers.runtime.categories import InputSize, read_category
from workers.runtime.errors import SettingsError


def images_of(category: Path | None, preset: str) -> float:
    """Images of the preset's own size that one frame counts as. Raises SettingsError."""
    from stream_inspector.presets import PRESETS

    if preset not in PRESETS:
        raise SettingsError(f"--preset {preset}: none of {', '.join(PRESETS)}")
    view = read_category(category).view if category else None
    if view is None:
        return 1.0
    height, width = PRESETS[preset].input_size
    size = view.input_size
    area = size.height * size.width if isinstance(size, InputSize) else height * width
    return view.tiles.rows * view.tiles.columns * area / (height * width)
