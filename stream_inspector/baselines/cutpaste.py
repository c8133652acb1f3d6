"""CutPaste (Li et al. 2021): patches told from patches with a piece pasted in; a Gaussian of them.

Sections 2.2 to 2.4, the three-way task: a ResNet-18 from random weights learns to tell a 64 pixel
patch, the same with a piece of it elsewhere, and with a thin turned piece (a scar). A patch's score
is the Mahalanobis distance of its embedding to those of good patches, smoothed to a map.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import timm
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

PATCH = 64  # pixels a side
STRIDE = 16  # pixels between scored patches; theirs 4, sixteen times the time
AREA, RATIO = (0.02, 0.15), 3.3  # of a pasted piece: share of the patch, longer by shorter side
SCAR_WIDTH, SCAR_LENGTH, SCAR_DEGREES = (2, 8), (10, 25), 45.0  # pixels of 256, scaled to the patch
JITTER = 0.1  # of a piece's brightness and contrast
BATCH, RATE, DECAY, MOMENTUM = 32, 0.03, 3e-5, 0.9
GAUSSIAN = 2000  # good patches that the Gaussian is fitted to
SMOOTHING = 2.0  # sigma of the map, in strides: half of a patch's side
_CHUNK = 256  # patches embedded at a time


class Embedding(nn.Module):
    """The network; its head tells the three kinds apart and is not used afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.body = timm.create_model("resnet18", pretrained=False, num_classes=0)
        self.head = nn.Sequential(
            nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 3)
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Which kind patches [B, 3, h, w] are, as logits [B, 3]."""
        logits: Tensor = self.head(self.body(patches))
        return logits


@dataclass(frozen=True, eq=False)
class CutPaste:
    """The network and the Gaussian of good embeddings."""

    network: Embedding
    mean: Tensor  # [512]
    factor: Tensor  # [512, 512], L^-1 with L L^T the covariance
    device: torch.device

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        return bytes_of(self.network.body) + self.mean.nbytes + self.factor.nbytes

    def score(self, images: Tensor) -> Scored:
        """Distances of the patches of uint8 images [B, 3, H, W]; an image's is its largest."""
        patches, (h, w) = _patches(images)
        found = _embedded(self.network, patches, self.device)
        distances = torch.linalg.vector_norm((found - self.mean) @ self.factor.T, dim=1)
        maps = distances.reshape(len(images), h, w)
        return Scored(_smoothed(maps), maps.flatten(1).amax(1))


def fit_cutpaste(images: Tensor, training: Training) -> CutPaste:
    """Train on good uint8 images [N, 3, H, W]."""
    generator = training.generator
    device = training.device
    with seeded(training.seed):
        network = Embedding().to(device)

        def loss() -> Tensor:
            good = as_input(_crops(images, BATCH, generator))
            kinds = [good, _pasted(good, _piece, generator), _pasted(good, _scar, generator)]
            labels = torch.arange(3, device=device).repeat_interleave(BATCH)
            return nn.functional.cross_entropy(network(torch.cat(kinds).to(device)), labels)

        optimiser = torch.optim.SGD(
            network.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY
        )
        descend(network, loss, optimiser, training.spent)
    with torch.inference_mode():
        found = _embedded(network, _crops(images, GAUSSIAN, generator), device)
    spread = torch.cov(found.T)
    spread += 0.01 * spread.diagonal().mean().clamp_min(1e-6) * torch.eye(len(spread))
    lower = torch.linalg.cholesky(spread)
    factor = torch.linalg.solve_triangular(lower, torch.eye(len(lower)), upper=False)
    return CutPaste(network, found.mean(0), factor, device)


def _crops(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Patches [count, 3, PATCH, PATCH] from anywhere."""
    h, w = images.shape[2:]
    which = drawn(len(images), count, generator).tolist()
    ys = drawn(h - PATCH + 1, count, generator).tolist()
    xs = drawn(w - PATCH + 1, count, generator).tolist()
    places = zip(which, ys, xs, strict=True)
    return torch.stack([images[n, :, y : y + PATCH, x : x + PATCH] for n, y, x in places])


Cut = Callable[[torch.Generator], tuple[int, int, float]]  # height, width, degrees


def _pasted(patches: Tensor, cut: Cut, generator: torch.Generator) -> Tensor:
    """Patches [B, 3, h, w], each with one of its own pieces somewhere else."""
    return torch.stack([_one_pasted(patch, cut(generator), generator) for patch in patches])


def _one_pasted(patch: Tensor, piece: tuple[int, int, float], generator: torch.Generator) -> Tensor:
    """A grid sample takes the piece from (y, x), and lays it, turned, around another centre."""
    h, w, degrees = piece
    low = torch.tensor([h / 2, w / 2])
    centres = low + torch.rand(2, 2, generator=generator) * (PATCH - 2 * low)
    here = torch.stack(torch.meshgrid(torch.arange(PATCH), torch.arange(PATCH), indexing="ij"), 2)
    away = here + 0.5 - centres[1]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = away @ torch.tensor([[cosine, sine], [-sine, cosine]])
    inside = (turned.abs() <= low).all(2)
    grid = (2 * (turned + centres[0]) / PATCH - 1).flip(2)
    seen = nn.functional.grid_sample(
        patch[None], grid[None], padding_mode="border", align_corners=False
    )[0]
    gain, shift = 1 + JITTER * (2 * torch.rand(2, generator=generator) - 1)
    return torch.where(inside, (gain * seen + (shift - 1)).clamp(-1, 1), patch)


def _piece(generator: torch.Generator) -> tuple[int, int, float]:
    """A rectangle of the paper's areas and aspects."""
    share, stretch, upright = torch.rand(3, generator=generator).tolist()
    area = PATCH**2 * (AREA[0] + share * (AREA[1] - AREA[0]))
    ratio = RATIO ** (stretch if upright < 0.5 else -stretch)
    h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
    return min(h, PATCH - 1), min(w, PATCH - 1), 0.0


def _scar(generator: torch.Generator) -> tuple[int, int, float]:
    """A thin strip, turned."""
    thick, far, turn = torch.rand(3, generator=generator).tolist()
    width = SCAR_WIDTH[0] + thick * (SCAR_WIDTH[1] - SCAR_WIDTH[0])
    length = SCAR_LENGTH[0] + far * (SCAR_LENGTH[1] - SCAR_LENGTH[0])
    return round(width), round(length), (2 * turn - 1) * SCAR_DEGREES


def _patches(images: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """All patches of images at the stride, [B h w, 3, PATCH, PATCH], and how many each way."""
    windows = images.unfold(2, PATCH, STRIDE).unfold(3, PATCH, STRIDE)
    h, w = windows.shape[2:4]
    return windows.movedim(1, 3).reshape(-1, 3, PATCH, PATCH), (h, w)


def _embedded(network: Embedding, patches: Tensor, device: torch.device) -> Tensor:
    parts = torch.split(patches, _CHUNK)
    return torch.cat([network.body(as_input(part).to(device)).cpu() for part in parts])


def _smoothed(maps: Tensor) -> Tensor:
    """Each patch's score spread over the patch, [B, h, w] with the border that it leaves."""
    border = PATCH // (2 * STRIDE)  # the first patch's centre lies half a patch inside
    padded = nn.functional.pad(maps[:, None], (border,) * 4, mode="replicate")
    reach = math.ceil(3 * SMOOTHING)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / SMOOTHING) ** 2)
    kernel = (line[:, None] * line / line.sum() ** 2)[None, None]
    wide = nn.functional.pad(padded, (reach,) * 4, mode="replicate")
    return nn.functional.conv2d(wide, kernel)[:, 0]
