"""How much memory a model takes on a device, said before it is loaded."""

import json
from collections.abc import Mapping
from math import prod

import numpy as np

from stream_inspector.errors import ModelCorrupt
from stream_inspector.model.version import Model
from stream_inspector.presets import Preset, preset_from_dict

_SINGLE = 4  # bytes; weights and statistics travel in half precision and compute in single
# Bytes of the packaged networks: every model has its own for serving, in the layout of its engine;
# those of counterparts all models share on a processor.
_SERVING_BACKBONE, _OTHER_BACKBONES = 13 << 20, 40 << 20
_SCORING, _EXPLAINING = (
    ("whitening.", "mixture.", "nearby.", "normalise.", "views."),
    ("mixture.", "examiner."),
)

Sizes = Mapping[str, tuple[int, int]]  # tensor -> elements, bytes as it travels


def footprint(model: Model, device: str, *, explains: bool = True) -> int:
    """Bytes on the device: the tensors as they came, the networks, the statistics in use.

    What explains defects is counted before the first of them, unless nothing is to be explained
    (`explains`). What batches need is not: the
    allocator keeps it from one model to the next.
    """
    sizes = {name: (tensor.size, tensor.nbytes) for name, tensor in model.tensors.items()}
    return _footprint(sizes, model.preset, device, len(model.categories), explains=explains)


def footprint_of(manifest: bytes, device: str, *, explains: bool = True) -> int:
    """The same from a manifest alone. Raises ModelCorrupt."""
    try:
        plain = json.loads(manifest)
        sizes = {
            name: (n := prod(each["shape"]), n * np.dtype(each["dtype"]).itemsize)
            for name, each in plain["tensors"].items()
        }
        preset, categories = preset_from_dict(plain["preset"]), len(plain["categories"])
        return _footprint(sizes, preset, device, categories, explains=explains)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelCorrupt(f"the manifest does not describe a model: {error!r}") from error


def _footprint(
    sizes: Sizes, preset: Preset, device: str, categories: int, *, explains: bool
) -> int:
    kept = sum(size for _, size in sizes.values())
    own = _network("backbone", sizes)
    graphs = categories if device.startswith("cpu") else 1  # each with the networks
    serving = graphs * (_network("network", sizes) + (own or _SERVING_BACKBONE))
    scoring = kept + serving + _statistics(_SCORING, sizes)
    if not explains:
        return scoring
    explaining = _network(preset.pixel_prefix, sizes) + _statistics(_EXPLAINING, sizes)
    shared = 0 if device.startswith("cpu") else _OTHER_BACKBONES
    return scoring + explaining + own + shared


def _network(prefix: str, sizes: Sizes) -> int:
    return sum(_SINGLE * n for name, (n, _) in sizes.items() if name.startswith(f"{prefix}."))


def _statistics(prefixes: tuple[str, ...], sizes: Sizes) -> int:
    """Of all categories, by their names within one."""
    named = ((name.partition("/")[2], n) for name, (n, _) in sizes.items())
    return sum(_SINGLE * _unpacked(name, n) for name, n in named if name.startswith(prefixes))


def _unpacked(name: str, elements: int) -> int:
    return 2 * elements if name.endswith(".factor") else elements  # a triangle of a matrix
