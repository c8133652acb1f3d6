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
from stream_inspector.threshold.defects import DefectCheck, Labelled, check_defects
from stream_inspector.verdict import Image
from workers.offline.progress import OnWork
from workers.offline.scoring.maps import score_ensemble

MOST = 40  # images


def painted_defects(
    detector: Detector,
    images: Sequence[Image],
    category: str,
    calibration: Calibration,
    on_work: OnWork,
) -> DefectCheck:
    """What the thresholds do to painted defects; only comparisons of such curves mean anything."""
    chosen = images[:: max(1, -(-len(images) // MOST))]
    painted = [_painted(image, index) for index, image in enumerate(chosen)]
    scored = score_ensemble(
        detector, [image for image, _ in painted], category, partial(on_work, "painted defects")
    )
    labelled = Labelled(
        scored.maps,
        scored.image_scores,
        np.ones(len(painted), bool),
        [mask for _, mask in painted],
    )
    check = check_defects(labelled, calibration.thresholds, calibration.budget.confidence)
    return replace(check, synthetic=True)


def _painted(image: Image, index: int) -> tuple[Image, Mask]:
    """Every kind in turn; on an image where nothing can be shifted to be seen, a scratch."""
    kind = (*PAINTED, *STRUCTURAL)[index % (len(PAINTED) + len(STRUCTURAL))]
    if kind in STRUCTURAL:
        altered, mask = alter(image, kind, index)
        if mask.any():
            return altered, mask
        kind = PAINTED[0]
    return paint_defect(image, kind, index)
