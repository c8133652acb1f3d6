"""Score map + calibration -> Verdict: the grade of a frame and where it is defective.

The last step of inspection. A score above its threshold alarms; equal to it does not.
"""

import math
from collections.abc import Mapping

import numpy as np

from stream_inspector.errors import InspectorError
from stream_inspector.image.regions import find_regions, peak_region
from stream_inspector.image.view.canvas import Placement
from stream_inspector.threshold.budget import Calibration
from stream_inspector.verdict import Grade, Region, ScoreMap, Verdict


def judge(
    score_map: ScoreMap,
    image_score: float,
    member_scores: Mapping[str, float],
    calibration: Calibration,
    place: Placement,
) -> Verdict:
    """The verdict on one map [H, W] of the canvas that lies in its frame as `place` says.

    A near miss lists the regions it has. A defect always lists one: where no pixel exceeds the
    pixel threshold over the minimum area, the surroundings of the peak. A pass lists none.
    """
    if not math.isfinite(image_score) or not (score_map < np.inf).all():
        raise InspectorError(
            f"image score {image_score} or its map is not finite; the model is unusable here"
        )
    grade = calibration.grade(image_score)
    return Verdict(
        grade=grade,
        image_score=float(image_score),
        image_threshold=calibration.image_threshold,
        pixel_threshold=calibration.pixel_threshold,
        regions=_regions(grade, score_map, calibration, place),
        score_map=score_map,
        member_scores=dict(member_scores),
    )


def _regions(
    grade: Grade, score_map: ScoreMap, calibration: Calibration, place: Placement
) -> tuple[Region, ...]:
    if grade is Grade.PASS:
        return ()
    found = find_regions(score_map, calibration.pixel_threshold, calibration.min_area_px, place)
    if grade is Grade.DEFECT and not found:
        return (peak_region(score_map, place),)
    return found
