"""Distance to the nearest good feature of the neighbourhood (after PatchCore, Roth et al. 2022).

Each block of cells has a memory of its own, of what good parts show near it. It is spread out over
all of that: what is rare on good parts (an edge, a print, a highlight) is kept, where a random
choice would forget it and alarm at each of them.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from stream_inspector.presets import MemoryPlan

PROJECTED = 64  # channels of the random projection that the choice is made in
_ROUNDS = 32
_POWER = 12.0  # of the distance: 4 forgets rare places
_LEAST = 1e-12  # so that there are always enough to draw from
_PAIRS = 1 << 23  # distances held at a time, 32 MiB
_GROUPS = 16  # blocks projected at a time


@dataclass(frozen=True, eq=False)
class Memory:
    """Good features of each block of cells."""

    bank: Tensor  # [T, R, Q, M, C]: R x Q blocks of each of T tiles

    def maps(self, features: Tensor) -> Tensor:
        """Mean squared distance per channel to the nearest, [B, C, h, w] -> [B, h, w].

        With several tiles B counts tiles: all of one image, then all of the next.
        """
        b, c, h, w = features.shape
        tiles, rows, columns, m, _ = self.bank.shape
        x = features.reshape(b // tiles, tiles, c, rows, h // rows, columns, w // columns)
        x = x.permute(1, 3, 5, 0, 4, 6, 2).reshape(tiles * rows * columns, -1, c)
        found = _nearest(x, self.bank.reshape(-1, m, c)) / c
        blocks = found.reshape(tiles, rows, columns, b // tiles, h // rows, w // columns)
        return blocks.permute(3, 0, 1, 4, 2, 5).reshape(b, h, w)


def _nearest(x: Tensor, bank: Tensor) -> Tensor:
    """Squared distance of x [G, N, C] to the nearest of bank [G, M, C], [G, N]; bounded memory."""
    norms = bank.square().sum(2)
    at_once = max(1, _PAIRS // norms.numel())
    return torch.cat(
        [_to_nearest(part, bank, norms) for part in torch.split(x, at_once, dim=1)], dim=1
    )


def _to_nearest(points: Tensor, centres: Tensor, norms: Tensor) -> Tensor:
    """Squared distances of points [G, P, D] to the nearest of centres [G, K, D] with their squared
    lengths [G, K], [G, P].

    |x - m|^2 = |x|^2 + (|m|^2 - 2 x.m): one matrix product and one minimum.
    """
    products = torch.baddbmm(norms[:, None], points, centres.transpose(1, 2), alpha=-2)
    return (points.square().sum(2) + products.amin(2)).clamp_min(0)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Good features drawn at random near each block: what its memory is chosen from."""

    features: Tensor  # [G, P, C], half precision as in a model version
    image: Tensor  # [G, P]: which image each is from
    blocks: tuple[int, int, int]  # tiles, rows, columns: G of them
    plan: MemoryPlan
    seed: int

    @cached_property
    def points(self) -> Tensor:
        """Their random projections, in which the choice is made, [G, P, D]."""
        generator = torch.Generator().manual_seed(self.seed)
        c = self.features.shape[2]
        projection = torch.randn(c, PROJECTED, generator=generator) / PROJECTED**0.5
        return torch.cat(
            [part.float() @ projection for part in torch.split(self.features, _GROUPS)]
        )

    def memory(self, images: Tensor | None = None) -> Memory:
        """The memory of some images [N]; None: of all."""
        every = torch.ones_like(self.image, dtype=torch.bool)
        allowed = every if images is None else torch.isin(self.image, images)
        count = min(self.plan.vectors, int(allowed.sum(1).min()))
        generator = torch.Generator().manual_seed(self.seed)
        chosen = spread_out(self.points, count, generator, allowed)
        group = torch.arange(len(chosen))[:, None]
        bank = self.features[group, chosen].float()
        return Memory(bank.reshape(*self.blocks, *bank.shape[1:]))


def draw_candidates(features: Tensor, plan: MemoryPlan, seed: int, cells: Tensor) -> Candidates:
    """Draw from good features [N * T, C, h, w] of the inspected `cells` [T, h, w]."""
    generator = torch.Generator().manual_seed(seed)
    found = features.movedim(1, -1).reshape(-1, *cells.shape, features.shape[1])
    count = min(plan.candidates, 2 * len(found) * (plan.block + 2 * plan.margin) ** 2)
    places = _neighbourhoods(cells, plan)
    images = torch.randint(len(found), (len(places), count), generator=generator)
    drawn = [
        _drawn(found, image, place, generator) for image, place in zip(images, places, strict=True)
    ]
    return Candidates(torch.stack(drawn), images, _blocks(cells, plan), plan, seed)


def fit_memory(features: Tensor, plan: MemoryPlan, seed: int, cells: Tensor) -> Memory:
    """Choose among good features [N * T, C, h, w] of the inspected `cells` [T, h, w]."""
    return draw_candidates(features, plan, seed, cells).memory()


def _blocks(cells: Tensor, plan: MemoryPlan) -> tuple[int, int, int]:
    """Tiles, rows and columns of blocks."""
    tiles, h, w = cells.shape
    block = next(n for n in (plan.block, 3, 2, 1) if not (h % n or w % n))
    return tiles, h // block, w // block


def _neighbourhoods(cells: Tensor, plan: MemoryPlan) -> list[Tensor]:
    """The inspected cells [P, 3] (tile, row, column) that inform each block; all where it has
    none.
    """
    tiles, rows, columns = _blocks(cells, plan)
    high, wide, m = cells.shape[1] // rows, cells.shape[2] // columns, plan.margin
    found = []
    for tile, row, column in torch.cartesian_prod(*map(torch.arange, (tiles, rows, columns))):
        y, x = int(row) * high, int(column) * wide
        part = torch.zeros_like(cells)
        part[tile, max(0, y - m) : y + high + m, max(0, x - m) : x + wide + m] = True
        place = (part & cells).nonzero()
        found.append(place if len(place) else cells.nonzero())
    return found


def _drawn(found: Tensor, image: Tensor, place: Tensor, generator: torch.Generator) -> Tensor:
    """A feature of each image [P], its cell at random, [P, C] in half precision."""
    cell = place[torch.randint(len(place), (len(image),), generator=generator)]
    return found[image, cell[:, 0], cell[:, 1], cell[:, 2]].half()


def spread_out(
    points: Tensor, count: int, generator: torch.Generator, allowed: Tensor | None = None
) -> Tensor:
    """Indices [G, count] of points [G, P, D] that leave none of their group far from all of them;
    of those that are `allowed` [G, P].

    In rounds, each drawing with the 12th power of the distance to what the rounds before chose.
    That comes near to always taking the farthest (k-centres, Gonzalez 1985), and is a few matrix
    products where that is one pass over all points for each point chosen.
    """
    groups, size, _ = points.shape
    allowed = torch.ones(groups, size, dtype=torch.bool) if allowed is None else allowed
    norms, group = points.square().sum(2), torch.arange(groups)[:, None]
    gap = torch.full((groups, size), torch.inf)
    each = -(-count // _ROUNDS)
    first = torch.rand(groups, size, generator=generator) * allowed
    chosen = newest = first.topk(each, dim=1).indices
    while chosen.shape[1] < count:
        nearer = _to_nearest(points, points[group, newest], norms[group, newest])
        gap = torch.minimum(gap, nearer)
        farthest = (gap * allowed).amax(1, keepdim=True).clamp_min(_LEAST)
        weight = ((gap / farthest).pow(_POWER / 2) + _LEAST) * allowed
        weight.scatter_(1, chosen, 0.0)
        newest = torch.multinomial(weight, min(count - chosen.shape[1], each), generator=generator)
        chosen = torch.cat([chosen, newest], 1)
    return chosen
