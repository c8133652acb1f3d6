"""How the diffusion network runs in PyTorch: nothing may change what it says."""

import pytest
import torch
from torch import Tensor, nn

from stream_inspector.engine.forward import bucket, forward, in_buckets
from stream_inspector.engine.scorer import EXACT, Forward

CPU = torch.device("cpu")


class Net(nn.Module):
    """Two layers that remember the batches they saw."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 4)
        self.rows: list[int] = []

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        if not torch.compiler.is_compiling():
            self.rows.append(len(x))
        y = self.second(self.first(x).relu()) + t[:, None]
        return y, y * 2


def _asked(rows: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, 4, generator=generator), torch.arange(rows)


def test_buckets_are_few_and_fit_three_noise_levels() -> None:
    sizes = {bucket(rows) for rows in range(1, 97)}
    assert sizes == {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96}
    assert all(bucket(rows) >= rows for rows in range(1, 97))


@pytest.mark.parametrize("rows", [1, 5, 7, 12])
def test_padding_changes_no_output(rows: int) -> None:
    network = Net()
    truth = network(*_asked(rows))
    found = in_buckets(network)(*_asked(rows))
    for mine, true in zip(found, truth, strict=True):
        assert mine is not None
        torch.testing.assert_close(mine, true)
    assert network.rows[-1] == bucket(rows)


def test_outputs_are_not_overwritten_by_the_next_batch() -> None:
    kept = torch.zeros(2, 4)

    def into_the_same_memory(x: Tensor, _: Tensor) -> tuple[Tensor, None]:
        kept.copy_(x)
        return kept, None

    run = in_buckets(into_the_same_memory)
    x, t = _asked(2)
    first, _ = run(x, t)
    run(x + 1, t)
    torch.testing.assert_close(first, x)


def test_exact_is_the_network_itself_and_bf16_is_near() -> None:
    network, asked = Net(), _asked(3)
    truth, _ = network(*asked)
    assert torch.equal(forward(network, CPU, EXACT)(*asked)[0], truth)
    near, _ = forward(network, CPU, Forward("bf16"))(*asked)
    assert near.dtype == torch.float32
    assert not torch.equal(near, truth)
    torch.testing.assert_close(near, truth, atol=0.05, rtol=0.05)


def test_a_recorded_network_says_the_same() -> None:
    network = Net()
    run = forward(network, CPU, Forward(graphs=True))
    torch.testing.assert_close(run(*_asked(5))[0], network(*_asked(5))[0])
