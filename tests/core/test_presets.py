import json
from dataclasses import replace

import pytest

from stream_inspector.diffusion.unet import UNet
from stream_inspector.presets import PRESETS, Preset, at_size, preset_from_dict
from stream_inspector.score.scorer import MEMBERS

EVERY = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


@EVERY
def test_a_preset_survives_json(preset: Preset) -> None:
    assert preset_from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


@EVERY
@pytest.mark.parametrize("size", [None, (256, 384), (144, 80), (16, 32)])
def test_sizes_fit_each_other(preset: Preset, size: tuple[int, int] | None) -> None:
    preset = at_size(preset, size) if size else preset
    for diffusion in (preset.pixel, preset.scoring):
        deepest = diffusion.network.patch * 2 ** (len(diffusion.network.multipliers) - 1)
        assert not any(side % deepest for side in diffusion.size)
    assert not any(side % preset.gaussian.block for side in preset.grid)
    assert preset.grid == (preset.input_size[0] // 8, preset.input_size[1] // 8)
    head = preset.pixel if preset.feature is None else preset.feature
    level = head.network.patch * head.network.feature_level
    assert head.size == (preset.grid[0] * level, preset.grid[1] * level)
    assert head.network.position in {None, preset.grid}
    assert {name for name, _ in preset.weights} <= set(MEMBERS)


@EVERY
def test_networks_stay_small(preset: Preset) -> None:
    for diffusion in (preset.pixel, preset.scoring):
        network = UNet(diffusion.network, diffusion.channels)
        assert sum(parameter.numel() for parameter in network.parameters()) < 4e6


@EVERY
def test_its_own_size_changes_nothing(preset: Preset) -> None:
    assert at_size(at_size(preset, (160, 480)), preset.input_size) == preset


@EVERY
@pytest.mark.parametrize("size", [(250, 256), (256, 0), (256, -16)])
def test_a_size_the_grid_cannot_divide_is_refused(preset: Preset, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="divide by 16"):
        at_size(preset, size)


def test_an_unknown_column_is_refused() -> None:
    data = PRESETS["pixel-small"].to_dict() | {"colour": "red"}
    with pytest.raises(TypeError, match="colour"):
        preset_from_dict(data)


def test_the_name_alone_tells_rows_apart() -> None:
    one, other = PRESETS.values()
    assert replace(one, name=other.name) != other
