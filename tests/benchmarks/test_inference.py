"""What the benchmark compares with is right; how fast anything is, no test says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.convolutions import Ceiling, Shape, ceiling, shapes_of
from benchmarks.inference import PORT, Row, _compared, _markdown
from benchmarks.released_loop import ReleasedLoop
from stream_inspector.diffusion.unet import UNet
from stream_inspector.model.assembly import of_category, pack_network
from stream_inspector.model.version import Model
from stream_inspector.presets import PRESETS
from stream_inspector.synthetic import render


def test_every_convolution_is_counted_with_its_operations() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Flatten(2),
        nn.Conv1d(8, 4, 1),
    )
    found = shapes_of(net, torch.zeros(1, 3, 16, 16))
    strided, depthwise = (
        Shape(3, 8, 1, (3, 3), (2, 2), (8, 8)),
        Shape(8, 8, 8, (3, 3), (1, 1), (8, 8)),
    )
    assert found == {strided: 1, depthwise: 2, Shape(8, 4, 1, (1, 1), (1, 1), (1, 64)): 1}
    assert strided.flop() == 2 * 27 * 8 * 64
    assert depthwise.flop() == 2 * 9 * 8 * 64
    assert strided.input_size() == (17, 17)


def test_the_ceiling_adds_up_all_convolutions() -> None:
    shape = Shape(2, 3, 1, (3, 3), (1, 1), (4, 4))
    found = ceiling(shapes_of(nn.Conv2d(2, 3, 3), torch.zeros(1, 2, 6, 6)), 2, torch.device("cpu"))
    assert found.gflop == shape.flop() / 1e9
    assert found.gflop_per_second > 0


@pytest.mark.slow
def test_the_released_loop_passes_its_network_twice_a_level() -> None:
    preset = PRESETS["pixel-small"]
    unet = UNet(preset.pixel.network, preset.pixel.channels)
    whitening = {"whitening.mean": torch.zeros(176), "whitening.matrix": torch.eye(176)}
    tensors = pack_network("network", unet) | of_category("x", whitening)
    model = Model(("x",), preset, tensors | {"sigma_data": torch.tensor(0.5)}, {})
    loop = ReleasedLoop(model, "cpu")
    inner, calls = loop._denoiser.network, []

    def counted(*inputs: torch.Tensor) -> object:
        calls.append(int(inputs[1][0]))
        return inner(*inputs)

    loop._denoiser = replace(loop._denoiser, network=counted)
    score_map, score = loop.score(render(0, 1, None, preset.input_size).image)
    assert calls == [step for step in preset.scoring.score_steps for _ in range(2)]
    assert score_map.shape == preset.input_size
    assert np.isclose(score, np.sort(score_map.ravel())[-64:].mean(), rtol=1e-4)


def test_rows_are_compared_with_the_loop_and_the_ceiling(tmp_path: Path) -> None:
    measured = [Row("small", "torch", "fp32", 4, 50.0, 100.0, 0.0)]
    rows = _compared(measured, "small", 10.0, {1: Ceiling(1.0, 0.004), 4: Ceiling(1.0, 0.01)})
    assert (rows[0].speedup, rows[0].share) == (5.0, 0.5)
    assert (rows[1].engine, rows[1].speedup) == (PORT, 1.0)
    assert "| small | torch | fp32 | 4 | 50.0 | 20.0 | 5.0 | 50 | 100 | 100 |" in _markdown(
        rows, 1, "cpu"
    )
