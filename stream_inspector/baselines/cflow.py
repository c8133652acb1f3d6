"""CFLOW-AD (Gudovskiy et al. 2022): the likelihood of features by a flow that is told the place.

Section 4: a decoder of conditional coupling blocks maps the features of a position, given its
positional encoding, to a standard normal. Theirs has one decoder for each level of the backbone;
here the levels lie on one grid, and one decoder sees them together.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stream_inspector.baselines.method import Scored, vectors
from stream_inspector.baselines.training import Training, bytes_of, descend, drawn, seeded

BLOCKS = 8  # coupling blocks
CONDITION = 128  # channels of the positional encoding
CLAMP = 1.9  # of the logarithm of a block's scale
VECTORS = 256  # positions in a batch
RATE = 2e-4
_CHUNK = 1 << 14  # positions scored at a time


def positions(h: int, w: int, channels: int = CONDITION) -> Tensor:
    """Sines and cosines of each position's row and column, [h w, channels]."""
    quarter = channels // 4
    rates = torch.exp(torch.arange(quarter) * (-math.log(1e4) / quarter))
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    angles = [place.reshape(-1, 1) * rates for place in (columns, rows)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


class Coupling(nn.Module):
    """One half of the channels scaled and shifted by the other, then all turned."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kept = channels // 2
        moved, seen = channels - self.kept, self.kept + CONDITION
        self.inside = nn.Sequential(
            nn.Linear(seen, 2 * seen), nn.ReLU(), nn.Linear(2 * seen, 2 * moved)
        )
        turn = torch.linalg.qr(torch.randn(channels, channels))[0]
        self.register_buffer("turn", turn)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C] -> the mapped x, and the logarithm of the Jacobian's determinant [B]."""
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        scale, shift = self.inside(torch.cat([kept, condition], 1)).chunk(2, 1)
        scale = CLAMP * torch.tanh(0.1 * scale)
        mapped = torch.cat([kept, moved * scale.exp() + 0.1 * shift], 1)
        return mapped @ self.get_buffer("turn"), scale.sum(1)


class Flow(nn.Module):
    """The decoder."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.blocks = nn.ModuleList(Coupling(channels) for _ in range(BLOCKS))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Log-likelihood of features [B, C] at places with these encodings, a channel, [B]."""
        total = x.new_zeros(len(x))
        for block in self.blocks:
            x, determinant = block(x, condition)
            total = total + determinant
        normal = -0.5 * (x.square().sum(1) + self.channels * math.log(2 * math.pi))
        return (normal + total) / self.channels


@dataclass(frozen=True, eq=False)
class Cflow:
    """A trained decoder."""

    flow: Flow
    device: torch.device

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        return bytes_of(self.flow)

    def score(self, features: Tensor) -> Scored:
        """Negative log-likelihood of features [B, C, h, w]; an image's score is its largest.

        Theirs turns it into 1 - likelihood, which ranks alike, to add up levels.
        """
        b, _, h, w = features.shape
        rows, places = vectors(features), positions(h, w).repeat(b, 1)
        pairs = zip(torch.split(rows, _CHUNK), torch.split(places, _CHUNK), strict=True)
        found = [-self.flow(x.to(self.device), at.to(self.device)).cpu() for x, at in pairs]
        maps = torch.cat(found).reshape(b, h, w)
        return Scored(maps, maps.flatten(1).amax(1))


def fit_cflow(features: Tensor, training: Training) -> Cflow:
    """Train on good features [N, C, h, w]."""
    generator = training.generator
    rows, places = vectors(features), positions(*features.shape[2:])
    with seeded(training.seed):
        flow = Flow(features.shape[1]).to(training.device)

        def loss() -> Tensor:
            picked = drawn(len(rows), VECTORS, generator)
            condition = places[picked % len(places)].to(training.device)
            likelihood: Tensor = flow(rows[picked].to(training.device), condition)
            return -nn.functional.logsigmoid(likelihood).mean()

        optimiser = torch.optim.Adam(flow.parameters(), lr=RATE)
        descend(flow, loss, optimiser, training.spent)
    return Cflow(flow, training.device)
