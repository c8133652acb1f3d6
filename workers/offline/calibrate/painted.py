"""A PRO curve without labels: defects painted on the good images that calibrated."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from stream_inspector.detector import Detector
from stream_inspector.synthetic.defects import Mask
from stream_inspector.synthetic.overlay import PAINTED, paint_defect
from stream_inspector.synthetic.structural import STRUCTURAL, alter
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.defects import Labelled, check_defects
from stream_inspector.verdict import Image
from workers.offline.calibrate.report.shown import Painted
from workers.offline.progress import OnWork
from workers.offline.scoring.maps import score_ensemble

MOST = 40  # images


def painted_defects(
    detector: Detector,
    images: Sequence[Image],
    category: str,
    calibration: Calibration,
    on_work: OnWork,
) -> Painted:
    """What the thresholds do to painted defects; only comparisons of such curves mean anything."""
    chosen = images[:: max(1, -(-len(images) // MOST))]
    kinds, pictures, masks = zip(*map(_painted, chosen, range(len(chosen))), strict=True)
    scored = score_ensemble(detector, pictures, category, partial(on_work, "painted defects"))
    every = np.ones(len(pictures), bool)
    labelled = Labelled(scored.maps, scored.image_scores, every, masks, kinds)
    check = check_defects(labelled, calibration.thresholds, calibration.budget.confidence)
    return Painted(labelled, replace(check, synthetic=True))


def _painted(image: Image, index: int) -> tuple[str, Image, Mask]:
    """Every kind in turn; on an image where nothing can be shifted to be seen, a scratch."""
    kind = (*PAINTED, *STRUCTURAL)[index % (len(PAINTED) + len(STRUCTURAL))]
    if kind in STRUCTURAL:
        altered, mask = alter(image, kind, index)
        if mask.any():
            return kind, altered, mask
        kind = PAINTED[0]
    return kind, *paint_defect(image, kind, index)
