"""A package's ONNX graph gives a vision transformer's weights; a small one is written here."""

from pathlib import Path

import onnx
import pytest
import timm
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from workers.offline import dinov2
from workers.runtime.errors import SettingsError

WIDTH, BLOCKS, PATCHES = 12, 2, 4
LAYERS = {
    "attention.attention.query": WIDTH,
    "attention.attention.key": WIDTH,
    "attention.attention.value": WIDTH,
    "attention.output.dense": WIDTH,
    "mlp.fc1": 4 * WIDTH,
    "mlp.fc2": WIDTH,
}


def exported(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """A file as exporting writes it, and each linear layer's true weight [out, in]."""
    made = torch.Generator().manual_seed(0)
    tensors, nodes, truth = dict[str, Tensor](), list[onnx.NodeProto](), dict[str, Tensor]()

    def has(name: str, *shape: int) -> None:
        tensors[name] = torch.randn(*shape, generator=made)

    has("backbone.embeddings.cls_token", 1, 1, WIDTH)
    has("backbone.embeddings.patch_embeddings.projection.weight", WIDTH, 3, 14, 14)
    has("backbone.embeddings.patch_embeddings.projection.bias", WIDTH)
    has("onnx::Concat_1", 1, 1, WIDTH)
    has("onnx::Reshape_2", 1, PATCHES, WIDTH)
    for part in ("weight", "bias"):
        has(f"backbone.layernorm.{part}", WIDTH)
    for block in range(BLOCKS):
        start = f"backbone.encoder.layer.{block}"
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            has(f"{start}.{name}", WIDTH)
        for name in ("layer_scale1.lambda1", "layer_scale2.lambda1"):
            has(f"{start}.{name}", WIDTH)
        for name, out in LAYERS.items():
            inside = 4 * WIDTH if name == "mlp.fc2" else WIDTH
            folded = f"onnx::MatMul_{len(tensors)}"
            has(f"{start}.{name}.bias", out)
            has(folded, inside, out)
            truth[f"{start}.{name}.weight"] = tensors[folded].T
            nodes += [
                helper.make_node("MatMul", ["x", folded], [f"{folded}_out"]),
                helper.make_node("Add", [f"{start}.{name}.bias", f"{folded}_out"], [f"{folded}_y"]),
            ]
    held = [numpy_helper.from_array(value.numpy(), name) for name, value in tensors.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WIDTH])
    graph = helper.make_graph(nodes, "small", [x], [x], held)
    file = folder / "small.onnx"
    onnx.save(helper.make_model(graph), str(file))
    return file, truth | tensors


def test_every_layer_gets_its_own_weights(tmp_path: Path) -> None:
    file, truth = exported(tmp_path)
    state = dinov2.as_timm(dinov2.named_weights(file))
    start = "backbone.encoder.layer.1"
    for row, name in enumerate(("query", "key", "value")):
        part = state["blocks.1.attn.qkv.weight"][row * WIDTH : (row + 1) * WIDTH]
        assert torch.equal(part, truth[f"{start}.attention.attention.{name}.weight"])
    assert torch.equal(state["blocks.1.mlp.fc2.weight"], truth[f"{start}.mlp.fc2.weight"])
    assert torch.equal(state["pos_embed"][:, 1:], truth["onnx::Reshape_2"])


def test_timm_takes_all_of_them_and_no_others(tmp_path: Path) -> None:
    file, _ = exported(tmp_path)
    with torch.device("meta"):
        net = timm.create_model(
            "vit_small_patch14_dinov2", img_size=28, embed_dim=WIDTH, depth=BLOCKS, num_heads=2
        )
    state = dinov2.as_timm(dinov2.named_weights(file))
    net.load_state_dict(state, strict=True, assign=True)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dinov2, "PACKAGE", "no-such-package")
    with pytest.raises(SettingsError, match=r"no-such-package is not installed.*dinov2"):
        dinov2.packaged()
