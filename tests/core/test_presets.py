import json
import math
from dataclasses import replace

import pytest
import torch

from stream_inspector.diffusion.layers import AttentionBlock
from stream_inspector.diffusion.unet import UNet
from stream_inspector.image.view.plan import ViewPlan
from stream_inspector.model.assembly import score_schedule
from stream_inspector.presets import (
    FEATURE_DIFFUSION,
    FEATURE_FAST,
    LITE0,
    PAPER,
    PIXEL_SMALL,
    PRESETS,
    Backbone,
    Preset,
    at_size,
    for_categories,
    preset_from_dict,
    shortened,
    with_backbone,
)
from stream_inspector.score.scorer import members

EVERY = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
SMALL = pytest.mark.parametrize("preset", (FEATURE_DIFFUSION, PIXEL_SMALL), ids=lambda p: p.name)


@EVERY
def test_a_preset_survives_json(preset: Preset) -> None:
    assert preset_from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


@SMALL
@pytest.mark.parametrize("size", [None, (256, 384), (144, 80), (16, 32)])
def test_sizes_fit_each_other(preset: Preset, size: tuple[int, int] | None) -> None:
    preset = at_size(preset, size) if size else preset
    for diffusion in (preset.pixel, preset.scoring):
        deepest = diffusion.network.patch * 2 ** (len(diffusion.network.multipliers) - 1)
        assert not any(side % deepest for side in diffusion.size)
    assert preset.grid == (preset.input_size[0] // 8, preset.input_size[1] // 8)
    head = preset.pixel if preset.feature is None else preset.feature
    level = head.network.patch * head.network.feature_level
    assert head.size == (preset.grid[0] * level, preset.grid[1] * level)
    assert head.network.position in {None, preset.grid}
    assert {name for name, _ in preset.weights} <= set(members(preset))


@EVERY
@pytest.mark.parametrize("frame", [(1500, 1000), (272, 240), (640, 480), (1000, 2100), (4096, 500)])
def test_every_shape_of_frames_has_a_grid_that_the_feature_head_gives(
    preset: Preset, frame: tuple[int, int]
) -> None:
    tile = ViewPlan(input_size="auto").view(preset.input_size, frame, preset.multiple).tile
    shaped = at_size(preset, tile)
    network = shaped.pixel.network
    assert not any(side % network.deepest for side in shaped.pixel.size)
    if network.feature_channels:
        level = network.patch * network.feature_level
        assert shaped.pixel.size == (shaped.grid[0] * level, shaped.grid[1] * level)
    assert math.prod(tile) == pytest.approx(math.prod(preset.input_size), rel=0.3)


@pytest.mark.parametrize("size", [(208, 304), (240, 272), (176, 368)])
def test_a_size_that_the_papers_network_cannot_halve_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="divide by 32"):
        at_size(PAPER, size)


def test_another_backbone_brings_its_channels_to_all_that_has_them() -> None:
    other = Backbone("resnet18", (1, 2), 192, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
    fast, small, paper = (with_backbone(p, other) for p in (FEATURE_FAST, PIXEL_SMALL, PAPER))
    assert fast.feature is not None
    assert fast.feature.channels == 192
    assert fast.pixel.network.feature_channels == 0  # it has no head
    assert {p.pixel.network.feature_channels for p in (small, paper)} == {192}
    assert preset_from_dict(json.loads(json.dumps(fast.to_dict()))) == fast
    assert with_backbone(fast, LITE0) == FEATURE_FAST


def test_presets_of_before_name_their_backbone_alone() -> None:
    plain = FEATURE_FAST.to_dict()
    assert plain["backbone"] == "tf_efficientnet_lite0"
    assert {"whitened", "pooled_kl"}.isdisjoint(plain)
    with pytest.raises(ValueError, match="nothing is known of the backbone resnet18"):
        preset_from_dict(plain | {"backbone": "resnet18"})


@SMALL
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
    with pytest.raises(ValueError, match=f"divide by {preset.multiple}"):
        at_size(preset, size)


def test_an_unknown_column_is_refused() -> None:
    data = PRESETS["pixel-small"].to_dict() | {"colour": "red"}
    with pytest.raises(TypeError, match="colour"):
        preset_from_dict(data)


def test_the_name_alone_tells_rows_apart() -> None:
    assert replace(PIXEL_SMALL, name="feature-fast") != FEATURE_FAST


def _parameters(preset: Preset) -> int:
    with torch.device("meta"):  # 2.2 GB of weights that nobody needs
        network = UNet(preset.pixel.network, preset.pixel.channels)
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_papers_network_has_the_papers_size() -> None:
    """RAN section A: 552.8 million parameters; the feature head comes on top."""
    head = 2 * 512 + 512 * 272 + 272
    assert round((_parameters(PAPER) - head) / 1e6, 1) == 552.8


@pytest.mark.slow
def test_the_papers_network_has_the_papers_shape() -> None:
    with torch.device("meta"):
        network = UNet(PAPER.pixel.network, 3)
        raw, features = network(torch.empty(1, 3, 256, 256), torch.zeros(1))
    assert raw.shape == (1, 6, 256, 256)
    assert features is not None
    assert features.shape == (1, 272, *PAPER.grid)
    attending = [n for n, m in network.named_modules() if isinstance(m, AttentionBlock)]
    assert len(attending) == 3 * 2 + 1 + 3 * 3  # encoder, middle, decoder at 32, 16 and 8 pixels
    with torch.device("meta"):
        unified = for_categories(PAPER, 15).pixel.network
        assert UNet(unified, 3).label_emb.weight.shape == (15, 1024)


def test_the_papers_steps_count_on_the_respaced_chain() -> None:
    schedule = score_schedule(PAPER.pixel)
    assert schedule.original[list(PAPER.pixel.score_steps)].tolist() == [20, 201, 401]


def test_steps_can_be_read_as_original_ones() -> None:
    schedule = score_schedule(replace(PAPER.pixel, score_chain=1000))
    assert schedule.original[list(PAPER.pixel.score_steps)].tolist() == [5, 50, 100]


def test_a_unified_model_of_the_papers_kind_trains_twice_as_long() -> None:
    assert for_categories(PAPER, 1) == PAPER
    assert for_categories(PAPER, 15).pixel.plan.iterations == 20_000


@EVERY
def test_a_shortened_preset_trains_every_network_so_long(preset: Preset) -> None:
    assert shortened(preset, None) == preset
    short = shortened(preset, 7)
    assert {short.pixel.plan.iterations, short.scoring.plan.iterations} == {7}
