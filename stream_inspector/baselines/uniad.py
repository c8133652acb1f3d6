"""UniAD (You et al. 2022): features rebuilt by a transformer that cannot copy them.

Section 3: neighbour masked attention, a query embedding in every layer of the decoder, and
features jittered in training. One network can serve several categories; here it has one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stream_inspector.baselines.method import Scored
from stream_inspector.baselines.training import Training, bytes_of, descend, drawn, seeded

SIDE = 16  # most tokens a side; theirs 14
WIDTH, HEADS, HIDDEN, LAYERS, DROPOUT = 256, 8, 1024, 4, 0.1
NEIGHBOURS = 7  # cells a side that a token does not see, itself in their middle
JITTER = 20.0  # deviation of the noise, in units of a token's norm by its channels
BATCH, RATE, DECAY = 8, 1e-4, 1e-4


def neighbours(h: int, w: int) -> Tensor:
    """[h w, h w], true where a token must not look: near itself."""
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    reach = NEIGHBOURS // 2
    near = [(p.reshape(-1, 1) - p.reshape(1, -1)).abs() <= reach for p in (rows, columns)]
    both = near[0] & near[1]
    return both & ~both.all(1, keepdim=True)  # of a grid that is all near, everything is seen


class Attended(nn.Module):
    """Attention with a residual and a norm; positions are added to queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, DROPOUT, batch_first=True)
        self.drop, self.norm = nn.Dropout(DROPOUT), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, seen: Tensor, place: Tensor, mask: Tensor) -> Tensor:
        """Tokens x [B, T, WIDTH] that look at `seen`."""
        found = self.attention(x + place, seen + place, seen, attn_mask=mask, need_weights=False)
        normed: Tensor = self.norm(x + self.drop(found[0]))
        return normed


class Forward(nn.Module):
    """Two layers for each token, with a residual and a norm."""

    def __init__(self) -> None:
        super().__init__()
        inside = nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, WIDTH)
        self.inside, self.drop = nn.Sequential(*inside), nn.Dropout(DROPOUT)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [B, T, WIDTH]."""
        normed: Tensor = self.norm(x + self.drop(self.inside(x)))
        return normed


class Decoder(nn.Module):
    """One layer, with the query that it begins with."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(tokens, WIDTH) * 0.02)
        self.memory, self.before, self.feed = Attended(), Attended(), Forward()

    def forward(self, x: Tensor, memory: Tensor, place: Tensor, mask: Tensor) -> Tensor:
        """What the layer before gave, and what the encoder did -> tokens [B, T, WIDTH]."""
        query = self.query.expand(len(x), -1, -1)
        query = self.memory(query, memory, place, mask)
        found: Tensor = self.feed(self.before(query, x, place, mask))
        return found


class Rebuild(nn.Module):
    """Tokens of a grid -> the same tokens, as good ones would be."""

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid, tokens = grid, grid[0] * grid[1]
        self.inward, self.outward = nn.Linear(channels, WIDTH), nn.Linear(WIDTH, channels)
        self.place = nn.Parameter(torch.randn(tokens, WIDTH) * 0.02)
        self.looks = nn.ModuleList(Attended() for _ in range(LAYERS))
        self.feeds = nn.ModuleList(Forward() for _ in range(LAYERS))
        self.decoders = nn.ModuleList(Decoder(tokens) for _ in range(LAYERS))
        self.register_buffer("mask", neighbours(*grid))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, C]."""
        x, mask = self.inward(tokens), self.get_buffer("mask")
        for look, feed in zip(self.looks, self.feeds, strict=True):
            x = feed(look(x, x, self.place, mask))
        memory = x
        for decoder in self.decoders:
            x = decoder(x, memory, self.place, mask)
        rebuilt: Tensor = self.outward(x)
        return rebuilt


@dataclass(frozen=True, eq=False)
class Uniad:
    """A trained network."""

    network: Rebuild
    device: torch.device

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        return bytes_of(self.network)

    def score(self, features: Tensor) -> Scored:
        """Norm of what is not rebuilt of features [B, C, h, w]; an image's score is its largest."""
        tokens = _tokens(features, self.network.grid).to(self.device)
        gap = torch.linalg.vector_norm(self.network(tokens) - tokens, dim=2).cpu()
        maps = gap.reshape(len(features), *self.network.grid)
        return Scored(maps, maps.flatten(1).amax(1))


def fit_uniad(features: Tensor, training: Training) -> Uniad:
    """Train on good features [N, C, h, w]."""
    generator, grid = training.generator, _grid(features)
    tokens = _tokens(features, grid)
    with seeded(training.seed):
        network = Rebuild(features.shape[1], grid).to(training.device)

        def loss() -> Tensor:
            good = tokens[drawn(len(tokens), BATCH, generator)]
            size = JITTER * good.norm(dim=2, keepdim=True) / good.shape[2]
            noise = size * torch.randn(good.shape, generator=generator)
            rebuilt = network((good + noise).to(training.device))
            return nn.functional.mse_loss(rebuilt, good.to(training.device))

        optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
        descend(network, loss, optimiser, training.spent)
    return Uniad(network, training.device)


def _grid(features: Tensor) -> tuple[int, int]:
    """The features' grid, or the one that it is pooled to."""
    h, w = features.shape[2:]
    return min(h, SIDE), min(w, SIDE)


def _tokens(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """Features [B, C, h, w] -> tokens [B, T, C]."""
    return nn.functional.adaptive_avg_pool2d(features, grid).flatten(2).transpose(1, 2)
