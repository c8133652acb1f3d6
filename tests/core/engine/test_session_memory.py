"""Models that wait for their turn do not each keep what a batch needs."""

import psutil
import pytest
import torch
from torch import nn

from stream_inspector.engine.graph import graph
from stream_inspector.engine.part import Part
from stream_inspector.engine.sessions import onnxruntime_runner

_MIB = 2**20


@pytest.mark.slow
def test_sessions_share_the_memory_of_their_batches() -> None:
    x = torch.zeros(2, 3, 128, 128)
    layers = nn.Sequential(*(nn.Conv2d(3 if n == 0 else 64, 64, 3, padding=1) for n in range(3)))
    made = graph(Part("conv", layers.eval(), (x,), "conv", False), None)
    large = torch.zeros(16, 3, 128, 128)  # 64 MiB between two layers
    process, runners = psutil.Process(), []
    for _ in range(4):
        runners.append(onnxruntime_runner(made, 2))
        runners[-1](large)
        if len(runners) == 1:
            before = process.memory_info().rss
    assert process.memory_info().rss - before < 100 * _MIB
