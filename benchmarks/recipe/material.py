"""A category's pictures as features: measured once, kept in a file.

Good images are split by the seed: those that everything is fitted to, and those that judge. The
latter are also what defects are painted on, one of the surface and one of the structure each. Test
images are in the file as well, and are asked for by name, so that it shows where they are used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from stream_inspector.features import FeatureNet, load_feature_net, to_tensor
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.presets import Preset, at_size
from stream_inspector.synthetic.defects import Mask
from stream_inspector.synthetic.overlay import PAINTED, paint_defect
from stream_inspector.synthetic.structural import STRUCTURAL, alter
from stream_inspector.verdict import Image
from workers.offline.images.datasets import good_files, test_files
from workers.offline.images.reader import read_images
from workers.offline.images.views import folder_view
from workers.offline.scoring.labelled import read_labelled
from workers.runtime.categories import Category

JUDGES = 5  # every fifth good image judges
MOST = 160  # good images of a category
_CHUNK = 8

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that judge: their features, and what is true of them."""

    features: Tensor  # [N, C, h, w], half precision
    defective: NDArray[np.bool_]  # [N]
    masks: NDArray[np.bool_]  # [N, H, W]


@dataclass(frozen=True, eq=False)
class Material:
    """A category's features, by what they are for."""

    category: str
    preset: Preset
    view: View
    fit: Tensor  # [N, C, h, w], half precision
    painted: Part  # the judging good images, and defects painted on them
    test: Part  # labelled; never chosen by


def material(folder: Path, preset: Preset, seed: int, cache: Path, say: Say) -> Material:
    """Read it from the cache, or measure it and keep it there."""
    name = folder.resolve().name
    view = folder_view(Category(name), preset, folder, "auto")
    preset = at_size(preset, view.tile)
    h, w = preset.input_size
    file = cache / f"{name}-{preset.backbone.architecture}-{h}x{w}-{seed}.safetensors"
    if not file.exists():
        say(f"{name}: features of {h} x {w} pixels")
        cache.mkdir(parents=True, exist_ok=True)
        save_file(_measured(folder, preset, view, seed), file)
    kept = load_file(file)
    return Material(name, preset, view, kept["fit"], _part(kept, "painted"), _part(kept, "test"))


def _part(kept: dict[str, Tensor], name: str) -> Part:
    flags, masks = kept[f"{name}.defective"].numpy(), kept[f"{name}.masks"].numpy()
    return Part(kept[name], flags.astype(bool), masks.astype(bool))


def _measured(folder: Path, preset: Preset, view: View, seed: int) -> dict[str, Tensor]:
    net = load_feature_net(preset.grid)
    fit, judges = _good(folder, view, seed)
    painted = [_painted(image, 2 * i + k) for i, image in enumerate(judges) for k in range(2)]
    labelled = read_labelled(test_files(folder), view)
    empty = np.zeros(view.canvas, bool)
    masks = [empty if mask is None else mask for mask in labelled.truth.masks]
    return (
        {"fit": _features(net, view, fit)}
        | _kept(
            "painted",
            _features(net, view, [*judges, *(image for image, _ in painted)]),
            [False] * len(judges) + [True] * len(painted),
            [empty] * len(judges) + [mask for _, mask in painted],
        )
        | _kept(
            "test", _features(net, view, labelled.images), labelled.truth.defective.tolist(), masks
        )
    )


def _good(folder: Path, view: View, seed: int) -> tuple[list[Image], list[Image]]:
    """Good images to fit to, and those that judge."""
    files = sorted(good_files(folder).digests, key=str)
    order = np.random.default_rng(seed).permutation(len(files))[:MOST]
    images = read_images([files[i] for i in order], view)
    return [x for i, x in enumerate(images) if i % JUDGES], images[::JUDGES]


def _painted(image: Image, number: int) -> tuple[Image, Mask]:
    """A defect of the surface or, for odd numbers, of the structure: every kind in turn."""
    kinds = STRUCTURAL if number % 2 else PAINTED
    kind = kinds[number // 2 % len(kinds)]
    if number % 2:
        altered, mask = alter(image, kind, number)
        if mask.any():
            return altered, mask
        kind = PAINTED[0]
    return paint_defect(image, kind, number)


def _features(net: FeatureNet, view: View, images: Sequence[Image]) -> Tensor:
    with torch.inference_mode():
        tiles = cut(view, [view.prepare(image) for image in images])
        parts = [net(to_tensor(tiles[i : i + _CHUNK])) for i in range(0, len(tiles), _CHUNK)]
        return torch.cat(parts).half().contiguous()


def _kept(
    name: str, features: Tensor, defective: Sequence[bool], masks: Sequence[Mask]
) -> dict[str, Tensor]:
    return {
        name: features,
        f"{name}.defective": torch.tensor(defective, dtype=torch.uint8),
        f"{name}.masks": torch.from_numpy(np.stack(masks).astype(np.uint8)),
    }
