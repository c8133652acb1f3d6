"""Any network of timm's: its row, its weights, its features. timm's own test networks are tiny."""

from collections.abc import Iterator

import pytest
import timm
import torch
from torch import Tensor

from stream_inspector import backbones
from stream_inspector.backbones import body_weights, look_up
from stream_inspector.errors import ModelCorrupt, ModelUnsupported, WeightsRefused
from stream_inspector.features import load_feature_net
from stream_inspector.presets import B4, LITE0, LITE2, Backbone

NAMES = ("test_efficientnet", "test_resnet", "test_convnext", "test_vit", "resnet18")
X = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def weights(name: str) -> dict[str, Tensor]:
    """timm's whole network with random weights and statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = timm.create_model(name).state_dict()
        return {
            key: torch.rand_like(value) + 0.5 if key.endswith("running_var") else value
            for key, value in state.items()
        }


@pytest.fixture(autouse=True)
def _random_state_stays() -> Iterator[None]:
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("row", [LITE0, LITE2, B4], ids=lambda row: row.architecture)
def test_a_known_row_says_what_timm_says(row: Backbone) -> None:
    assert look_up(row.architecture) == row
    told = look_up(row.architecture, row.levels)
    assert (told.channels, told.patch) == (row.channels, 1)


def test_the_papers_backbone_is_read_at_four_strides_in_its_own_range() -> None:
    with torch.device("meta"):
        levels = backbones.body(B4)(torch.empty(1, 3, 256, 256))
    assert [level.shape[1] for level in levels] == [24, 32, 56, 160]
    assert [level.shape[2] for level in levels] == [128, 64, 32, 16]
    assert (B4.mean, B4.deviation) == ((0.5,) * 3, (0.5,) * 3)  # [-1, 1]


def test_a_row_follows_from_the_name() -> None:
    assert look_up("resnet18") == Backbone(
        "resnet18", (1, 2, 3), 448, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    )
    assert look_up("resnet18", [2]).channels == 128
    assert look_up("test_vit") == Backbone("test_vit", (4,), 64, patch=16)
    assert look_up("vit_small_patch14_dinov2", [3, 6]).channels == 768


@pytest.mark.parametrize(
    ("name", "levels", "message"),
    [
        ("resnet9000", (), "timm has no such network.*list_models"),
        ("resnet18", (1, 7), "its levels are 0 to 4, at strides 2, 4, 8, 16, 32"),
        ("resnet18", (-1,), "its levels are 0 to 4"),
        ("resnet50", (), "1792 channels, 1024 is the most; name fewer levels, as resnet50:2"),
    ],
)
def test_what_cannot_be_looked_with_is_refused(name: str, levels: tuple, message: str) -> None:
    with pytest.raises(WeightsRefused, match=message):
        look_up(name, levels)


@pytest.mark.parametrize("name", NAMES)
def test_features_are_timms_levels_of_pixels_as_it_was_trained_on(name: str) -> None:
    row, state = look_up(name), weights(name)
    net = load_feature_net((8, 8), row, body_weights(row, state))
    assert net.training is False

    with torch.random.fork_rng(devices=[]):
        whole = timm.create_model(name, **({"dynamic_img_size": True} if row.patch > 1 else {}))
    whole.load_state_dict(state)
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (row.mean, row.deviation))
    pixels = ((X + 1) / 2 - mean) / deviation
    with torch.no_grad():
        found = net(X)
        kept = {"norm": False} if row.patch > 1 else {}
        levels = whole.eval().forward_intermediates(
            pixels, indices=list(row.levels), intermediates_only=True, **kept
        )
    resized = [torch.nn.functional.interpolate(y, size=(8, 8), mode="bilinear") for y in levels]
    assert found.shape == (2, row.channels, 8, 8)
    torch.testing.assert_close(found, torch.cat(resized, 1), rtol=1e-4, atol=1e-4)


def test_a_transformer_sees_images_that_its_patches_do_not_divide() -> None:
    row = look_up("test_vit")
    net = load_feature_net((5, 7), row, body_weights(row, weights("test_vit")))
    assert net(X[:, :, :40, :56]).shape == (2, 64, 5, 7)


def test_weights_of_another_network_are_refused_by_their_keys() -> None:
    row, state = look_up("test_resnet"), weights("test_resnet")
    short = {name: value for name, value in state.items() if name != "layer1.0.conv1.weight"}
    with pytest.raises(WeightsRefused, match=r'Missing key.*"layer1.0.conv1.weight"'):
        body_weights(row, short)
    with pytest.raises(WeightsRefused, match=r'no weights of timm.s test_resnet.*"odd"'):
        body_weights(row, {**state, "odd": torch.zeros(1)})
    with pytest.raises(WeightsRefused, match=r"no weights of timm.s test_resnet"):
        body_weights(row, weights("test_efficientnet"))
    shaped = {**state, "fc.weight": torch.zeros(3, 3)}
    with pytest.raises(WeightsRefused, match=r"size mismatch for fc.weight"):
        body_weights(row, shaped)


def test_a_model_without_its_backbones_weights_says_so() -> None:
    row = look_up("test_resnet")
    with pytest.raises(ModelUnsupported, match=r"come in no package: give --backbone-weights FILE"):
        load_feature_net((4, 4), row)
    with pytest.raises(ModelCorrupt, match=r"backbone.\* do not fit timm's test_resnet"):
        load_feature_net((4, 4), row, {"conv1.weight": torch.zeros(1)})
