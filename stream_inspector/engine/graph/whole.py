"""The whole detector of one category as one graph: tiles in, maps and image scores out."""

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, TensorProto, ValueInfoProto, helper

from stream_inspector.engine.graph.eight_bits import EightBits, Single, Watched
from stream_inspector.engine.graph.ensemble import Combined, Ensemble
from stream_inspector.engine.graph.lite import Lite
from stream_inspector.engine.graph.members import Members
from stream_inspector.engine.graph.unet import UNet
from stream_inspector.engine.graph.writer import Array, Graph, model_bytes
from stream_inspector.image.view.canvas import Size, View
from stream_inspector.packaged import lite_weights
from stream_inspector.presets import CHAIN, GOOD_IMAGES, LITE0, Backbone, Diffusion, Preset

INPUT = "tiles"
OUTPUTS = ("map", "score", "maps", "scores")  # as `Combined` has them
_MOST_BYTES = 1 << 30  # of tensors: a graph is one message of at most 2 GiB
RANGES = "eight_bits.ranges"  # a category's tensor
_FEATURES, _TOLD, _RAW = "features", "embedding", "raw"
_EMBEDDING = "time_embed.2.bias"  # as long as it
_ENDS = ("ReduceMin", "ReduceMax")
_NETWORKS = ("network.", "noise.", "sigma_data")


def why_not(preset: Preset, size: int) -> str:
    """Why a model of so many bytes cannot be written as a graph; empty: it can."""
    if preset.backbone != LITE0:
        return f"backbone {preset.backbone.architecture}"
    if preset.normalisation != GOOD_IMAGES or not preset.pooled_kl:
        return "maps normalised or scored in another way"
    if preset.trained and preset.scoring.score_chain != CHAIN:
        return "another chain"
    return "" if size <= _MOST_BYTES else f"{size >> 20} MiB of tensors"


def category_graph(
    preset: Preset,
    view: View,
    tensors: Mapping[str, Array],
    category: str,
    label: int,
    *,
    eight_bits: bool = False,
) -> bytes:
    """The detector as an ONNX model with a free number of images: `tiles` uint8 [B * T, h, w, 3]
    -> the outputs of `OUTPUTS`; the frozen network in `eight_bits` by the ranges among the tensors.
    Raises KeyError when a tensor is missing.
    """
    start = f"{category}/"
    own = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
    own |= {k: v for k, v in tensors.items() if k.startswith(_NETWORKS)}
    graph = Graph()
    x = _normalised(graph)
    precision = EightBits(graph, own[RANGES]) if eight_bits else Single(graph)
    looked = Lite(lite_weights(), precision)
    features = looked.features(x, preset.input_size, preset.backbone.levels, preset.grid)
    raw = Members(graph, preset, own, label).maps(x, features)
    found = Ensemble(graph, preset, view, own).combined(raw)
    return model_bytes(_named(graph, preset, found))


def watching_graph(preset: Preset) -> bytes:
    """The frozen network alone: `tiles` -> `ranges` [A, 2], the ends of each of its activations."""
    graph = Graph()
    watched = Watched(graph)
    looked = Lite(lite_weights(), watched)
    looked.features(_normalised(graph), preset.input_size, preset.backbone.levels, preset.grid)
    ends = [
        graph.op(
            "Concat", *(graph.shaped(graph.op(kind, each, keepdims=0), 1) for kind in _ENDS), axis=0
        )
        for each in watched.names
    ]
    graph.named(graph.shaped(graph.op("Concat", *ends, axis=0), -1, 2), RANGES)
    found = helper.make_tensor_value_info(RANGES, TensorProto.FLOAT, None)
    return model_bytes(graph.written("ranges", [_tiles(preset.input_size)], [found]))


def features_graph(tile: Size, backbone: Backbone, grid: Size) -> bytes:
    """One of the Lite networks alone: `tiles` -> `features` [T, C, h, w] on a grid."""
    graph = Graph()
    looked = Lite(lite_weights(backbone), Single(graph))
    graph.named(looked.features(_normalised(graph), tile, backbone.levels, grid), _FEATURES)
    found = helper.make_tensor_value_info(_FEATURES, TensorProto.FLOAT, None)
    return model_bytes(graph.written(_FEATURES, [_tiles(tile)], [found]))


def denoiser_graph(diffusion: Diffusion, weights: Mapping[str, Array]) -> bytes:
    """A network at any noise level: x [B, C, h, w] and what `unet.embedded` gives [E] -> its raw
    output. Raises KeyError when a tensor is missing.
    """
    graph = Graph()
    raw, _ = UNet(graph, diffusion.network, weights, _TOLD).predicted("x", diffusion.size)
    graph.named(raw, _RAW)
    free: list[str | int | None] = ["images", diffusion.channels, *diffusion.size]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, free)
    told = helper.make_tensor_value_info(_TOLD, TensorProto.FLOAT, [len(weights[_EMBEDDING])])
    found = helper.make_tensor_value_info(_RAW, TensorProto.FLOAT, None)
    return model_bytes(graph.written("denoiser", [x, told], [found]))


def _normalised(graph: Graph) -> str:
    """Pixels in [-1, 1], colours first."""
    x = graph.op("Cast", INPUT, to=TensorProto.FLOAT)
    x = graph.op("Sub", graph.op("Mul", x, np.float32(1 / 127.5)), np.float32(1))
    return graph.op("Transpose", x, perm=[0, 3, 1, 2])


def _named(graph: Graph, preset: Preset, found: Combined) -> GraphProto:
    names = (found.map, found.score, found.maps, found.scores)
    for name, output in zip(names, OUTPUTS, strict=True):
        graph.named(name, output)
    kinds = (TensorProto.FLOAT, TensorProto.DOUBLE) * 2
    outputs = [
        helper.make_tensor_value_info(name, kind, None)
        for name, kind in zip(OUTPUTS, kinds, strict=True)
    ]
    return graph.written("detector", [_tiles(preset.input_size)], outputs)


def _tiles(size: Size) -> ValueInfoProto:
    shape: list[str | int | None] = ["tiles", *size, 3]
    return helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape)
