import pytest
import torch

from stream_inspector.diffusion.peers import Peers


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_shares_of_a_batch_are_all_of_it(count: int) -> None:
    parts = [Peers(rank, count).rows(4) for rank in range(count)]
    assert sum(share for _, share in parts) == pytest.approx(1)
    counted = torch.cat([rows for rows, share in parts if share])
    assert sorted(counted.tolist()) == [0, 1, 2, 3]
    assert all(len(rows) for rows, _ in parts)  # the fifth of five computes something, too


def test_the_mean_of_all_rows_is_the_sum_of_the_weighted_means() -> None:
    values = torch.tensor([1.0, 5.0, 2.0])
    parts = [Peers(rank, 2).rows(3) for rank in range(2)]
    assert sum(values[rows].mean() * share for rows, share in parts) == pytest.approx(8 / 3)


def test_alone_nothing_is_asked_of_anybody() -> None:
    layer, value = torch.nn.Linear(1, 1), torch.tensor(2.0)
    layer(torch.ones(1, 1)).sum().backward()
    Peers().add_gradients(layer)
    assert Peers().added(value) is value
    assert Peers().agreed("bf16", ("fp32", "bf16"), torch.device("cpu")) == "bf16"
