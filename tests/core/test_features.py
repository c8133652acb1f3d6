from dataclasses import replace

import numpy as np
import pytest
import timm
import torch

from stream_inspector import backbones, packaged
from stream_inspector.errors import ModelUnsupported
from stream_inspector.features import load_feature_net, resized, to_images, to_tensor
from stream_inspector.presets import LITE0, LITE2, Backbone


def test_pixels_become_minus_one_to_one_and_back() -> None:
    image = np.array([[[0, 127, 255]]], np.uint8)
    x = to_tensor([image])
    assert x.shape == (1, 3, 1, 1)
    assert x.flatten().tolist() == pytest.approx([-1.0, 127 / 127.5 - 1, 1.0])
    assert np.array_equal(to_images(x)[0], image)


def test_images_are_clipped_not_wrapped() -> None:
    wild = to_images(torch.tensor([-3.0, 0.0, 3.0]).reshape(1, 3, 1, 1))
    assert wild[0].flatten().tolist() == [0, 128, 255]


def test_features_are_the_three_strides_on_one_grid() -> None:
    net = load_feature_net((8, 8))
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = net(x)
    assert found.shape == (2, LITE0.channels, 8, 8)
    stride4, stride8, _ = net.body(x)
    # halving bilinearly averages 2 x 2 cells; the grid's own stride passes unchanged
    torch.testing.assert_close(found[:, :24], torch.nn.functional.avg_pool2d(stride4, 2))
    assert torch.equal(found[:, 24:64], stride8)


def test_a_network_is_built_once_for_all_that_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    one = load_feature_net((8, 8))
    monkeypatch.setattr(backbones, "_create", None)
    other = load_feature_net((4, 4))
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(one.body(x)[2], other.body(x)[2])
    one.body.half()
    assert next(other.body.parameters()).dtype is torch.float32


@pytest.mark.parametrize("backbone", [LITE0, LITE2], ids=lambda net: net.architecture)
def test_the_packaged_weights_classify(backbone: Backbone) -> None:
    """Renamed in order, they must still be a working network: confident on a natural pattern."""
    full = timm.create_model(backbone.architecture, pretrained=False)
    full.load_state_dict(backbones._imagenet_weights(backbone))
    y, x = np.mgrid[:224, :224]
    ball = 255 * ((x - 112) ** 2 + (y - 112) ** 2 < 80**2)[..., None] * np.array([1.0, 0.5, 0.0])
    with torch.inference_mode():
        chances = full.eval()(to_tensor([ball.astype(np.uint8)])).softmax(-1)[0]
    assert int(chances.argmax()) in {429, 522, 574, 722, 768, 805, 852, 950, 951}  # balls, orange


def test_weights_of_another_shape_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(LITE0, architecture="tf_efficientnet_lite1")
    monkeypatch.setitem(
        packaged.PACKAGES, other.architecture, packaged.PACKAGES[LITE0.architecture]
    )
    with pytest.raises(ModelUnsupported, match="do not fit timm's tf_efficientnet_lite1"):
        load_feature_net((4, 4), other)


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(LITE0, architecture="tf_efficientnet_lite1")
    missing = packaged.Package("efficientnet_lite9_pytorch_model", "File", "")
    monkeypatch.setitem(packaged.PACKAGES, other.architecture, missing)
    with pytest.raises(ModelUnsupported, match="install efficientnet-lite9-pytorch-model"):
        load_feature_net((4, 4), other)


def test_the_net_is_frozen() -> None:
    net = load_feature_net((4, 4))
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_resizing_keeps_the_mean() -> None:
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert float(resized(x, (8, 8)).mean()) == pytest.approx(float(x.mean()), abs=0.01)
    assert resized(x, (16, 16)) is x
