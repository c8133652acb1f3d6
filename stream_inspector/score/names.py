"""What the score members and their raw maps are called; no PyTorch."""

from stream_inspector.presets import Preset

ENSEMBLE = "ensemble"


def members(preset: Preset) -> tuple[str, ...]:
    """The scores that a preset's models give; those in no weight are there to compare with."""
    return (
        *(("kl",) if preset.trained else ()),
        *(("features",) if has_feature_error(preset) else ()),
        "mahalanobis",
        *(("nearby",) if preset.nearby else ()),
        "control",
    )


def raw_names(preset: Preset) -> list[str]:
    """The raw maps of a preset: KL has one for each step."""
    others = [name for name in members(preset) if name != "kl"]
    return [*others, *(f"kl.{t}" for t in preset.scoring.score_steps)]


def has_feature_error(preset: Preset) -> bool:
    """Whether the feature error is a score of its own.

    In the space of features KL is their squared error in units of the posterior's variance: scored
    without noise the two are one.
    """
    return preset.feature is None or preset.feature.sampled
