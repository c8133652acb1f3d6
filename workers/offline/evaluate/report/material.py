"""What a category's page is drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_inspector.counterpart.variants import Counterpart
from stream_inspector.errors import ModelUnsupported
from stream_inspector.model.version import Model
from stream_inspector.verdict import Image
from workers.offline.evaluate.report.examples import Judged
from workers.offline.scoring.labelled import LabelledImages
from workers.offline.scoring.maps import ENSEMBLE, Scored
from workers.offline.scoring.ranking import Maps

SHOWN = ("kl", "features", ENSEMBLE)  # members whose maps are drawn
_USUAL_RATE = 1e-3  # share of good pixels above the middle of a map's colours


@dataclass(frozen=True)
class Material:
    """What cards are made of, by index of the test image."""

    test: LabelledImages
    shapes: Sequence[tuple[int, int]]  # (width, height) of each canvas, in pixels of its frame
    judged: Judged
    maps: Mapping[str, Maps]  # by member, those of SHOWN
    middle: Mapping[str, float]  # by member: the score at the middle of the map's colours
    counterparts: Mapping[int, Counterpart] = field(default_factory=dict)
    steps: Mapping[int, Sequence[Image]] = field(default_factory=dict)


def report_material(model: Model, category: str, test: LabelledImages, scored: Scored) -> Material:
    """Everything but the counterparts. Raises ModelUnsupported without thresholds."""
    calibration = model.calibrations.get(category)
    if calibration is None:
        raise ModelUnsupported(
            f"model {model.version} has no thresholds for {category}, which a report needs: "
            "calibrate it first"
        )
    maps, view = (
        {name: scored.maps[name] for name in SHOWN if name in scored.maps},
        model.view(category),
    )
    return Material(
        test=test,
        shapes=[view.place(size).size(view.canvas) for size in test.sizes],
        judged=Judged(
            scored.image_scores[ENSEMBLE],
            test.truth.defective,
            [file.kind for file in test.files],
            calibration.image_threshold,
            calibration.near_miss_threshold,
        ),
        maps=maps,
        middle={name: _usual_score(each, test.truth.defective) for name, each in maps.items()}
        | {ENSEMBLE: calibration.pixel_threshold},
    )


def _usual_score(maps: Maps, defective: NDArray[np.bool_]) -> float:
    """The score that few good pixels exceed; of all pixels if no image is good."""
    good = maps[~defective] if (~defective).any() else maps
    return float(np.quantile(good[np.isfinite(good)], 1 - _USUAL_RATE))
