"""The U-Net's building blocks: time embedding, residual block, self-attention.

Attribute names follow guided diffusion, so that its checkpoints load key for key.
"""

import math
from typing import TypeVar, cast

import torch
from torch import Tensor, nn


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation in 32 groups, or the most that divide narrow layers."""
    return nn.GroupNorm(math.gcd(32, channels), channels)


M = TypeVar("M", bound=nn.Module)


def zeroed(module: M) -> M:
    """The module with all parameters at zero: a residual branch starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def time_embedding(t: Tensor, channels: int) -> Tensor:
    """Sinusoidal embedding of steps [B] -> [B, channels]; wave lengths 2 pi .. 2 pi * 10000."""
    half = channels // 2
    exponents = torch.arange(half, dtype=torch.float32, device=t.device) / half
    angles = t[:, None].float() * torch.exp(-math.log(10000) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class EmbeddedSequential(nn.Sequential):
    """A sequence whose residual blocks get the time embedding."""

    def run(self, x: Tensor, embedding: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Pass x [B, C, H, W] through the layers start..stop."""
        for layer in list(self)[start:stop]:
            x = layer(x, embedding) if isinstance(layer, ResBlock) else layer(x)
        return x

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:  # type: ignore[override]  # two inputs
        """Pass x [B, C, H, W] through all layers."""
        return self.run(x, embedding)


class Upsample(nn.Module):
    """Nearest-neighbour doubling, with a convolution unless inside a residual block."""

    def __init__(self, channels: int, convolve: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1) if convolve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, 2 H, 2 W]."""
        return cast(
            Tensor, self.conv(nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        )


class Downsample(nn.Module):
    """Halving: strided convolution, or averaging inside a residual block."""

    def __init__(self, channels: int, convolve: bool) -> None:
        super().__init__()
        self.op = (
            nn.Conv2d(channels, channels, 3, stride=2, padding=1) if convolve else nn.AvgPool2d(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H / 2, W / 2]."""
        return cast(Tensor, self.op(x))


class ResBlock(nn.Module):
    """Two convolutions around the time embedding, optionally up- or down-sampling."""

    def __init__(
        self, inner: int, outer: int, embedding: int, scale_shift: bool, resample: str = ""
    ) -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.in_layers = nn.Sequential(
            norm(inner), nn.SiLU(), nn.Conv2d(inner, outer, 3, padding=1)
        )
        self.h_upd, self.x_upd = _resampler(inner, resample), _resampler(inner, resample)
        wide = 2 * outer if scale_shift else outer
        self.emb_layers: nn.Module = nn.Sequential(nn.SiLU(), nn.Linear(embedding, wide))
        last = zeroed(nn.Conv2d(outer, outer, 3, padding=1))
        self.out_layers = nn.Sequential(norm(outer), nn.SiLU(), nn.Identity(), last)
        self.skip_connection = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Transform x [B, C, H, W] at the noise level of the embedding [B, E]."""
        normalise, activate, convolve = self.in_layers
        h = convolve(self.h_upd(activate(normalise(x))))
        e = self.emb_layers(embedding)[:, :, None, None].to(h.dtype)
        if self.scale_shift:
            scale, shift = e.chunk(2, dim=1)
            h = self.out_layers[1:](self.out_layers[0](h) * (1 + scale) + shift)
        else:
            h = self.out_layers(h + e)
        return cast(Tensor, self.skip_connection(self.x_upd(x)) + h)


def _resampler(channels: int, resample: str) -> nn.Module:
    if resample == "up":
        return Upsample(channels, convolve=False)
    return Downsample(channels, convolve=False) if resample == "down" else nn.Identity()


class AttentionBlock(nn.Module):
    """Residual self-attention over all positions of a map."""

    def __init__(self, channels: int, head_channels: int) -> None:
        super().__init__()
        if channels % head_channels:
            raise ValueError(f"{channels} channels do not divide into heads of {head_channels}")
        self.heads = channels // head_channels
        self.norm = norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        b, c, h, w = x.shape
        flat = x.reshape(b, c, h * w)
        # guided diffusion's order: heads first, then q, k, v within a head
        qkv = self.qkv(self.norm(flat)).reshape(b, self.heads, 3, c // self.heads, h * w)
        q, k, v = qkv.transpose(-1, -2).unbind(dim=2)
        attended = nn.functional.scaled_dot_product_attention(q, k, v).transpose(-1, -2)
        return cast(Tensor, (flat + self.proj_out(attended.reshape(b, c, h * w))).reshape(x.shape))
