"""A network to run, how PyTorch runs it, and how two ways to run it are compared."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

Runner = Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True, eq=False)
class Part:
    """A network and inputs of the shapes it will see, batch first."""

    name: str
    module: nn.Module  # returns one tensor or a tuple that may hold None
    example: tuple[Tensor, ...]
    architecture: str  # what the graph follows from, apart from the weights
    frozen: bool  # the same weights in every model

    @property
    def bytes(self) -> int:
        """What the weights take."""
        return sum(weights.nbytes for weights in self.module.state_dict().values())

    def first(self) -> "Part":
        """The same with the first example alone."""
        return replace(self, example=tuple(x[:1] for x in self.example))


def torch_runner(module: nn.Module, device: torch.device) -> Runner:
    """Eager PyTorch, channels last."""
    moved = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return as_tuple(moved(*(x.to(device) for x in inputs)))

    return run


def disagreement(one: Runner, other: Runner, example: tuple[Tensor, ...]) -> float:
    """Largest difference of two runners' outputs, in standard deviations of the output."""
    pairs = zip(one(*example), other(*example), strict=True)
    return max(float((a - b).abs().max() / a.std().clamp_min(1e-6)) for a, b in pairs)


def as_tuple(output: Tensor | tuple[Tensor | None, ...]) -> tuple[Tensor, ...]:
    """The outputs there are."""
    if isinstance(output, Tensor):
        return (output,)
    return tuple(x for x in output if x is not None)
