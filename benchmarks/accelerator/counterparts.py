"""Counterparts: the seconds of one by each variant; the guided ones with a guide of the row's."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.accelerator.precisions import precision
from benchmarks.accelerator.row import Left, Row, begin_peak, peak_gib, seconds
from stream_inspector.counterpart.gradient_denoising import gradient_denoise
from stream_inspector.counterpart.variants import COUNTERPARTS
from stream_inspector.model.assembly import bind

_ROUNDS = 4  # of the guided variants, which have 20 and 100: all take the same time


def measure(row: Row, left: Left) -> list[dict[str, Any]]:
    """One image a variant."""
    return [
        {"variant": name} | (_one(row, name) if left() > 0 else {"left out": "no time was left"})
        for name in COUNTERPARTS
    ]


def _one(row: Row, name: str) -> dict[str, Any]:
    settings = COUNTERPARTS[name]
    rounds = len(settings.steps)
    if settings.gradient_steps:
        settings = replace(settings, steps=settings.steps[:_ROUNDS])
    x = row.images(1)
    weight, guide = torch.ones_like(x[:, :1]), _guide(row) if settings.gradient_steps else None

    def make() -> Tensor:
        generator = torch.Generator().manual_seed(0)
        denoiser = bind(row.preset.pixel, row.network, 0.5)  # on the chain that it learned
        return gradient_denoise(x, weight, denoiser, settings, generator, guide=guide)[0]

    begin_peak(row)
    with precision(row, "tf32"):
        if not torch.isfinite(make()).all():
            raise ArithmeticError(f"the {name} counterpart is not finite")
        took = seconds(row, make)
    return {
        "seconds": round(took * rounds / len(settings.steps), 3),
        "rounds": rounds,
        "peak_gib": peak_gib(row),
    }


def _guide(row: Row) -> Any:
    """A distance with a slope: of random projections of 8 x 8 patches to nothing."""
    generator = torch.Generator().manual_seed(2)
    kernel = torch.randn(32, 3, 8, 8, generator=generator).to(row.device) / 14

    def distance(x: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, kernel, stride=8).square().mean(1)

    return distance
