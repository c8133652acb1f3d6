"""A part as an ONNX graph: exported once for an architecture, filled with each model's weights."""

import warnings

import onnx
import torch
from torch import Tensor, nn

from stream_inspector.engine.cache import Cache, graph_key
from stream_inspector.engine.part import Part, as_tuple

_MAX_BATCH = 4096


def graph(part: Part, cache: Cache | None) -> bytes:
    """The part as ONNX bytes with a free batch dimension; from the cache when it is there."""
    key = graph_key(part)
    kept = None if cache is None else cache.get(key)
    if kept is None:
        exported = export(part)
        kept = exported.SerializeToString() if part.frozen else emptied(exported, part.module)
        if cache is not None:
            cache.put(key, kept)
    return kept if part.frozen else filled(kept, part.module)


def export(part: Part) -> onnx.ModelProto:
    """The part as an ONNX graph.

    Frozen weights are folded into it (batch normalisation vanishes); others stay as they are named
    in the module, to be replaced.
    """
    batch = torch.export.Dim("batch", min=1, max=_MAX_BATCH)
    shapes = tuple({0: batch} for _ in part.example)
    # an example batch of 1 would be taken for a constant
    example = tuple(torch.cat([x, x])[:2].contiguous() for x in part.example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Outputs(part.module),
            example,
            dynamo=True,
            dynamic_shapes=(shapes,),
            verbose=False,
            optimize=part.frozen,
        )
    if program is None:
        raise RuntimeError("the exporter returned nothing")
    return program.model_proto


def emptied(exported: onnx.ModelProto, module: nn.Module) -> bytes:
    """The graph without the module's weights. Raises RuntimeError when it names others."""
    weights = _named(module)
    initialisers = [each for each in exported.graph.initializer if each.name in weights]
    if len(initialisers) != len(weights):
        raise RuntimeError("the exported graph does not name all weights")
    for each in initialisers:
        each.raw_data = b""
    return bytes(exported.SerializeToString())


def filled(graph: bytes, module: nn.Module) -> bytes:
    """The inverse of `emptied`, with the weights of a module of the same architecture."""
    proto, weights = onnx.ModelProto.FromString(graph), _named(module)
    for each in proto.graph.initializer:
        if each.name in weights:
            each.raw_data = weights[each.name].detach().cpu().contiguous().numpy().tobytes()
    return bytes(proto.SerializeToString())


def _named(module: nn.Module) -> dict[str, Tensor]:
    return {f"module.{name}": weights for name, weights in module.state_dict().items()}


class _Outputs(nn.Module):
    """A module whose missing outputs are left out, as ONNX knows no None."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return as_tuple(self.module(*inputs))
