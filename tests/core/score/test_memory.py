"""The nearest good feature of the neighbourhood: what is kept of good ones, and what it says."""

import pytest
import torch

from stream_inspector.presets import MemoryPlan
from stream_inspector.score.memory import Memory, fit_memory, spread_out

PLAN = MemoryPlan(vectors=64, candidates=512, block=4, margin=1)
CELLS = torch.ones(1, 8, 16, dtype=torch.bool)


def _good(seed: int, count: int = 12) -> torch.Tensor:
    """The left half is about 0, the right half about 10."""
    features = torch.randn(count, 3, 8, 16, generator=torch.Generator().manual_seed(seed))
    features[..., 8:] += 10
    return features


def test_the_distance_is_to_the_nearest_by_hand() -> None:
    bank = torch.tensor([[0.0, 0.0], [3.0, 4.0]]).reshape(1, 1, 1, 2, 2)
    x = torch.tensor([[3.0, 4.0], [0.0, 2.0]]).T.reshape(1, 2, 1, 2)
    assert Memory(bank).maps(x).tolist() == [[[0.0, 2.0]]]  # 2^2 over two channels


def test_what_is_good_elsewhere_is_not_good_here() -> None:
    memory = fit_memory(_good(0), PLAN, 0, CELLS)
    usual = memory.maps(_good(1))
    moved = _good(1)
    moved[:, :, 2, 0] = 10.0  # as it is on the right, eight cells away
    assert float(memory.maps(moved)[:, 2, 0].min()) > 5 * float(usual.max())


def test_what_lies_just_beside_a_block_is_known_in_it() -> None:
    memory = fit_memory(_good(0), PLAN, 0, CELLS)
    moved = _good(1)
    moved[:, :, 2, 7] = 10.0  # the next cell is like that on good parts
    assert float(memory.maps(moved)[:, 2, 7].max()) < 2


def test_what_is_rare_is_kept() -> None:
    """One feature in 5000 lies far away: a random choice of 64 would hardly have it."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(1, 5000, 8, generator=generator)
    points[0, 1234] = 25.0
    chosen = spread_out(points, 64, generator)
    assert 1234 in chosen[0]
    assert chosen.unique().numel() == 64


@pytest.mark.parametrize("count", [1, 5, 40])
def test_equal_points_do_not_end_the_choice(count: int) -> None:
    chosen = spread_out(torch.zeros(2, 40, 3), count, torch.Generator().manual_seed(0))
    assert chosen.shape == (2, count)
    assert all(row.unique().numel() == count for row in chosen)


def test_only_inspected_cells_teach() -> None:
    cells = CELLS.clone()
    cells[:, :, 8:] = False
    spoilt = _good(0)
    spoilt[..., 8:] = 1e3
    one, other = (fit_memory(x, PLAN, 0, cells) for x in (_good(0), spoilt))
    assert torch.equal(one.bank, other.bank)


def test_tiles_have_memories_of_their_own() -> None:
    cells = torch.ones(2, 4, 4, dtype=torch.bool)
    left, right = torch.zeros(6, 3, 4, 4), torch.full((6, 3, 4, 4), 5.0)
    tiles = torch.stack([left, right], 1).flatten(0, 1)
    memory = fit_memory(tiles, PLAN, 0, cells)
    assert memory.maps(tiles).max() == 0
    exchanged = torch.stack([right, left], 1).flatten(0, 1)
    assert memory.maps(exchanged).min() == 25
