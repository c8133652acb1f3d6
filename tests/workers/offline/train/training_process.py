"""`stream-inspector train` with a network that trains one step in a moment, as a process."""

import sys
from dataclasses import replace

import torch

from stream_inspector.presets import PIXEL_SMALL, Preset, at_size
from workers.cli import app
from workers.offline.train import run as training


def tiny(_: str) -> Preset:
    """The same for any name."""
    small = at_size(PIXEL_SMALL, (64, 64))
    network = replace(small.pixel.network, channels=16, head_channels=16)
    return replace(small, pixel=replace(small.pixel, network=network))


if __name__ == "__main__":
    torch.set_num_threads(1)
    training.find_preset = tiny
    app(sys.argv[1:])
