"""A preset for other categories, iterations, sizes or backbones: what depends on them follows."""

from collections.abc import Callable
from dataclasses import replace

from stream_inspector.presets.columns import Backbone, Diffusion, Preset, TrainingPlan


def for_categories(preset: Preset, count: int) -> Preset:
    """The preset of a unified model for so many categories: the networks are told which one."""

    def unified(diffusion: Diffusion) -> Diffusion:
        network = replace(diffusion.network, classes=count if count > 1 else 0)
        plan = replace(diffusion.plan, iterations=diffusion.plan.total(count))
        return replace(diffusion, network=network, plan=plan)

    feature = preset.feature and unified(preset.feature)
    return replace(preset, pixel=unified(preset.pixel), feature=feature)


def shortened(preset: Preset, iterations: int | None) -> Preset:
    """The preset with every network trained for so many steps; None: as it is."""
    if iterations is None:
        return preset
    return _planned(preset, lambda plan: replace(plan, iterations=iterations))


def with_batch(preset: Preset, batch: int | None) -> Preset:
    """The preset with every network trained on so many samples a step; None: as it is."""
    if batch is None:
        return preset
    return _planned(preset, lambda plan: replace(plan, batch=batch))


def _planned(preset: Preset, change: Callable[[TrainingPlan], TrainingPlan]) -> Preset:
    def changed(diffusion: Diffusion) -> Diffusion:
        return replace(diffusion, plan=change(diffusion.plan))

    feature = preset.feature and changed(preset.feature)
    return replace(preset, pixel=changed(preset.pixel), feature=feature)


def at_size(preset: Preset, size: tuple[int, int]) -> Preset:
    """The preset for images of another size or shape, [h, w] in pixels.

    What depends on the size follows: the grid, the feature diffusion on it with its position
    input, and the pixel diffusion at the same reduction. Raises ValueError unless both sides
    divide by the preset's multiple.
    """
    if any(side <= 0 or side % preset.multiple for side in size):
        raise ValueError(
            f"the input size {size[0]} x {size[1]} does not divide by {preset.multiple}"
        )
    grid = _scaled(preset.grid, preset.input_size, size, 1)
    pixel_size = _scaled(preset.pixel.size, preset.input_size, size, preset.pixel.network.deepest)
    return replace(
        preset,
        input_size=size,
        grid=grid,
        pixel=_diffusion_at(preset.pixel, pixel_size),
        feature=preset.feature and _diffusion_at(preset.feature, grid),
    )


def _scaled(
    size: tuple[int, int], before: tuple[int, int], after: tuple[int, int], multiple: int
) -> tuple[int, int]:
    """A size that grows as the input does, rounded to a multiple."""
    h, w = (
        max(1, round(side * new / (old * multiple))) * multiple
        for side, old, new in zip(size, before, after, strict=True)
    )
    return h, w


def _diffusion_at(diffusion: Diffusion, size: tuple[int, int]) -> Diffusion:
    network = replace(diffusion.network, position=diffusion.network.position and size)
    return replace(diffusion, size=size, network=network)


def with_backbone(preset: Preset, backbone: Backbone) -> Preset:
    """The preset looking at the features of another network; what has their channels follows."""
    head = preset.pixel.network.feature_channels and backbone.channels
    network = replace(preset.pixel.network, feature_channels=head)
    return replace(
        preset,
        backbone=backbone,
        pixel=replace(preset.pixel, network=network),
        feature=preset.feature and replace(preset.feature, channels=backbone.channels),
    )
