"""Guided diffusion's U-Net a second time: checkpoints of its layout, and what they compute.

Written from the layout alone and in another way than ours (no modules: a plan of blocks, and
functions of a state dict), so that the two can be held against each other at any size.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

State = dict[str, Tensor]


class Block(NamedTuple):
    """One layer of a sequence, by its number in it."""

    kind: str  # conv, res, down, up, attention
    inner: int
    outer: int


@dataclass(frozen=True)
class Layout:
    """What decides the names and shapes."""

    channels: int
    multipliers: tuple[int, ...]
    res_blocks: int
    attention: tuple[int, ...]  # down-sampling factors
    head_channels: int
    classes: int = 0
    features: int = 0  # channels of the authors' feature head
    features_after: int = 0  # number of the output block that it reads

    def plan(self) -> dict[str, list[Block]]:
        """Blocks by the name of their sequence."""
        width, factor = self.channels, 1
        plan, skips = {"input_blocks.0": [Block("conv", 3, width)]}, [width]
        for level, multiplier in enumerate(self.multipliers):
            for _ in range(self.res_blocks):
                outer = multiplier * self.channels
                plan[f"input_blocks.{len(skips)}"] = self._res(width, outer, factor)
                width = outer
                skips.append(width)
            if level + 1 < len(self.multipliers):
                plan[f"input_blocks.{len(skips)}"] = [Block("down", width, width)]
                skips.append(width)
                factor *= 2
        plan["middle_block"] = [
            Block("res", width, width),
            Block("attention", width, width),
            Block("res", width, width),
        ]
        number = 0
        for level, multiplier in reversed(list(enumerate(self.multipliers))):
            for i in range(self.res_blocks + 1):
                outer = multiplier * self.channels
                blocks = self._res(width + skips.pop(), outer, factor)
                width = outer
                if level and i == self.res_blocks:
                    blocks.append(Block("up", width, width))
                    factor //= 2
                plan[f"output_blocks.{number}"] = blocks
                number += 1
        return plan

    def _res(self, inner: int, outer: int, factor: int) -> list[Block]:
        attends = [Block("attention", outer, outer)] if factor in self.attention else []
        return [Block("res", inner, outer), *attends]


def checkpoint(layout: Layout, seed: int = 0, *, shapes_only: bool = False) -> State:
    """A state dict of random weights; every path shows in the output."""
    made = _Weights(seed, shapes_only)
    embedding, width = 4 * layout.channels, layout.channels * layout.multipliers[0]
    made.layer("time_embed.0", embedding, layout.channels)
    made.layer("time_embed.2", embedding, embedding)
    if layout.classes:
        made.put("label_emb.weight", layout.classes, embedding)
    for sequence, blocks in layout.plan().items():
        for number, block in enumerate(blocks):
            made.block(f"{sequence}.{number}", block, embedding)
    made.norm("out.0", width)
    made.layer("out.2", 6, width, 3, 3)
    if layout.features:
        read = layout.plan()[f"output_blocks.{layout.features_after}"][0].outer
        made.norm("feat_rec1.0", read)
        made.layer("feat_rec1.2", layout.features, read, 1, 1)
    return made.state


class _Weights:
    """Random tensors by name."""

    def __init__(self, seed: int, shapes_only: bool) -> None:
        self.state = State()
        self._generator = torch.Generator().manual_seed(seed)
        self._shapes_only = shapes_only

    def put(self, name: str, *shape: int, around: float = 0.0) -> None:
        if self._shapes_only:
            self.state[name] = torch.empty(*shape, device="meta")
            return
        deviation = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.1
        self.state[name] = around + deviation * torch.randn(*shape, generator=self._generator)

    def layer(self, name: str, *shape: int) -> None:
        self.put(f"{name}.weight", *shape)
        self.put(f"{name}.bias", shape[0])

    def norm(self, name: str, channels: int) -> None:
        self.put(f"{name}.weight", channels, around=1.0)
        self.put(f"{name}.bias", channels)

    def block(self, at: str, block: Block, embedding: int) -> None:
        kind, inner, outer = block
        if kind == "conv":
            self.layer(at, outer, inner, 3, 3)
        elif kind == "attention":
            self.norm(f"{at}.norm", outer)
            self.layer(f"{at}.qkv", 3 * outer, outer, 1)
            self.layer(f"{at}.proj_out", outer, outer, 1)
        else:
            self.norm(f"{at}.in_layers.0", inner)
            self.layer(f"{at}.in_layers.2", outer, inner, 3, 3)
            self.layer(f"{at}.emb_layers.1", 2 * outer, embedding)
            self.norm(f"{at}.out_layers.0", outer)
            self.layer(f"{at}.out_layers.3", outer, outer, 3, 3)
            if inner != outer:
                self.layer(f"{at}.skip_connection", outer, inner, 1, 1)


def predict(
    layout: Layout, state: State, x: Tensor, t: Tensor, y: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """What a checkpoint makes of images [B, 3, H, W] at steps [B] and labels [B] (None: none)."""
    plan = layout.plan()
    e = _linear(state, "time_embed.0", _waves(t, layout.channels))
    e = _linear(state, "time_embed.2", functional.silu(e))
    if y is not None:
        e = e + state["label_emb.weight"][y]

    def through(sequence: str, h: Tensor) -> Tensor:
        for number, block in enumerate(plan[sequence]):
            h = _block(layout, state, f"{sequence}.{number}", block, h, e)
        return h

    h, skips, features = x, [], None
    for sequence in plan:
        if sequence.startswith("input"):
            h = through(sequence, h)
            skips.append(h)
        elif sequence == "middle_block":
            h = through(sequence, h)
        else:
            h = through(sequence, torch.cat([h, skips.pop()], 1))
            if layout.features and sequence == f"output_blocks.{layout.features_after}":
                features = _convolved(state, "feat_rec1.2", _active(state, "feat_rec1.0", h), 0)
    return _convolved(state, "out.2", _active(state, "out.0", h), 1), features


def _block(  # noqa: PLR0917
    layout: Layout, state: State, at: str, block: Block, h: Tensor, e: Tensor
) -> Tensor:
    if block.kind == "conv":
        return _convolved(state, at, h, 1)
    if block.kind == "attention":
        return _attended(layout, state, at, h)
    inside = _active(state, f"{at}.in_layers.0", h)
    if block.kind == "down":
        inside, h = functional.avg_pool2d(inside, 2), functional.avg_pool2d(h, 2)
    if block.kind == "up":
        inside, h = (y.repeat_interleave(2, 2).repeat_interleave(2, 3) for y in (inside, h))
    inside = _convolved(state, f"{at}.in_layers.2", inside, 1)
    told = _linear(state, f"{at}.emb_layers.1", functional.silu(e))[..., None, None]
    scale, shift = told[:, : block.outer], told[:, block.outer :]
    normal = _normal(state, f"{at}.out_layers.0", inside) * (1 + scale) + shift
    inside = _convolved(state, f"{at}.out_layers.3", functional.silu(normal), 1)
    if block.inner != block.outer:
        h = _convolved(state, f"{at}.skip_connection", h, 0)
    return h + inside


def _attended(layout: Layout, state: State, at: str, h: Tensor) -> Tensor:
    """Head by head; the channels of a head are its q, its k, its v."""
    flat = _normal(state, f"{at}.norm", h).flatten(2)
    qkv = functional.conv1d(flat, state[f"{at}.qkv.weight"], state[f"{at}.qkv.bias"])
    each, parts = layout.head_channels, []
    for start in range(0, qkv.shape[1], 3 * each):
        q, k, v = qkv[:, start : start + 3 * each].split(each, 1)
        weights = torch.softmax(torch.einsum("bct,bcs->bts", q, k) / math.sqrt(each), -1)
        parts.append(torch.einsum("bts,bcs->bct", weights, v))
    out = functional.conv1d(
        torch.cat(parts, 1), state[f"{at}.proj_out.weight"], state[f"{at}.proj_out.bias"]
    )
    return h + out.reshape(h.shape)


def _waves(t: Tensor, channels: int) -> Tensor:
    frequencies = 10000 ** (-torch.arange(channels // 2) / (channels // 2))
    angles = t[:, None] * frequencies
    return torch.cat([torch.cos(angles), torch.sin(angles)], 1)


def _normal(state: State, at: str, h: Tensor) -> Tensor:
    groups = math.gcd(32, h.shape[1])  # 32 in networks that are wide enough
    return functional.group_norm(h, groups, state[f"{at}.weight"], state[f"{at}.bias"])


def _active(state: State, at: str, h: Tensor) -> Tensor:
    return functional.silu(_normal(state, at, h))


def _convolved(state: State, at: str, h: Tensor, padding: int) -> Tensor:
    return functional.conv2d(h, state[f"{at}.weight"], state[f"{at}.bias"], padding=padding)


def _linear(state: State, at: str, h: Tensor) -> Tensor:
    return functional.linear(h, state[f"{at}.weight"], state[f"{at}.bias"])
