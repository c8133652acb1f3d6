import pytest
import torch
from torch import Tensor, nn

from stream_inspector.diffusion import precision
from stream_inspector.diffusion.precision import choose, faster, mixed

CPU = torch.device("cpu")
X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A layer that tells in which precision it computed."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4)
        self.seen: torch.dtype | None = None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        y = self.layer(x)
        self.seen = y.dtype
        return y, y


def test_mixed_computes_in_bfloat16_and_returns_single_precision() -> None:
    network = Net()
    raw, features = mixed(network, CPU)(X)
    assert network.seen == torch.bfloat16
    assert features is not None
    assert raw.dtype == features.dtype == torch.float32
    torch.testing.assert_close(raw, network(X)[0], atol=0.05, rtol=0.05)


def test_gradients_reach_the_single_precision_weights() -> None:
    network = Net()
    mixed(network, CPU)(X)[0].square().mean().backward()
    assert network.layer.weight.grad is not None
    assert network.layer.weight.grad.dtype == torch.float32
    assert network.layer.weight.grad.any()


def test_a_processor_trains_in_single_precision_unless_told() -> None:
    network = Net()
    assert choose("auto", network, (X,)) == "fp32"
    assert choose("bf16", network, (X,)) == "bf16"
    assert network.seen is None  # nothing was timed
    with pytest.raises(ValueError, match="'fp8' is none of auto, fp32, bf16"):
        choose("fp8", network, (X,))


@pytest.mark.parametrize("slow", ["fp32", "bf16"])
def test_the_faster_is_taken_and_the_weights_stay(
    slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, now = Net(), [0.0]
    before = network.layer.weight.clone()

    def forward(x: Tensor) -> tuple[Tensor, Tensor | None]:
        y = network.layer(x)
        now[0] += 5.0 if (y.dtype == torch.float32) == (slow == "fp32") else 1.0
        return y, None

    monkeypatch.setattr(network, "forward", forward)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])
    assert faster(network, (X,)) == ("bf16" if slow == "fp32" else "fp32")
    assert torch.equal(network.layer.weight, before)
    assert network.layer.weight.grad is None
