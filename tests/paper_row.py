"""The paper's row so small that it trains in a moment, and the files that it begins with."""

from dataclasses import replace
from pathlib import Path

import timm
import torch
from guided_diffusion import Layout, checkpoint

from stream_inspector.presets import PAPER, MixturePlan, Preset

BACKBONE = "test_efficientnet"  # timm's own, for tests
CHANNELS = 24 + 32 + 48  # of its levels at strides 4, 8 and 16
# the row's U-Net with four levels, as its authors train it from the class-conditional checkpoint
AUTHORS = Layout(16, (1, 1, 2, 2), 2, (4, 8), 8, classes=15, features=CHANNELS, features_after=7)


def small_paper() -> Preset:
    """At 64 pixels; everything else is the row's own."""
    network = replace(
        PAPER.pixel.network,
        channels=16,
        multipliers=(1, 1, 2, 2),
        attention=(4, 8),
        head_channels=8,
        feature_level=2,
    )
    plan = replace(PAPER.pixel.plan, iterations=2)
    pixel = replace(PAPER.pixel, size=(64, 64), network=network, plan=plan)
    sizes = {"input_size": (64, 64), "grid": (32, 32)}
    return replace(PAPER, pixel=pixel, mixture=MixturePlan(4, 0.2), **sizes)


def backbone_file(folder: Path) -> Path:
    """Weights of the small backbone, random."""
    file = folder / "backbone.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(timm.create_model(BACKBONE).state_dict(), file)
    return file


def authors_file(folder: Path) -> Path:
    """A checkpoint as the paper's authors save it, random."""
    file = folder / "ema_0.997_010000.pt"
    torch.save(checkpoint(AUTHORS), file)
    return file
