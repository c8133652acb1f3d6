"""The U-Net that is written into a graph is the one that is trained, whatever its shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from stream_inspector.diffusion.unet import UNet
from stream_inspector.engine.graph.unet import UNet as Written
from stream_inspector.engine.graph.unet import embedded
from stream_inspector.engine.graph.writer import Graph, model_bytes
from stream_inspector.engine.sessions import onnxruntime_session
from stream_inspector.presets import NetworkShape

PLAIN = NetworkShape(channels=16, multipliers=(1, 2), res_blocks=1, attention=(2,), head_channels=8)
SHAPES = {
    "plain": PLAIN,
    "patches": replace(PLAIN, patch=4),
    "convolved resampling": replace(PLAIN, updown=False),
    "added embedding": replace(PLAIN, scale_shift=False),
    "no variance": replace(PLAIN, learned_variance=False),
    "classes": replace(PLAIN, classes=3),
    "features": replace(PLAIN, feature_channels=5),
    "features early": replace(PLAIN, res_blocks=2, feature_channels=5, feature_early=1),
    "features deep": replace(PLAIN, feature_channels=5, feature_level=2),
    "a position": replace(PLAIN, position=(16, 8)),
    "deep": replace(PLAIN, multipliers=(1, 1, 2), res_blocks=2, attention=(1, 4), head_channels=16),
    "one level": replace(PLAIN, multipliers=(1,), attention=(1,)),
}


def trained(shape: NetworkShape) -> UNet:
    """With weights at random everywhere, also where training begins with none."""
    torch.manual_seed(0)
    net = UNet(shape, 3).eval()
    with torch.no_grad():
        for weights in net.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    return net


@pytest.mark.parametrize("known", [True, False], ids=["written for a level", "told the level"])
@pytest.mark.parametrize("name", SHAPES)
def test_it_predicts_as_pytorch_does(name: str, known: bool) -> None:
    shape = SHAPES[name]
    size = (16 * shape.patch, 8 * shape.patch)
    net, step, label = trained(shape), 321, 2 if shape.classes else 0
    x = torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(1))
    labels = (torch.full((3,), label),) if shape.classes else ()
    with torch.inference_mode():
        raw, features = net(x, torch.full((3,), step), *labels)

    graph = Graph()
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    told = embedded(shape, weights, step, label)
    network = Written(graph, shape, weights, told if known else "embedding")
    names = network.predicted("x", size)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, *size])]
    inputs += [] if known else [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, None)]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names if n]
    run = onnxruntime_session(model_bytes(graph.written("unet", inputs, outputs)), 1)
    found = run(x.numpy()) if known else run(x.numpy(), told)

    expected = [raw] if features is None else [raw, features]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-4 * float(other.std()) * 10)
