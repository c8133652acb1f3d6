from dataclasses import replace

import pytest
import torch

from stream_inspector.diffusion.levels import at_levels
from stream_inspector.diffusion.unet import UNet
from stream_inspector.presets import NetworkShape

SHAPE = NetworkShape(channels=8, multipliers=(1, 2), res_blocks=1, attention=(2,), head_channels=4)
X = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
T = torch.tensor([700, 3, 3, 200])


def _network(shape: NetworkShape) -> UNet:
    torch.manual_seed(0)
    network = UNet(shape, 3).eval().requires_grad_(requires_grad=False)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.mark.parametrize("scale_shift", [True, False])
def test_tables_say_what_the_embedding_said(scale_shift: bool) -> None:
    network = _network(replace(SHAPE, scale_shift=scale_shift))
    before, _ = network(X, T)
    after, _ = at_levels(network, [3, 200, 700])(X, T)
    torch.testing.assert_close(after, before)
    assert not torch.allclose(network(X, T.flip(0))[0], before)  # a level still counts


def test_each_class_has_its_rows() -> None:
    network, label = _network(replace(SHAPE, classes=3)), torch.tensor([2, 0, 1, 2])
    before, _ = network(X, T, label)
    torch.testing.assert_close(at_levels(network, [3, 200, 700])(X, T, label)[0], before)


def test_the_weights_behind_the_embedding_are_gone() -> None:
    network = _network(SHAPE)
    count = sum(each.numel() for each in network.parameters())
    at_levels(network, [3])
    assert sum(each.numel() for each in network.parameters()) < 0.9 * count
    assert not [name for name, _ in network.named_parameters() if "emb" in name]
