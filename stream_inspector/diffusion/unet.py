"""The U-Net of improved/guided diffusion, with the paper's feature head (RAN sections A and C).

Module names follow guided diffusion. Added here: pixel-unshuffle, which makes a small network
cheap; a learned position input, for parts that always lie alike; and the feature head.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stream_inspector.diffusion.layers import (
    AttentionBlock,
    Downsample,
    EmbeddedSequential,
    ResBlock,
    Upsample,
    norm,
    time_embedding,
    zeroed,
)
from stream_inspector.presets import NetworkShape


class UNet(nn.Module):
    """Raw network: what its output means is the denoiser's business."""

    def __init__(self, shape: NetworkShape, image_channels: int) -> None:
        super().__init__()
        self.shape, width = shape, shape.channels
        self.recompute = False  # activations in the backward pass: less memory, a third more time
        inner = image_channels * shape.patch**2
        self.embedding = 4 * width
        self.time_embed = nn.Sequential(
            nn.Linear(width, self.embedding), nn.SiLU(), nn.Linear(self.embedding, self.embedding)
        )
        if shape.classes:
            self.label_emb = nn.Embedding(shape.classes, self.embedding)
        if shape.position:
            self.position = nn.Parameter(torch.zeros(1, width, *shape.position))
        self.input_blocks = nn.ModuleList(
            [EmbeddedSequential(nn.Conv2d(inner, width, 3, padding=1))]
        )
        skips = self._build_encoder(width)
        deepest = skips[-1]
        self.middle_block = EmbeddedSequential(
            self._res(deepest, deepest),
            AttentionBlock(deepest, shape.head_channels),
            self._res(deepest, deepest),
        )
        self.output_blocks = nn.ModuleList()
        self.feature_block = -1
        last = self._build_decoder(deepest, skips)
        outer = inner * (2 if shape.learned_variance else 1)
        self.out = nn.Sequential(
            norm(last), nn.SiLU(), zeroed(nn.Conv2d(last, outer, 3, padding=1))
        )

    def _res(self, inner: int, outer: int, resample: str = "") -> ResBlock:
        return ResBlock(inner, outer, self.embedding, self.shape.scale_shift, resample)

    def _with_attention(self, block: ResBlock, channels: int, factor: int) -> list[nn.Module]:
        attends = factor in self.shape.attention
        return [block, *([AttentionBlock(channels, self.shape.head_channels)] if attends else [])]

    def _build_encoder(self, width: int) -> list[int]:
        """Append the encoder; return the channels of every skip connection."""
        channels, factor, skips = width, 1, [width]
        for level, multiplier in enumerate(self.shape.multipliers):
            for _ in range(self.shape.res_blocks):
                block = self._res(channels, multiplier * width)
                channels = multiplier * width
                layers = self._with_attention(block, channels, factor)
                self.input_blocks.append(EmbeddedSequential(*layers))
                skips.append(channels)
            if level < len(self.shape.multipliers) - 1:
                down = (
                    self._res(channels, channels, "down")
                    if self.shape.updown
                    else Downsample(channels, convolve=True)
                )
                self.input_blocks.append(EmbeddedSequential(down))
                skips.append(channels)
                factor *= 2
        return skips

    def _build_decoder(self, channels: int, skips: list[int]) -> int:
        """Append the decoder and the feature head; return the last channels."""
        factor, skips = 2 ** (len(self.shape.multipliers) - 1), list(skips)
        for level, multiplier in reversed(list(enumerate(self.shape.multipliers))):
            for i in range(self.shape.res_blocks + 1):
                block = self._res(channels + skips.pop(), multiplier * self.shape.channels)
                channels = multiplier * self.shape.channels
                layers = self._with_attention(block, channels, factor)
                if i == self.shape.res_blocks - self.shape.feature_early:
                    self._add_feature_head(channels, factor)
                if i == self.shape.res_blocks:
                    layers += [self._upsampler(channels)] if level else []
                    factor //= 2
                self.output_blocks.append(EmbeddedSequential(*layers))
        return channels

    def _upsampler(self, channels: int) -> nn.Module:
        if self.shape.updown:
            return self._res(channels, channels, "up")
        return Upsample(channels, convolve=True)

    def _add_feature_head(self, channels: int, factor: int) -> None:
        if self.shape.feature_channels and factor == self.shape.feature_level:
            self.feature_block = len(self.output_blocks)
            head = nn.Conv2d(channels, self.shape.feature_channels, 1)
            self.feature_head = nn.Sequential(norm(channels), nn.SiLU(), head)

    def fold_embedding(self, rows: nn.Module) -> None:
        """From now on residual blocks look rows [B] up, which this says for steps and labels."""
        del self.time_embed
        if self.shape.classes:
            del self.label_emb
        self.rows = rows

    def embed(self, t: Tensor, label: Tensor | None) -> Tensor:
        """Embedding [B, E] of original steps [B] and class labels [B]; or, folded, rows [B]."""
        if hasattr(self, "rows"):
            return cast(Tensor, self.rows(t, label if self.shape.classes else None))
        embedding = self.time_embed(time_embedding(t, self.shape.channels))
        if self.shape.classes:
            if label is None:
                raise ValueError("a class-conditional network needs a label")
            embedding = embedding + self.label_emb(label)
        return cast(Tensor, embedding)

    def forward(
        self, x: Tensor, t: Tensor, label: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """(x [B, C, H, W], t [B]) -> (raw [B, C or 2 C, H, W], features [B, F, h, w] or None)."""
        embedding = self.embed(t, label)
        h, skips = (
            nn.functional.pixel_unshuffle(x, self.shape.patch) if self.shape.patch > 1 else x,
            [],
        )
        for index, block in enumerate(self.input_blocks):
            h = self._run(block, h, embedding)
            if index == 0 and self.shape.position:
                h = h + self.position
            skips.append(h)
        h, features = self._decode(self._run(self.middle_block, h, embedding), embedding, skips)
        raw = self.out(h)
        return nn.functional.pixel_shuffle(
            raw, self.shape.patch
        ) if self.shape.patch > 1 else raw, features

    def _decode(
        self, h: Tensor, embedding: Tensor, skips: list[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        features = None
        for index, block in enumerate(self.output_blocks):
            h = torch.cat([h, skips.pop()], dim=1)
            if index == self.feature_block:
                # the head reads its level before the upsampler leaves it
                upsamples = not self.shape.feature_early and index < len(self.output_blocks) - 1
                stop = len(cast(nn.Sequential, block)) - (1 if upsamples else 0)
                h = self._run(block, h, embedding, stop=stop)
                features = self.feature_head(h)
                h = self._run(block, h, embedding, start=stop)
            else:
                h = self._run(block, h, embedding)
        return h, features

    def _run(
        self,
        block: nn.Module,
        h: Tensor,
        embedding: Tensor,
        start: int = 0,
        stop: int | None = None,
    ) -> Tensor:
        if not isinstance(block, EmbeddedSequential):
            raise TypeError("blocks are sequences")
        if self.recompute and torch.is_grad_enabled():
            layers = (block.run, h, embedding, start, stop)
            return checkpoint(*layers, use_reentrant=False, preserve_rng_state=False)
        return block.run(h, embedding, start, stop)
