"""Mixed precision in training: only where a timed step shows that the device gains from it.

Weights, optimiser, loss and KL stay in single precision; only the network's inside is computed in
bfloat16. Processors differ by a factor of a thousand here (RAN section H), so nothing is assumed.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

PRECISIONS = ("auto", "fp32", "bf16")
Runner = Callable[..., tuple[Tensor, Tensor | None]]
_REPEATS = 3


def mixed(network: nn.Module, device: torch.device) -> Runner:
    """The network computing in bfloat16, with outputs in single precision."""

    def run(*inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            raw, features = network(*inputs)
        return raw.float(), None if features is None else features.float()

    return run


def choose(wanted: str, network: nn.Module, inputs: tuple[Tensor, ...]) -> str:
    """The precision to train in on the inputs' device; "auto" takes the faster by a timed step.

    On processors "auto" is fp32, whatever is faster there: the same seed then gives the same bits.
    Raises ValueError for an unknown name.
    """
    if wanted not in PRECISIONS:
        raise ValueError(f"precision {wanted!r} is none of {', '.join(PRECISIONS)}")
    if wanted != "auto":
        return wanted
    return "fp32" if inputs[0].device.type == "cpu" else faster(network, inputs)


def faster(network: nn.Module, inputs: tuple[Tensor, ...]) -> str:
    """The precision in which a forward and backward pass takes less time here."""
    candidates: dict[str, Runner] = {"fp32": network, "bf16": mixed(network, inputs[0].device)}
    took = {name: _seconds(run, inputs) for name, run in candidates.items()}
    network.zero_grad(set_to_none=True)
    return min(took, key=lambda name: took[name])


def _seconds(run: Runner, inputs: tuple[Tensor, ...]) -> float:
    """Best of a few passes, after one to warm up."""
    best = float("inf")
    for _ in range(_REPEATS + 1):
        _settle(inputs[0].device)
        start = time.perf_counter()
        torch.autograd.backward([out.square().mean() for out in run(*inputs) if out is not None])
        _settle(inputs[0].device)
        best = min(best, time.perf_counter() - start)
    return best


def _settle(device: torch.device) -> None:
    """Wait for what is queued on an accelerator."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
