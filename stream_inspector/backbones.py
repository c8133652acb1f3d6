"""Frozen networks of timm's, and where their weights come from.

The weights of the two Lite networks come in Python packages; models name their digest. Those of any
other network are read once, at training, and travel in the model version.
"""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stream_inspector.errors import ModelUnsupported, WeightsRefused
from stream_inspector.packaged import PACKAGES, weights_digest
from stream_inspector.presets import B4, LITE0, LITE2, Backbone

Tensors = Mapping[str, Tensor]
_STRIDES = (4, 8, 16)  # of the levels that are looked at unless others are named
_KNOWN = {row.architecture: row for row in (LITE0, LITE2, B4)}
_MOST_CHANNELS = 1024  # a covariance has their square: of 256 components 1 GiB in single precision


def body(backbone: Backbone, **more: Any) -> nn.Module:
    """timm's network that gives the maps of the backbone's levels; random weights."""
    sizes = {"dynamic_img_size": True} if backbone.patch > 1 else {}
    levels = {"features_only": True, "out_indices": backbone.levels}
    return _create(backbone.architecture, **levels, **sizes, **more)


def bare_body(backbone: Backbone) -> nn.Module:
    """`body` without memory and random numbers for its weights, of a network that a package has."""
    return copy.deepcopy(_skeleton(backbone))  # a third of what timm takes to build it


@cache
def _skeleton(backbone: Backbone) -> nn.Module:
    with torch.device("meta"):
        return body(backbone)


def full(backbone: Backbone, **more: Any) -> nn.Module:
    """timm's whole network, which its weights are for."""
    return _create(backbone.architecture, **more)


def _create(architecture: str, **more: Any) -> nn.Module:
    import timm  # noqa: PLC0415  half of a process's start, and not every one builds a network

    made: nn.Module = timm.create_model(architecture, **{"pretrained": False} | more)
    return made


def look_up(architecture: str, levels: Sequence[int] = ()) -> Backbone:
    """The row of a network by timm's name; without levels those at strides 4, 8 and 16.

    A transformer has one stride: of it the block at two thirds of its depth. Raises WeightsRefused
    for a name or levels that do not exist, and where the features are too wide.
    """
    if architecture in _KNOWN and not levels:
        return _KNOWN[architecture]
    try:
        with torch.device("meta"):
            probe = _create(architecture, features_only=True)
            whole = _create(architecture)
    except Exception as error:  # timm raises many kinds
        raise WeightsRefused(
            f"backbone {architecture}: timm has no such network that gives features ({error}); "
            "`python -c 'import timm; print(timm.list_models())'` lists its names"
        ) from error
    told: Any = probe.feature_info
    strides = [int(level["reduction"]) for level in told.info]
    flat = len(set(strides)) == 1
    usual = (len(strides) * 2 // 3,) if flat else tuple(map(strides.index, _present(strides)))
    chosen = tuple(levels) or usual
    if not chosen or max(chosen) >= len(strides) or min(chosen) < 0:
        raise WeightsRefused(
            f"backbone {architecture}: its levels are 0 to {len(strides) - 1}, at strides "
            f"{', '.join(map(str, strides))}; name some of them, as {architecture}:1,2"
        )
    channels = sum(int(told.info[level]["num_chs"]) for level in chosen)
    if channels > _MOST_CHANNELS:
        raise WeightsRefused(
            f"backbone {architecture}: levels {', '.join(map(str, chosen))} have {channels} "
            f"channels, {_MOST_CHANNELS} is the most; name fewer levels, as "
            f"{architecture}:{chosen[len(chosen) // 2]}"
        )
    config: Any = whole.pretrained_cfg
    return Backbone(
        architecture,
        chosen,
        channels,
        tuple(config["mean"]),
        tuple(config["std"]),
        strides[0] if flat else 1,
    )


def _present(strides: Sequence[int]) -> list[int]:
    return [stride for stride in _STRIDES if stride in strides]


def body_weights(backbone: Backbone, weights: Tensors) -> dict[str, Tensor]:
    """The weights of `body` from those of timm's whole network, whose keys must all be there.

    Raises WeightsRefused, naming the keys that are missing or odd.
    """
    given = {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": dict(weights)}}
    try:
        with torch.random.fork_rng(devices=[]):
            full(backbone, **given)  # strict: every key fits
            made = body(backbone, **given)
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        raise WeightsRefused(
            f"these are no weights of timm's {backbone.architecture}: "
            f"{' '.join(str(error).split())[:400]}"
        ) from error
    return {name: value.detach().clone() for name, value in made.state_dict().items()}


def packaged_weights(backbone: Backbone) -> dict[str, Tensor]:
    """The weights of `body` from the package. Raises ModelUnsupported."""
    weights = _imagenet_weights(backbone)
    return {name: weights[name] for name in _skeleton(backbone).state_dict()}


def _weights_file(backbone: Backbone) -> Path:
    stated = weights_digest(backbone)
    package = PACKAGES[backbone.architecture]
    try:
        module = import_module(package.module)  # optional: worker extra
    except ImportError as error:
        raise ModelUnsupported(
            f"the ImageNet weights are missing: install {package.distribution}"
        ) from error
    file = Path(getattr(module, package.weights).get_model_file_path())
    if hashlib.sha256(file.read_bytes()).hexdigest() != stated:
        raise ModelUnsupported(
            f"{package.distribution} has other ImageNet weights than models are trained on: "
            "install the version that constraints.txt names"
        )
    return file


@cache
def _imagenet_weights(backbone: Backbone) -> dict[str, Tensor]:
    """The packaged tensors under timm's names: same order and shapes, other names."""
    with torch.device("meta"):
        names = full(backbone).state_dict()
    packaged = torch.load(_weights_file(backbone), weights_only=True, map_location="cpu")
    if [v.shape for v in names.values()] != [v.shape for v in packaged.values()]:
        raise ModelUnsupported(f"the ImageNet weights do not fit timm's {backbone.architecture}")
    return dict(zip(names, packaged.values(), strict=True))
