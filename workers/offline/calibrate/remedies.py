"""What helps when too much passes: the cheap remedies are tried, the others are named.

A trial keeps good features and asks how far the nearest lies, without training anything. That is
one member of a model, not the whole of it, so trials are compared with each other: first comes
what the model sees today.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream_inspector.baselines.method import nearest_distances, vectors
from stream_inspector.baselines.patchcore import k_centres
from stream_inspector.features import load_feature_net, to_tensor
from stream_inspector.image.view.canvas import View
from stream_inspector.presets import LITE0, LITE2, MULTIPLE, Backbone
from stream_inspector.threshold.order import conformal_rank
from stream_inspector.threshold.pro import roc_auc
from stream_inspector.verdict import Image
from workers.offline.images.reader import read_by_path
from workers.offline.progress import OnWork

TOO_MANY = 0.05  # of defective images that pass, where no share was stated
MOST = 32  # images of each sort in a trial
_MEMORY, _CANDIDATES, _PROJECTED = 1024, 1 << 14, 64
_STRIDE = 8  # pixels of the input for a cell of the grid
_CHUNK = 4


@dataclass(frozen=True, slots=True)
class Remedy:
    """One of the things that may help, and what a trial of it gave."""

    name: str
    advice: str
    escapes: float | None = None  # share that passes in the trial; None: not tried
    auroc: float | None = None
    note: str = ""  # why it was not tried


@dataclass(frozen=True, slots=True)
class Material:
    """Files of good and of defective images, and how the model looks at them."""

    good: Sequence[Path]
    bad: Sequence[Path]
    view: View
    scale: float  # pixels of the frames for one of the canvas, the smaller side
    false_alarms: float  # share of good images that may alarm


def try_remedies(of: Material, on_work: OnWork) -> list[Remedy]:
    """Every remedy; the first is what the model sees today. Some ten seconds on two cores."""
    trials = _trials(of)
    found = list[Remedy]()
    for number, (remedy, trial) in enumerate(trials):
        found.append(remedy if trial is None else _tried(remedy, trial(of)))
        on_work("remedies", number + 1, len(trials))
    return [*found, *_UNTRIED]


Trial = Callable[[Material], tuple[float, float]]  # share that passes, image AUROC


def _trials(of: Material) -> list[tuple[Remedy, Trial | None]]:
    today = Remedy("as it is", "what the rows below are compared with")
    fewer = Remedy(
        "half of the good images",
        "where this row is clearly worse than the first, more good images help: train with more",
    )
    other = Remedy(
        "another backbone",
        "the network that features come from; this trial has EfficientNet-Lite2's",
    )
    return [
        (today, _trial),
        (fewer, partial(_trial, share=0.5)),
        _enlarged(
            of, 1.5, "more pixels", "a larger view.input_size in the category's file, then train"
        ),
        _enlarged(of, 2.0, "tiles, 2 x 2", "view.tiles in the category's file, then train"),
        (other, partial(_trial, backbone=LITE2)),
    ]


_UNTRIED = (
    Remedy(
        "a smaller region",
        "view.region in the category's file where the part fills little of the frame, view.ignore "
        "where good parts differ: what is not looked at cannot raise the threshold",
        note="only who knows the part can say where to look",
    ),
    Remedy(
        "the good images nearest to the threshold",
        "look at them below: one that is not good after all moves the threshold; take it out",
        note="needs eyes",
    ),
)


def _enlarged(of: Material, factor: float, name: str, advice: str) -> tuple[Remedy, Trial | None]:
    if of.scale < 0.9 * factor:
        seen = f"the frames have {of.scale:.1f} times the pixels that the model sees, each way"
        return Remedy(name, "a camera or lens with more pixels on the part", note=seen), None
    return Remedy(name, advice), partial(_trial, factor=factor)


def _tried(remedy: Remedy, result: tuple[float, float]) -> Remedy:
    return replace(remedy, escapes=result[0], auroc=result[1])


def _trial(
    of: Material, *, factor: float = 1.0, share: float = 1.0, backbone: Backbone = LITE0
) -> tuple[float, float]:
    """Each half of the good images is judged by a memory of the other; the mean of both."""
    size = tuple(max(1, round(side * factor / MULTIPLE)) * MULTIPLE for side in of.view.canvas)
    view = of.view.resized((size[0], size[1])) if factor != 1.0 else of.view
    good, bad = (_features(_picked(paths), view, backbone) for paths in (of.good, of.bad))
    halves = [(good[::2], good[1::2]), (good[1::2], good[::2])]
    results = [_judged(kept, new, bad, of.false_alarms, share) for kept, new in halves]
    escapes, auroc = np.mean(results, axis=0).tolist()
    return escapes, auroc


def _judged(
    kept: Tensor, new: Tensor, bad: Tensor, false_alarms: float, share: float
) -> tuple[float, float]:
    bank = _memory(kept[: max(2, round(len(kept) * share))])
    good, wrong = _scores(new, bank), _scores(bad, bank)
    threshold = np.sort(good)[conformal_rank(good.size, false_alarms) - 1]
    labels = np.arange(good.size + wrong.size) >= good.size
    return float((wrong <= threshold).mean()), roc_auc(np.concatenate([good, wrong]), labels)


def _memory(features: Tensor) -> Tensor:
    """Good features that lie as far apart as can be, [M, C]."""
    generator = torch.Generator().manual_seed(0)
    found = vectors(features)
    drawn = found[torch.randperm(len(found), generator=generator)[:_CANDIDATES]]
    projection = torch.randn(drawn.shape[1], _PROJECTED, generator=generator)
    return drawn[k_centres(drawn @ projection, min(_MEMORY, len(drawn)))]


def _scores(features: Tensor, bank: Tensor) -> NDArray[np.float64]:
    """The largest distance of each image [N, C, h, w] to the memory, [N]."""
    found = nearest_distances(vectors(features), bank).reshape(len(features), -1).amax(1)
    return found.double().numpy()


def _features(paths: Sequence[Path], view: View, backbone: Backbone) -> Tensor:
    images: list[Image] = list(read_by_path(paths, view, "skip").values())
    height, width = view.canvas
    net = load_feature_net((height // _STRIDE, width // _STRIDE), backbone)
    with torch.inference_mode():
        chunks = (images[at : at + _CHUNK] for at in range(0, len(images), _CHUNK))
        return torch.cat([net(to_tensor(chunk)) for chunk in chunks])


def _picked(paths: Sequence[Path]) -> list[Path]:
    """At most MOST of them, evenly over all."""
    at = np.linspace(0, len(paths) - 1, min(len(paths), MOST)).round().astype(int)
    return [paths[index] for index in at.tolist()]
