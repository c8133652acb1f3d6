"""How much memory a loaded model takes, so that a worker knows how many it may hold at once."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stream_inspector.assembly import pixel_prefix
from stream_inspector.model import Model

_SINGLE = 4  # bytes; weights and statistics travel in half precision and compute in single
_BACKBONES = 40 << 20  # bytes: those of counterparts; all models share them in the host's memory


def footprint(model: Model, networks: Sequence[nn.Module], device: torch.device) -> int:
    """Bytes on the device: the tensors as they came, the serving networks, the statistics.

    What explains defects is counted before the first of them. What batches need is not: the
    allocator keeps it from one model to the next.
    """
    kept = sum(tensor.nbytes for tensor in model.tensors.values())
    serving = sum(weights.nbytes for net in networks for weights in net.state_dict().values())
    scoring = _unpacked(model, ("whitening.", "mixture.", "normalise.", "views."))
    explaining = _unpacked(model, ("mixture.", "examiner.")) + _pixel_network(model)
    shared = 0 if device.type == "cpu" else _BACKBONES
    return int(kept + serving + scoring + explaining + shared)


def _unpacked(model: Model, prefixes: tuple[str, ...]) -> int:
    """Of statistics, by their names within a category."""
    named = ((name.partition("/")[2], tensor) for name, tensor in model.tensors.items())
    return sum(_in_use(name, tensor) for name, tensor in named if name.startswith(prefixes))


def _in_use(name: str, tensor: Tensor) -> int:
    triangle = 2 if name.endswith(".factor") else 1  # of a matrix
    return triangle * _SINGLE * tensor.numel()


def _pixel_network(model: Model) -> int:
    start = f"{pixel_prefix(model.preset)}."
    weights = (tensor for name, tensor in model.tensors.items() if name.startswith(start))
    return sum(_SINGLE * tensor.numel() for tensor in weights)
