"""Networks so small that they export in a moment, and a cache in memory."""

import torch
from torch import Tensor, nn

from stream_inspector.engine.part import Part


class Small(nn.Module):
    """Two outputs, one of which may be missing, like the U-Net."""

    def __init__(self, features: bool = True, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.features = nn.Conv2d(3, 4, 3, padding=1), features

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        h = self.conv(x) * t[:, None, None, None]
        return h, h.mean(1) if self.features else None


class Untraceable(nn.Module):
    """Decides on values: no exporter can follow."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return x if float(x.sum()) > 0 else -x


class Remembering(dict[str, bytes]):
    """A cache in memory."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value

    def kinds(self) -> list[str]:
        return sorted(key.partition("-")[0] for key in self)


def part_of(module: nn.Module, architecture: str = "small", *, frozen: bool = False) -> Part:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return Part("net", module.eval(), (x, torch.full((2,), 5)), architecture, frozen)
