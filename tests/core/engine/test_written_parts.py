"""What graphs compute with is what PyTorch computes with: matrices, noise levels, features."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch.nn import functional

from stream_inspector.backbones import packaged_weights
from stream_inspector.diffusion.denoiser import PARAMETERISATIONS
from stream_inspector.diffusion.denoiser import scalings as torch_scalings
from stream_inspector.diffusion.posterior import clean_weight
from stream_inspector.diffusion.schedule import linear_schedule
from stream_inspector.engine.graph.eight_bits import Single
from stream_inspector.engine.graph.lite import Lite
from stream_inspector.engine.graph.matrices import antialiased, averaged, enlarging, linear
from stream_inspector.engine.graph.noise import level, scalings
from stream_inspector.engine.graph.writer import Graph, model_bytes
from stream_inspector.engine.sessions import onnxruntime_session
from stream_inspector.features import load_feature_net, resized
from stream_inspector.packaged import lite_weights
from stream_inspector.presets import LITE0, LITE2, Backbone
from stream_inspector.score.ensemble import enlarge

SIZES = [(8, 64), (40, 320), (10, 7), (7, 7), (80, 40), (5, 40)]


@pytest.mark.parametrize(("cells", "pixels"), SIZES)
def test_resizing_is_pytorchs(cells: int, pixels: int) -> None:
    x = torch.randn(1, 1, cells, generator=torch.Generator().manual_seed(0))
    expected = {
        linear: functional.interpolate(x, size=pixels, mode="linear", align_corners=False)[0, 0],
        averaged: functional.adaptive_avg_pool1d(x, pixels)[0, 0],
    }
    for made, wanted in expected.items():
        found = made(cells, pixels) @ x[0, 0].numpy()
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5, err_msg=made.__name__)


@pytest.mark.parametrize("size", [(32, 48), (20, 30), (64, 96)])
def test_shrinking_is_that_of_training(size: tuple[int, int]) -> None:
    x = torch.randn(1, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    found = antialiased(64, size[0]) @ x[0, 0].numpy() @ antialiased(96, size[1]).T
    np.testing.assert_allclose(found, resized(x, size)[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("sigma", [0.0, 0.7, 4.0])
def test_enlarging_is_that_of_training(sigma: float) -> None:
    maps = torch.randn(2, 8, 10, generator=torch.Generator().manual_seed(0))
    rows, columns = enlarging(8, 64, sigma), enlarging(10, 80, sigma)
    expected = enlarge(maps, (64, 80), sigma).numpy()
    np.testing.assert_allclose(rows @ maps.numpy() @ columns.T, expected, atol=1e-5)


@pytest.mark.parametrize("step", [1, 100, 500, 999])
def test_a_noise_level_is_that_of_the_chain(step: int) -> None:
    schedule, at = linear_schedule(), level(step)
    known = (schedule.alpha_bars, schedule.betas, schedule.posterior_log_variance)
    found = (at.alpha_bar, at.beta, at.posterior_log_variance, at.clean_weight)
    expected = [float(each[step]) for each in (*known, clean_weight(schedule))]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    for kind in PARAMETERISATIONS:
        wanted = [float(each[step]) for each in torch_scalings(kind, schedule.alpha_bars, 0.4)]
        np.testing.assert_allclose(scalings(kind, at.alpha_bar, 0.4), wanted, rtol=1e-6)


@pytest.mark.parametrize("backbone", [LITE0, LITE2], ids=lambda each: each.architecture)
def test_the_shipped_weights_are_the_packages(backbone: Backbone) -> None:
    theirs, ours = packaged_weights(backbone), lite_weights(backbone)
    assert ours.keys() < theirs.keys()
    assert all(np.array_equal(each, theirs[name].numpy()) for name, each in ours.items())


@pytest.mark.parametrize(
    ("size", "grid", "backbone"),
    [((64, 96), (8, 12), LITE0), ((80, 80), (20, 20), LITE0), ((64, 96), (8, 12), LITE2)],
)
def test_features_are_those_of_the_backbone(
    size: tuple[int, int], grid: tuple[int, int], backbone: Backbone
) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = load_feature_net(grid, backbone)(x).numpy()
    graph = Graph()
    looked = Lite(lite_weights(backbone), Single(graph))
    made = looked.features("x", size, backbone.levels, grid)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, *size])
    output = helper.make_tensor_value_info(made, TensorProto.FLOAT, None)
    run = onnxruntime_session(model_bytes(graph.written("lite", [given], [output])), 1)
    np.testing.assert_allclose(run(x.numpy())[0], expected, atol=1e-4 * expected.std())
