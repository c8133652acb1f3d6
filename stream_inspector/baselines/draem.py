"""DRAEM (Zavrtanik et al. 2021): painted anomalies are removed by one network, found by another.

Section 3: Perlin noise says where another texture is laid over a good image; an auto-encoder learns
to give the image back (squared error and SSIM), a U-Net sees both and learns where they were
(focal loss). Theirs takes textures from DTD; here they are other places of the good images in other
colours, so that no further data set is needed.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stream_inspector.baselines.method import Scored
from stream_inspector.baselines.training import (
    Training,
    as_input,
    bytes_of,
    descend,
    drawn,
    seeded,
)

# channels at full resolution; theirs 128 and 64, about ten times the time
REBUILDER, FINDER = 32, 32
DEEPER = (1, 2, 4, 8, 8)  # widths of the levels in units of it
OCTAVES = 6  # Perlin noise has 1 to 2^OCTAVES waves a side
THRESHOLD = 0.5  # above it the noise is an anomaly
OPACITY = 0.2, 1.0  # of the other texture
GAMMA = 2.0  # of the focal loss
POOL = 21  # pixels a side that an image's score is averaged over
BATCH, RATE = 4, 1e-4


def _block(channels: int, out: int) -> nn.Sequential:
    layers = [
        layer
        for begin in (channels, out)
        for layer in (nn.Conv2d(begin, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU())
    ]
    return nn.Sequential(*layers)


class HourGlass(nn.Module):
    """Down to a sixteenth and up again; `skips` makes it a U-Net."""

    def __init__(self, channels: int, out: int, width: int, *, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        widths = [width * each for each in DEEPER]
        self.down = nn.ModuleList(map(_block, [channels, *widths], widths))
        ups = [
            _block(below + (here if skips else 0), here)
            for below, here in zip(widths[:0:-1], widths[-2::-1], strict=True)
        ]
        self.up, self.last = nn.ModuleList(ups), nn.Conv2d(width, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> [B, out, H, W]; the sides divide by 16."""
        kept = [self.down[0](x)]
        for block in list(self.down)[1:]:
            kept.append(block(nn.functional.max_pool2d(kept[-1], 2)))
        found = kept.pop()
        for block in self.up:
            found = nn.functional.interpolate(found, scale_factor=2.0, mode="bilinear")
            level = kept.pop()
            found = block(torch.cat([found, level], 1) if self.skips else found)
        ended: Tensor = self.last(found)
        return ended


class Networks(nn.Module):
    """Both, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.rebuilder = HourGlass(3, 3, REBUILDER, skips=False)
        self.finder = HourGlass(6, 2, FINDER, skips=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] -> without anomalies, and logits of normal and not [B, 2, H, W]."""
        rebuilt = self.rebuilder(x)
        return rebuilt, self.finder(torch.cat([rebuilt, x], 1))


@dataclass(frozen=True, eq=False)
class Draem:
    """The trained networks."""

    networks: Networks
    device: torch.device

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        return bytes_of(self.networks)

    def rebuilt(self, images: Tensor) -> Tensor:
        """uint8 images [B, 3, H, W] as they would be without anomalies, in [-1, 1]."""
        found: Tensor = self.networks.rebuilder(as_input(images).to(self.device)).cpu()
        return found

    def score(self, images: Tensor) -> Scored:
        """Share of anomaly at each pixel of uint8 images [B, 3, H, W]; an image's: the largest mean
        of a square.
        """
        maps = torch.cat(
            [
                self.networks(as_input(image).to(self.device))[1].softmax(1)[:, 1].cpu()
                for image in torch.split(images, 1)
            ]
        )
        pooled = nn.functional.avg_pool2d(maps, POOL, stride=1, padding=POOL // 2)
        return Scored(maps, pooled.flatten(1).amax(1))


def fit_draem(images: Tensor, training: Training) -> Draem:
    """Train on good uint8 images [N, 3, H, W], whose sides divide by 16."""
    generator, device = training.generator, training.device
    with seeded(training.seed):
        networks = Networks().to(device)

        def loss() -> Tensor:
            good = as_input(images[drawn(len(images), BATCH, generator)])
            others = as_input(images[drawn(len(images), BATCH, generator)])
            painted, where = _painted(good, others, generator)
            rebuilt, logits = networks(painted.to(device))
            truth = good.to(device)
            alike = nn.functional.mse_loss(rebuilt, truth) + 1 - ssim(rebuilt, truth).mean()
            return alike + focal(logits, where.to(device))

        descend(networks, loss, torch.optim.Adam(networks.parameters(), lr=RATE), training.spent)
    return Draem(networks, device)


def focal(logits: Tensor, where: Tensor) -> Tensor:
    """Cross entropy [B, 2, H, W] against anomalies [B, H, W], what is sure counting less."""
    entropy = nn.functional.cross_entropy(logits, where.long(), reduction="none")
    return ((1 - torch.exp(-entropy)) ** GAMMA * entropy).mean()


def ssim(x: Tensor, y: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Structural similarity [B, C, H, W] of images in [-1, 1]."""
    line = torch.exp(-0.5 * ((torch.arange(window) - window // 2) / sigma) ** 2).to(x)
    line = (line / line.sum()).repeat(x.shape[1], 1, 1, 1)

    def mean(z: Tensor) -> Tensor:
        rows = nn.functional.conv2d(z, line, padding=(0, window // 2), groups=z.shape[1])
        return nn.functional.conv2d(
            rows, line.transpose(2, 3), padding=(window // 2, 0), groups=z.shape[1]
        )

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    return (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def perlin(h: int, w: int, generator: torch.Generator) -> Tensor:
    """Gradient noise [h, w] of random fineness (Perlin 1985), about -1 to 1."""
    waves = [2 ** int(n) for n in torch.randint(OCTAVES + 1, (2,), generator=generator)]
    y, x = (torch.arange(side) * (count / side) for side, count in zip((h, w), waves, strict=True))
    angles = 2 * torch.pi * torch.rand(waves[0] + 1, waves[1] + 1, generator=generator)
    row, column = y.long()[:, None], x.long()[None]
    fy, fx = (y - y.floor())[:, None], (x - x.floor())[None]

    def corner(dy: int, dx: int) -> Tensor:
        angle = angles[row + dy, column + dx]
        along: Tensor = torch.cos(angle) * (fx - dx) + torch.sin(angle) * (fy - dy)
        return along

    top, bottom = (
        torch.lerp(corner(dy, 0), corner(dy, 1), _faded(fx).expand(h, w)) for dy in (0, 1)
    )
    return torch.lerp(top, bottom, _faded(fy).expand(h, w)) * math.sqrt(2)


def _faded(x: Tensor) -> Tensor:
    """From 0 to 1 without a kink at either end."""
    faded: Tensor = x**3 * (x * (6 * x - 15) + 10)
    return faded


def _painted(good: Tensor, others: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Good images, half of them with another texture somewhere, and where [B, H, W]."""
    masks = torch.stack([_mask(good, generator) for _ in good])
    texture = torch.stack([_texture(each, generator) for each in others])
    opacity = OPACITY[0] + (OPACITY[1] - OPACITY[0]) * torch.rand(
        len(good), 1, 1, 1, generator=generator
    )
    return torch.lerp(good, texture, opacity * masks[:, None]), masks


def _mask(good: Tensor, generator: torch.Generator) -> Tensor:
    h, w = good.shape[2:]
    noise = perlin(h, w, generator)
    wanted = torch.rand((), generator=generator) < 0.5
    return ((noise > THRESHOLD) & wanted).float()


def _texture(image: Tensor, generator: torch.Generator) -> Tensor:
    """Another place of an image, turned by right angles, in other colours."""
    _, h, w = image.shape
    dy, dx, turns = (
        int(torch.randint(most, (), generator=generator)) for most in (h, w, 4 if h == w else 1)
    )
    moved = torch.rot90(image.roll((dy, dx), (1, 2)), turns, (1, 2))
    gain = 2 * torch.rand(3, 1, 1, generator=generator) - 1
    shift = 1.2 * torch.rand(3, 1, 1, generator=generator) - 0.6
    return (1.5 * gain * moved + shift).clamp(-1, 1)
