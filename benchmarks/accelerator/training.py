"""Some steps of training: seconds, images a second and memory, with and without recomputation."""

import math
from dataclasses import replace
from typing import Any

import torch

from benchmarks.accelerator.precisions import precision
from benchmarks.accelerator.row import Left, Row, begin_peak, peak_gib, seconds
from stream_inspector.diffusion.precision import mixed
from stream_inspector.diffusion.train import Training
from stream_inspector.diffusion.unet import UNet
from stream_inspector.model.assembly import bind
from stream_inspector.training.networks import Fixed

_WAYS = (("fp32", False), ("tf32", False), ("bf16", False), ("bf16", True))


def measure(row: Row, left: Left) -> list[dict[str, Any]]:
    """Every precision at the plan's own batch, the fastest at larger ones."""
    found = []
    for batch in row.train_batches:
        ways = _WAYS if batch == min(row.train_batches) else _WAYS[-2:]
        for name, recompute in ways:
            line: dict[str, Any] = {"precision": name, "batch": batch, "recompute": recompute}
            enough = left() > 0
            found.append(line | (_steps(row, name, batch, recompute) if enough else _NO_TIME))
    return found


_NO_TIME = {"left out": "no time was left"}


def _steps(row: Row, name: str, batch: int, recompute: bool) -> dict[str, Any]:
    begin_peak(row)
    with precision(row, name):
        training = _training(row, name, batch, recompute)
        losses: list[float] = []
        took = seconds(row, lambda: losses.append(training.advance().loss))
    if not all(map(math.isfinite, losses)):
        raise ArithmeticError(f"a loss is not finite: {losses}")
    return {
        "seconds_per_step": round(took, 4),
        "images_per_second": round(batch / took, 2),
        "peak_gib": peak_gib(row),
        "losses": [round(each, 4) for each in losses],
        "hours_of_the_plan": round(took * row.preset.pixel.plan.iterations / 3600, 2),
    }


def _training(row: Row, name: str, batch: int, recompute: bool) -> Training:
    pixel = row.preset.pixel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = UNet(pixel.network, 3).to(row.device)
    network.recompute = recompute
    count = 2 * batch
    x = row.images(count).cpu()
    features = torch.randn(count, row.preset.backbone.channels, *row.preset.grid)
    samples = Fixed(x, torch.zeros(count, dtype=torch.int64), features)
    run = mixed(network, row.device) if name == "bf16" else network
    plan = replace(pixel.plan, batch=batch)
    return Training(network, bind(pixel, run, 0.5), samples, plan, torch.Generator().manual_seed(0))
