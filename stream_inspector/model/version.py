"""A model version: weights, statistics, calibration and where they come from.

It travels as a JSON manifest and one safetensors blob. The version is a digest of both, so a
version never changes; writing the same model twice gives the same bytes.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from stream_inspector.errors import (
    CalibrationRefused,
    ModelCorrupt,
    ModelUnsupported,
    UnknownCategory,
)
from stream_inspector.image.view.canvas import View
from stream_inspector.model.manifest import canonical, digest, version_of
from stream_inspector.model.self_test import SelfTest
from stream_inspector.packaged import PACKAGES, is_packaged, weights_digest
from stream_inspector.presets import EXAMINER, LITE0, Preset, preset_from_dict
from stream_inspector.threshold.budget import Calibration
from stream_inspector.verdict import Image

FORMAT = 10
# Read, and written for models that have nothing newer: their versions stay the same.
_PLAIN, _WITH_SELF_TESTS, _WITH_PLACE = 7, 8, 9
PROVISIONAL = "provisional"  # in the provenance: from few images, without a network
_SELF_TEST_IMAGE = "self_test.image"
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Model:
    """One model for one category, or a unified one for several.

    A category's place in `categories` is its class label. Its statistics are the tensors under
    "<category>/"; the networks and their noise are shared.
    """

    categories: tuple[str, ...]
    preset: Preset
    tensors: Mapping[str, Any]  # arrays; PyTorch's tensors are turned into such
    provenance: Mapping[str, Scalar]
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)  # by category
    views: Mapping[str, View] = field(default_factory=dict)  # by category; others: whole frames
    self_tests: Mapping[str, SelfTest] = field(default_factory=dict)  # by category

    def __post_init__(self) -> None:
        arrays = {name: _array(each) for name, each in self.tensors.items()}
        object.__setattr__(self, "tensors", arrays)
        tilings = {(view.tile, view.rows, view.columns, view.overlap) for view in self._views}
        if len(tilings) > 1 or any(view.tile != self.preset.input_size for view in self._views):
            raise ValueError(
                "all categories of a model need tiles of the preset's input size and as many: "
                f"{', '.join(str(tiling) for tiling in sorted(tilings))}"
            )

    @cached_property
    def version(self) -> str:
        """16 hex digits over everything in the artefact."""
        return version_of(_manifest(self))

    @property
    def provisional(self) -> bool:
        """Whether it was made of few images, without training a network."""
        return bool(self.provenance.get(PROVISIONAL))

    def category(self, wanted: str | None = None) -> str:
        """The category that is meant: the wanted one, or the only one. Raises UnknownCategory."""
        if wanted is None and len(self.categories) == 1:
            return self.categories[0]
        if wanted not in self.categories:
            what = "is for several categories" if wanted is None else f"is not for {wanted}"
            raise UnknownCategory(f"the model {what}; it knows {', '.join(self.categories)}")
        return wanted

    def view(self, category: str | None = None) -> View:
        """What a category's images show. Raises UnknownCategory."""
        return self.views.get(self.category(category), View(self.preset.input_size))

    @property
    def _views(self) -> list[View]:
        return [self.view(name) for name in self.categories]

    def labels(self, categories: Sequence[str] | None, count: int) -> list[int]:
        """Class labels of `count` images; without categories all are of the only one."""
        named = [self.category()] * count if categories is None else categories
        if len(named) != count:
            raise ValueError(f"{len(named)} categories for {count} images")
        return [self.categories.index(self.category(name)) for name in named]

    def with_calibration(self, category: str, calibration: Calibration) -> "Model":
        """The same weights under another calibration of a category: another version."""
        renewed = {**self.calibrations, self.category(category): calibration}
        return dataclasses.replace(self, calibrations=renewed)

    def with_self_test(self, category: str, image: Image, test: SelfTest) -> "Model":
        """The same model with a category's self-test: its image [H, W, 3] and what it scores."""
        name = self.category(category)
        pixels = {f"{name}/{_SELF_TEST_IMAGE}": np.array(image)}
        return dataclasses.replace(
            self, tensors={**self.tensors, **pixels}, self_tests={**self.self_tests, name: test}
        )

    def self_test_image(self, category: str) -> Image:
        """The image [H, W, 3] of a category's self-test. Raises ModelCorrupt without one."""
        name = f"{category}/{_SELF_TEST_IMAGE}"
        if name not in self.tensors:
            raise ModelCorrupt(f"the model lacks the tensor {name}")
        image: Image = self.tensors[name]
        return image


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as bytes."""

    manifest: bytes
    tensors: bytes


def save_model(model: Model) -> ModelFiles:
    """The model as bytes; the same model gives the same bytes."""
    manifest = _manifest(model) | {"version": model.version}
    return ModelFiles(
        canonical(manifest),
        save(
            {
                name: np.ascontiguousarray(each).reshape(each.shape)
                for name, each in model.tensors.items()
            }
        ),
    )


def load_model(files: ModelFiles) -> Model:
    """Read and verify a model. Raises ModelCorrupt or ModelUnsupported."""
    manifest = _read_manifest(files.manifest)
    try:
        preset = preset_from_dict(manifest["preset"])
        _check_backbones(manifest.get("backbones"), preset)
        model = Model(
            categories=tuple(manifest["categories"]),
            preset=preset,
            tensors=_read_tensors(files.tensors, manifest["tensors"]),
            provenance=manifest["provenance"],
            calibrations={
                name: Calibration.from_dict(plain)
                for name, plain in manifest["calibrations"].items()
            },
            views={name: View.from_dict(plain) for name, plain in manifest["views"].items()},
            self_tests={
                name: SelfTest.from_dict(plain)
                for name, plain in manifest.get("self_tests", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError, CalibrationRefused) as error:
        raise ModelCorrupt(f"the manifest does not describe a model: {error!r}") from error
    if model.version != manifest.get("version"):
        raise ModelCorrupt(
            f"the manifest says version {manifest.get('version')}, its content is {model.version}"
        )
    return model


def _manifest(model: Model) -> dict[str, Any]:
    tests = {name: each.to_dict() for name, each in model.self_tests.items()}
    return {
        "format": _format(model),
        "categories": list(model.categories),
        "preset": json.loads(json.dumps(model.preset.to_dict())),
        "provenance": dict(model.provenance),
        "calibrations": {name: each.to_dict() for name, each in model.calibrations.items()},
        "views": {name: json.loads(json.dumps(v.to_dict())) for name, v in model.views.items()},
        "backbones": _backbones(model.preset),
        "tensors": {name: _describe(tensor) for name, tensor in sorted(model.tensors.items())},
    } | ({"self_tests": tests} if tests else {})


def _format(model: Model) -> int:
    """The oldest that says all of it: code of before refuses by the number what it cannot read."""
    preset = model.preset
    read = (value for view in model.views.values() for value in view.reading.values())
    if preset.backbone != LITE0 or not (preset.whitened and preset.pooled_kl):
        return FORMAT
    if preset.pixel.network.feature_early:
        return FORMAT
    if preset.nearby or preset.mixture.place is not None or not preset.scoring.sampled:
        return _WITH_PLACE
    if any(value is not None for value in read):
        return _WITH_PLACE
    made = model.calibrations.values()
    if any(each.looks or (each.defects and each.defects.kinds) for each in made):
        return _WITH_PLACE
    return _WITH_SELF_TESTS if model.self_tests else _PLAIN


def _backbones(preset: Preset) -> dict[str, str]:
    """Digests of the packaged weights that a model looks with, and is examined with."""
    used = (preset.backbone, EXAMINER)
    return {net.architecture: weights_digest(net) for net in used if is_packaged(net)}


def _describe(tensor: NDArray[Any]) -> dict[str, Any]:
    return {
        "dtype": str(tensor.dtype),
        "shape": list(tensor.shape),
        "sha256": digest(tensor.tobytes()),
    }


def _array(tensor: Any) -> NDArray[Any]:
    """An array, also of a tensor of PyTorch's, which this file does not know."""
    return np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)


def _read_manifest(data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except ValueError as error:
        raise ModelCorrupt(f"the manifest is not JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise ModelCorrupt("the manifest is not a JSON object")
    if manifest.get("format") not in range(_PLAIN, FORMAT + 1):
        raise ModelUnsupported(
            f"the model has format {manifest.get('format')!r}, this code reads "
            f"{_PLAIN} to {FORMAT}: train it again or upgrade"
        )
    return manifest


def _check_backbones(stated: Any, preset: Preset) -> None:
    if stated != (installed := _backbones(preset)):
        named = " and ".join(PACKAGES[each].distribution for each in installed)
        raise ModelUnsupported(
            "the model was trained on other ImageNet weights than those installed: train it again "
            f"or install the same {named}"
        )


def _read_tensors(data: bytes, described: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    try:
        tensors: dict[str, NDArray[Any]] = load(data)
    except Exception as error:  # safetensors raises its own and built-in errors
        raise ModelCorrupt(f"the tensors cannot be read: {error}") from error
    if set(tensors) != set(described):
        odd = sorted(set(tensors) ^ set(described))[:3]
        raise ModelCorrupt(f"tensors and manifest disagree on {', '.join(odd)}")
    for name, tensor in tensors.items():
        if _describe(tensor) != described[name]:
            raise ModelCorrupt(f"tensor {name} is not the one the manifest describes")
    return {name: np.array(each) for name, each in tensors.items()}  # PyTorch wants to write
