"""How the scoring network runs in PyTorch: its precision, and as graphs or not."""

from typing import cast

import torch
from torch import Tensor, nn

from stream_inspector.diffusion.denoiser import Network
from stream_inspector.diffusion.precision import mixed
from stream_inspector.engine.scorer import Forward


def forward(network: nn.Module, device: torch.device, how: Forward) -> Network:
    """A runner without gradients; inputs and outputs are in single precision."""
    inside = mixed(network, device) if how.precision == "bf16" else network
    run = in_buckets(_graphed(inside, device)) if how.graphs else inside

    def inferred(*inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        with torch.inference_mode():
            raw, features = run(*inputs)
        return raw, features

    return inferred


def in_buckets(run: Network) -> Network:
    """The same for few batch sizes (see `bucket`): what is recorded for a shape sees few shapes.

    Outputs are copies: graphs write the next batch over them.
    """

    def padded(*inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        rows = len(inputs[0])
        missing = bucket(rows) - rows
        full = [torch.cat([x, x[-1:].expand(missing, *x.shape[1:])]) for x in inputs]
        raw, features = run(*full)
        return raw[:rows].clone(), None if features is None else features[:rows].clone()

    return padded


def bucket(rows: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, ..: three noise levels of 2^k images fit exactly."""
    power = 1 << (rows - 1).bit_length()
    return min(size for size in (power, power * 3 // 4) if size >= rows)


def _graphed(run: Network | nn.Module, device: torch.device) -> Network:
    """One launch instead of hundreds: recorded for each shape; needs no compiler in the image."""
    backend = "cudagraphs" if device.type == "cuda" else "eager"
    return cast(Network, torch.compile(run, backend=backend, dynamic=False))
