"""The paper's row with random weights on a device, or the same made small."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from benchmarks.convolutions import settle
from stream_inspector.diffusion.denoiser import Denoiser, Network
from stream_inspector.diffusion.unet import UNet
from stream_inspector.model.assembly import bind, score_schedule
from stream_inspector.presets import PAPER, Preset
from stream_inspector.score.scorer import draw_noise

Left = Callable[[], float]  # seconds that are left


@dataclass(frozen=True)
class Row:
    """What all parts measure."""

    preset: Preset
    device: torch.device
    batches: tuple[int, ...]  # images
    train_batches: tuple[int, ...]
    runs: int  # a figure is the median of so many

    @cached_property
    def network(self) -> UNet:
        """In evaluation mode, in the layout that accelerators like."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = UNet(self.preset.pixel.network, 3)
        # what begins at zero would leave most of the network without an effect on its output
        with torch.no_grad():
            for weights in made.parameters():
                if not weights.any() and weights.ndim > 1:
                    torch.nn.init.normal_(weights, std=0.02)
        made = made.requires_grad_(requires_grad=False).eval().to(self.device)
        return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def parameters(self) -> int:
        """Of the network."""
        return sum(weights.numel() for weights in self.network.parameters())

    def denoiser(self, network: Network | None = None) -> Denoiser:
        """The network, or another way to run it, on the chain that is scored."""
        pixel = self.preset.pixel
        return bind(pixel, network or self.network, 0.5, score_schedule(pixel))

    @cached_property
    def noise(self) -> dict[int, Tensor]:
        """Of each scored step."""
        drawn = draw_noise(self.preset, 0)
        return {step: noise.to(self.device) for step, noise in drawn.items()}

    def images(self, count: int) -> Tensor:
        """Smooth pictures in [-1, 1], [count, 3, H, W]."""
        generator = torch.Generator().manual_seed(count)
        coarse = torch.randn(count, 3, 8, 8, generator=generator).tanh()
        size = self.preset.pixel.size
        return torch.nn.functional.interpolate(coarse, size, mode="bicubic").to(self.device)


def paper_row(device: torch.device) -> Row:
    """At its own size."""
    return Row(PAPER, device, (1, 4, 16), (2, 8), 3)


def small_row(device: torch.device) -> Row:
    """The same parts at a size of a moment."""
    network = replace(
        PAPER.pixel.network,
        channels=16,
        multipliers=(1, 1, 2, 2),
        attention=(4, 8),
        head_channels=8,
        feature_level=2,
    )
    pixel = replace(PAPER.pixel, size=(32, 32), network=network)
    preset = replace(PAPER, input_size=(32, 32), grid=(16, 16), pixel=pixel)
    return Row(preset, device, (1, 2), (2,), 1)


def seconds(row: Row, work: Callable[[], object]) -> float:
    """The median of a few runs after one to warm up."""
    work()
    took = []
    for _ in range(row.runs):
        settle(row.device)
        start = time.perf_counter()
        work()
        settle(row.device)
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def begin_peak(row: Row) -> None:
    """Forget the most memory that was used so far."""
    if row.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(row.device)


def peak_gib(row: Row) -> float | None:
    """The most that was used since; None on a processor, which keeps no such count."""
    if row.device.type != "cuda":
        return None
    return round(torch.cuda.max_memory_allocated(row.device) / 2**30, 2)
