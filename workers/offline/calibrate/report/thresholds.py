"""The page of `calibrate --report`: curve, chosen point, scores, and the images nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from stream_inspector.image.pictures import heat_range, heatmap
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.defects import DefectCheck, Labelled
from stream_inspector.threshold.pixels import share_above
from stream_inspector.verdict import Image, ScoreMap
from workers.offline.calibrate.held_out import GoodScores, HeldOut
from workers.offline.calibrate.report.figures import rate_figure, score_histogram
from workers.offline.images.views import usual_frame
from workers.offline.report.page import Album, Picture, environment
from workers.offline.scoring.labelled import LabelledImages
from workers.runtime.moments import said

NEAREST = 8  # good images, and as many escaped defects
_ROWS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3)  # of the table that are shown


@dataclass(frozen=True)
class Tested:
    """Labelled images with their scores."""

    images: LabelledImages
    scored: Labelled


@dataclass(frozen=True)
class Shown:
    """Everything the page tells of."""

    category: str
    version: str
    calibration: Calibration
    held: HeldOut
    good: GoodScores
    test: Tested | None
    painted: DefectCheck | None
    view: View


@dataclass(frozen=True, slots=True)
class ScoreCard:
    """One image beside its scores."""

    title: str
    score: float
    alarms: bool
    near: bool
    shape: tuple[int, int]  # (width, height) of what is inspected, in pixels as captured
    input: Picture
    heat: Picture


def write_thresholds(path: Path, shown: Shown) -> Path:
    """Write the page; returns its path."""
    album = Album(path)
    made, check = shown.calibration, shown.calibration.defects or shown.painted
    text = (
        environment(__package__)
        .get_template("thresholds.html.j2")
        .render(
            category=shown.category,
            version=shown.version,
            when=said(datetime.now(UTC)),
            made=made,
            check=check,
            curve=_curve(shown, check),
            scores=score_histogram(made, _defect_scores(shown.test)),
            rows=[_nearest_row(made, rate) for rate in _ROWS],
            nearest=_nearest_good(shown, album),
            escaped=_escaped(shown, album),
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")  # names of files
    return path


def _curve(shown: Shown, check: DefectCheck | None) -> str:
    """The chosen point lies at the rate that its threshold has on the calibrating images."""
    if check is None:
        return ""
    rate = share_above(shown.good.maps, shown.calibration.pixel_threshold)
    return rate_figure(check.curve, rate, check.pro)


def _defect_scores(test: Tested | None) -> Sequence[float]:
    return [] if test is None else test.scored.image_scores[test.scored.defective].tolist()


def _nearest_row(made: Calibration, rate: float) -> tuple[float, float]:
    return min(made.fpr_table, key=lambda row: abs(np.log(row[0] / rate)))


def _nearest_good(shown: Shown, album: Album) -> list[ScoreCard]:
    """The good images nearest to the threshold, the highest score first."""
    scores = shown.good.image_scores
    order = np.argsort(np.abs(scores - shown.calibration.image_threshold), kind="stable")[:NEAREST]
    picked = sorted(order.tolist(), key=lambda index: -float(scores[index]))
    images, maps, paths = shown.held.images, shown.good.maps, shown.held.paths
    found = (_Scored(paths[i], paths[i].name, float(scores[i]), images[i], maps[i]) for i in picked)
    return [_card(shown, each, album) for each in found]


def _escaped(shown: Shown, album: Album) -> list[ScoreCard]:
    """Defective images that do not alarm, the lowest score first."""
    if shown.test is None:
        return []
    scored, images = shown.test.scored, shown.test.images
    passed = scored.defective & (scored.image_scores <= shown.calibration.image_threshold)
    lowest = sorted(np.flatnonzero(passed).tolist(), key=lambda i: float(scored.image_scores[i]))
    found = (
        _Scored(
            images.files[i].path,
            f"{images.files[i].kind}/{images.files[i].path.name}",
            float(scored.image_scores[i]),
            images.images[i],
            scored.maps[i],
        )
        for i in lowest[:NEAREST]
    )
    return [_card(shown, each, album) for each in found]


@dataclass(frozen=True, slots=True)
class _Scored:
    file: Path
    title: str
    score: float
    image: Image
    score_map: ScoreMap


def _card(shown: Shown, of: _Scored, album: Album) -> ScoreCard:
    made, view = shown.calibration, shown.view
    heat = heatmap(of.image, of.score_map, *heat_range(made.pixel_threshold))
    return ScoreCard(
        title=of.title,
        score=of.score,
        alarms=of.score > made.image_threshold,
        near=made.near_miss_threshold < of.score <= made.image_threshold,
        shape=view.place(usual_frame([of.file], view.upright)).size(view.canvas),
        input=album.add("Input", of.image, of.file),
        heat=album.add("Scores", heat),
    )
