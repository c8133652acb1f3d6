import json
from dataclasses import replace

import pytest

from stream_inspector.diffusion.unet import UNet
from stream_inspector.presets import PRESETS, Preset, preset_from_dict
from stream_inspector.score.scorer import MEMBERS

EVERY = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


@EVERY
def test_a_preset_survives_json(preset: Preset) -> None:
    assert preset_from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


@EVERY
def test_sizes_fit_each_other(preset: Preset) -> None:
    for diffusion in (preset.pixel, preset.scoring):
        deepest = diffusion.network.patch * 2 ** (len(diffusion.network.multipliers) - 1)
        assert not any(side % deepest for side in diffusion.size)
    assert not any(side % preset.gaussian.block for side in preset.grid)
    assert preset.feature is None or preset.feature.size == preset.grid
    assert {name for name, _ in preset.weights} <= set(MEMBERS)


@EVERY
def test_networks_stay_small(preset: Preset) -> None:
    for diffusion in (preset.pixel, preset.scoring):
        network = UNet(diffusion.network, diffusion.channels)
        assert sum(parameter.numel() for parameter in network.parameters()) < 4e6


def test_an_unknown_column_is_refused() -> None:
    data = PRESETS["pixel-small"].to_dict() | {"colour": "red"}
    with pytest.raises(TypeError, match="colour"):
        preset_from_dict(data)


def test_the_name_alone_tells_rows_apart() -> None:
    one, other = PRESETS.values()
    assert replace(one, name=other.name) != other
