"""A handful of good images -> a provisional model: place and memory only, no network is trained.

Minutes of training are not worth it for images that show little of what good parts can be. The
images stay in the model, so that later ones join them.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from stream_inspector.errors import ModelUnsupported, TooFewImages
from stream_inspector.features import FeatureNet, load_feature_net, to_tensor
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.image.view.tiles import merge, tile_cells
from stream_inspector.model.assembly import (
    for_category,
    of_category,
    pack_ensemble,
    pack_shared,
    pack_statistics,
)
from stream_inspector.model.version import PROVISIONAL, Model
from stream_inspector.presets import Preset
from stream_inspector.score.ensemble import fit_ensemble
from stream_inspector.score.whitening import control_maps, fit_whitening
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import FEWEST_IMAGES
from stream_inspector.training.cross_fit import FOLDS, Material, out_of_fold, scores_by_others
from stream_inspector.training.fit import Good, calibrate_cross_fitted, provenance
from stream_inspector.training.progress import OnProgress, Progress
from stream_inspector.verdict import Image

MOST = 64  # images that are kept, 0.3 MB each; with more a network is worth its training
KEPT_IMAGES, KEPT_DIGESTS = "kept.images", "kept.digests"
_CHUNK = 8  # images a forward

Kept = Mapping[str, Image]  # canvases [H, W, 3] by the hexadecimal SHA-256 of their files


def fit_few(
    kept: Kept,
    category: str,
    preset: Preset,
    view: View,
    *,
    seed: int,
    budget: Budget,
    on_progress: OnProgress,
) -> Model:
    """A calibrated model of 5 to MOST good images: each scored by statistics of the others.

    Raises TooFewImages, ValueError for more, CalibrationRefused.
    """
    if len(kept) < FEWEST_IMAGES:
        raise TooFewImages(
            f"{len(kept)} different good images; even a provisional model needs {FEWEST_IMAGES}: "
            f"add {FEWEST_IMAGES - len(kept)}"
        )
    if len(kept) > MOST:
        raise ValueError(f"{len(kept)} images: a provisional model keeps {MOST} at most")
    images, folds = list(kept.values()), min(FOLDS, len(kept))
    # Outside: its weights are kept for others, and none may be made in inference mode.
    net = load_feature_net(preset.grid, preset.backbone)
    with torch.inference_mode():
        material = _measured(net, images, view, preset, seed=seed, on_progress=on_progress)
        raw = out_of_fold(
            material, folds, lambda done, of: on_progress(Progress("folds", done, of))
        )
        scores = scores_by_others(raw, preset, view)
        known = pack_statistics(material.fitted()) | pack_ensemble(fit_ensemble(raw, preset, view))
    about = provenance({category: Good(images, [])}, seed, None) | {PROVISIONAL: True}
    tensors = pack_shared({}, 1.0) | of_category(category, {**known, **_kept(kept)})
    model = Model((category,), preset, tensors, about, views={category: view})
    return calibrate_cross_fitted(model, images, scores, budget, seen=0, folds=folds)


def kept_images(model: Model, category: str) -> dict[str, Image]:
    """The good images that a provisional model keeps. Raises ModelUnsupported for other models."""
    tensors = for_category(category, model.tensors)
    if KEPT_IMAGES not in tensors or KEPT_DIGESTS not in tensors:
        raise ModelUnsupported(f"model {model.version} keeps no good images of {category}")
    digests = (row.tobytes().hex() for row in tensors[KEPT_DIGESTS])
    return dict(zip(digests, tensors[KEPT_IMAGES], strict=True))


def source_digest(digests: Sequence[str]) -> str:
    """Of a folder with these files, whatever their names and order."""
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def _kept(kept: Kept) -> dict[str, Tensor]:
    rows = [np.frombuffer(bytes.fromhex(digest), np.uint8) for digest in kept]
    return {
        KEPT_IMAGES: torch.from_numpy(np.stack(list(kept.values()))),
        KEPT_DIGESTS: torch.from_numpy(np.stack(rows)),
    }


def _measured(
    net: FeatureNet,
    images: Sequence[Image],
    view: View,
    preset: Preset,
    *,
    seed: int,
    on_progress: OnProgress,
) -> Material:
    """Features of canvases [H, W, 3], and the control: there is no network to ask."""
    features = list[Tensor]()
    for start in range(0, len(images), _CHUNK):
        chunk = [view.prepare(image) for image in images[start : start + _CHUNK]]
        features.append(net(to_tensor(cut(view, chunk))))
        on_progress(Progress("statistics", start + len(chunk), len(images)))
    every = torch.cat(features)
    whitening = fit_whitening(every, tile_cells(view, preset.grid))
    control = torch.cat([control_maps(whitening.whiten(part)) for part in features])
    return Material(every, {"control": merge(view, control)}, view, preset, whitening, seed)
