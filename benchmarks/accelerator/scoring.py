"""Scoring: every precision, batch and mode, against the released loop; whether the maps agree."""

from typing import Any

import torch
from torch import Tensor

from benchmarks.accelerator.precisions import EAGER, PRECISIONS, modes, precision
from benchmarks.accelerator.precisions import compiled as by_compiler
from benchmarks.accelerator.row import Left, Row, begin_peak, peak_gib, seconds
from stream_inspector.diffusion.denoiser import Network, Prediction
from stream_inspector.diffusion.schedule import diffuse
from stream_inspector.score.kl import kl_maps
from stream_inspector.score.reconstruction import reconstruction_maps
from stream_inspector.score.scorer import by_level


def maps(row: Row, network: Network, x: Tensor) -> tuple[Tensor, Tensor]:
    """KL maps [T, B, H, W] and feature errors [T, B, h, w]: one forward for all noise levels."""
    steps, denoiser = row.preset.pixel.score_steps, row.denoiser(network)
    t = torch.tensor(steps, device=row.device)
    noise = torch.stack([row.noise[step] for step in steps])[:, None]
    x_t = diffuse(denoiser.schedule, x[None], t, noise).flatten(0, 1)
    x_t = x_t.contiguous(memory_format=torch.channels_last)
    seen = by_level(denoiser(x_t, t.repeat_interleave(len(x))), len(steps))
    kl = kl_maps(denoiser.schedule, x[None], t, seen)
    return kl, reconstruction_maps(_features(seen), _target(row, x)[None])


def _features(seen: Prediction) -> Tensor:
    if seen.features is None:
        raise ValueError("the paper's row predicts features")
    return seen.features


def _target(row: Row, x: Tensor) -> Tensor:
    """Stand-ins for the backbone's features, which are 0.2 % of the work."""
    generator = torch.Generator().manual_seed(1)
    shape = row.preset.backbone.channels, *row.preset.grid
    return torch.randn(shape, generator=generator).to(x)[None].expand(len(x), -1, -1, -1)


def agreement(row: Row, _: Left) -> dict[str, Any]:
    """Largest and mean difference of the maps from fp32's, in their standard deviations."""
    x, found = row.images(min(2, max(row.batches))), dict[str, tuple[Tensor, Tensor]]()
    with torch.inference_mode():
        for name in PRECISIONS:
            with precision(row, name) as network:
                found[name] = maps(row, network, x)
    true = found["fp32"]
    return {
        name: {
            member: _gap(mine, truth)
            for member, mine, truth in zip(("kl", "features"), found[name], true, strict=True)
        }
        for name in PRECISIONS
        if name != "fp32"
    }


def _gap(mine: Tensor, truth: Tensor) -> dict[str, float]:
    gap, unit = (mine - truth).abs().double(), truth.double().std()
    ranks = torch.stack([each.flatten().argsort().argsort().double() for each in (mine, truth)])
    return {
        "largest": float(gap.max() / unit),
        "mean": float(gap.mean() / unit),
        "rank correlation": float(torch.corrcoef(ranks)[0, 1]),
    }


def measure(row: Row, left: Left) -> list[dict[str, Any]]:
    """Milliseconds an image and memory of every precision and batch, eagerly."""
    found = []
    for name in PRECISIONS:
        with precision(row, name) as network:
            found += [_line(row, (name, EAGER), network, batch, left) for batch in row.batches]
    return found


def compiled(row: Row, left: Left) -> list[dict[str, Any]]:
    """The same by the compiler, which takes a minute a shape: last, and as far as time goes."""
    found = []
    for mode in modes(row):
        for name in PRECISIONS[::-1]:
            with precision(row, name) as network:
                made = by_compiler(network, mode)
                found += [
                    _line(row, (name, mode), made, batch, left)
                    for batch in (min(row.batches), max(row.batches))
                ]
            torch.compiler.reset()
    return found


def _line(
    row: Row, way: tuple[str, str], network: Network, batch: int, left: Left
) -> dict[str, Any]:
    line: dict[str, Any] = dict(zip(("precision", "mode"), way, strict=True)) | {"batch": batch}
    if left() <= 0:
        return line | {"left out": "no time was left"}
    x = row.images(batch)
    begin_peak(row)
    with torch.inference_mode():
        took = seconds(row, lambda: maps(row, network, x))
    return line | {"ms_per_image": round(1000 * took / batch, 3), "peak_gib": peak_gib(row)}


def released(row: Row, _: Left) -> dict[str, Any]:
    """The released test loop: fp32, an image at a time, two forwards for every noise level."""
    x = row.images(1)

    def loop() -> None:
        denoiser = row.denoiser()
        for step in row.preset.pixel.score_steps:
            t = torch.tensor([step], device=row.device)
            noise = torch.randn_like(x)
            x_t = diffuse(denoiser.schedule, x, t, noise)
            seen = denoiser(x_t, t)
            kl = kl_maps(denoiser.schedule, x, t, seen)
            again = denoiser(x_t, t)
            reconstruction_maps(_features(again), _target(row, x))
            (kl - kl.mean()) / kl.std()

    with precision(row, "fp32"), torch.inference_mode():
        return {"ms_per_image": round(1000 * seconds(row, loop), 3)}
