"""The page of `calibrate --report`: curve, chosen point, scores, and the images nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from stream_inspector.image.pictures import heat_range, heatmap
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.defects import DefectCheck
from stream_inspector.threshold.pixels import share_above
from stream_inspector.verdict import Image, ScoreMap
from workers.offline.calibrate.report.figures import rate_figure, score_histogram
from workers.offline.calibrate.report.shown import Shown, Tested, trade_off
from workers.offline.calibrate.report.trade_off import trade_off_figure
from workers.offline.images.views import usual_frame
from workers.offline.report.page import Album, Picture, environment
from workers.runtime.host.whole_file import write_whole
from workers.runtime.moments import said

NEAREST = 8  # good images, and as many escaped defects
_ROWS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3)  # of the table that are shown


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
    made, painted = shown.calibration, shown.painted.check if shown.painted else None
    check = made.defects or painted
    drawn = check if check and check.curve else painted
    text = (
        environment(__package__)
        .get_template("thresholds.html.j2")
        .render(
            category=shown.category,
            version=shown.version,
            when=said(datetime.now(UTC)),
            made=made,
            check=check,
            painted=painted,
            settled=shown.settled,
            trade_off=_trade_off(shown),
            remedies=shown.remedies,
            drawn=drawn,
            curve=_curve(shown, drawn),
            scores=score_histogram(made, _defect_scores(shown.test)),
            rows=[_nearest_row(made, rate) for rate in _ROWS],
            nearest=_nearest_good(shown, album),
            escaped=_escaped(shown, album),
            price=_price(shown, album),
        )
    )
    write_whole(path, text)
    return path


def _trade_off(shown: Shown) -> str:
    made, test, painted = shown.calibration, shown.test, shown.painted
    return trade_off_figure(
        trade_off(made, test.scored) if test else None,
        trade_off(made, painted.scored) if painted else None,
        made.image_threshold,
        shown.settled,
    )


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


def _price(shown: Shown, album: Album) -> list[ScoreCard]:
    """Where two limits cannot hold: good images that alarm at the lower threshold and not at the
    higher one, those first that a small step would make alarm.
    """
    settled = shown.settled
    if settled is None or settled.both_hold:
        return []
    scores = shown.good.image_scores
    low, high = settled.by_escapes.threshold, settled.by_false_alarms.threshold
    between = np.flatnonzero((scores > low) & (scores <= high))
    picked = sorted(between.tolist(), key=lambda index: -float(scores[index]))[:NEAREST]
    images, maps, paths = shown.held.images, shown.good.maps, shown.held.paths
    found = (_Scored(paths[i], paths[i].name, float(scores[i]), images[i], maps[i]) for i in picked)
    return [_card(shown, each, album) for each in found]


def _escaped(shown: Shown, album: Album) -> list[ScoreCard]:
    """Defective images that do not alarm, the lowest score first."""
    if shown.test is None:
        return []
    scored, images = shown.test.scored, shown.test.images
    settled, highest = shown.settled, shown.calibration.image_threshold
    if settled and not settled.both_hold:
        highest = settled.by_false_alarms.threshold
    passed = scored.defective & (scored.image_scores <= highest)
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
    made = shown.calibration
    heat = heatmap(of.image, of.score_map, *heat_range(made.pixel_threshold))
    return ScoreCard(
        title=of.title,
        score=of.score,
        alarms=of.score > made.image_threshold,
        near=made.near_miss_threshold < of.score <= made.image_threshold,
        shape=_shape(shown.view, of),
        input=album.add("Input", of.image, of.file),
        heat=album.add("Scores", heat),
    )


def _shape(view: View, of: _Scored) -> tuple[int, int]:
    return view.place(usual_frame([of.file], view.upright)).size(view.canvas)
