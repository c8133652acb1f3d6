"""Presets by name, as flags and settings give them."""

from dataclasses import replace

from stream_inspector.presets import PRESETS, Preset, with_backbone, with_batch
from workers.offline.settings import TrainerSettings
from workers.runtime.errors import SettingsError


def find_preset(name: str) -> Preset:
    """A preset by name. Raises SettingsError with the names that exist."""
    if name not in PRESETS:
        raise SettingsError(f"preset: there is no {name!r}; allowed: {', '.join(PRESETS)}")
    return PRESETS[name]


def trainers_preset(preset: Preset, settings: TrainerSettings) -> Preset:
    """The preset as other settings change it. Raises SettingsError, WeightsRefused."""
    preset = with_batch(preset, settings.batch)
    preset = replace(preset, normalisation=settings.normalisation)
    if settings.backbone is None:
        return preset
    from stream_inspector.backbones import look_up

    return with_backbone(preset, look_up(*_named(settings.backbone)))


def _named(backbone: str) -> tuple[str, list[int]]:
    """ "resnet18:1,2" -> the name and the levels."""
    name, _, levels = backbone.partition(":")
    try:
        return name, [int(level) for level in levels.split(",") if levels]
    except ValueError:
        raise SettingsError(
            f"trainer.backbone: {backbone!r} is neither NAME nor NAME:LEVELS, as resnet18:1,2"
        ) from None
