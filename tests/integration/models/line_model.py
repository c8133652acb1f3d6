"""One barely trained model of rendered parts, and pictures that set its thresholds."""

from dataclasses import replace

from trained import trained_once

from stream_inspector.model.version import Model
from stream_inspector.presets import PIXEL_SMALL, at_size
from stream_inspector.synthetic import render
from stream_inspector.training.fit import fit
from stream_inspector.verdict import Image

SIZE = (64, 64)


def good_parts(first: int, last: int) -> list[Image]:
    return [render(n, seed=1, size=SIZE).image for n in range(first, last)]


def line_model() -> Model:
    """Of category bolts, without thresholds."""
    return trained_once("line", _train)


def _train() -> Model:
    preset = at_size(PIXEL_SMALL, SIZE)
    network = replace(preset.pixel.network, channels=16, head_channels=16)
    preset = replace(preset, pixel=replace(preset.pixel, network=network))
    good = good_parts(0, 20), good_parts(20, 28)
    return fit(*good, "bolts", preset, 0, lambda progress: None, iterations=3)
