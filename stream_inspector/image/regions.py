"""Anomalous regions of a score map: components, outlines, and their place in the original frame.

Used by judge alone. Outlines run along pixel edges, so they enclose exactly the region's pixels.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stream_inspector.image.view.canvas import Placement
from stream_inspector.verdict import Region, ScoreMap

MOST_REGIONS = 50
MOST_POINTS = 64  # of one outline
_EXACT_POINTS = 12
_EIGHT_CONNECTED = np.ones((3, 3))
# Heading (dx, dy) -> the two pixels ahead of a corner (x, y), as (row, column) offsets: left, right
_AHEAD = {
    (1, 0): ((-1, 0), (0, 0)),
    (0, 1): ((0, 0), (0, -1)),
    (-1, 0): ((0, -1), (-1, -1)),
    (0, -1): ((-1, -1), (-1, 0)),
}

Mask = NDArray[np.bool_]  # [H, W]
Box = tuple[slice, slice]
Point = tuple[int, int]  # (x, y)


def find_regions(
    score_map: ScoreMap, threshold: float, min_area: int, place: Placement
) -> tuple[Region, ...]:
    """8-connected regions above `threshold` with at least `min_area` pixels, highest peak first."""
    labels, count = ndimage.label(score_map > threshold, structure=_EIGHT_CONNECTED)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    kept = np.flatnonzero(areas[1:] >= min_area) + 1
    peaks = np.asarray(ndimage.maximum(score_map, labels, kept))
    strongest = kept[np.argsort(-peaks, kind="stable")][:MOST_REGIONS]
    boxes = ndimage.find_objects(labels)
    return tuple(
        _region(score_map, labels[box] == label, box, place)
        for label, box in ((int(label), boxes[label - 1]) for label in strongest)
    )


def peak_region(score_map: ScoreMap, place: Placement) -> Region:
    """The region around the highest score, down to half its height over the map's median."""
    half = (float(score_map.max()) + float(np.median(score_map[np.isfinite(score_map)]))) / 2
    labels, _ = ndimage.label(score_map >= half, structure=_EIGHT_CONNECTED)
    mask = labels == labels.flat[int(score_map.argmax())]
    (box,) = ndimage.find_objects(mask.astype(np.int8))
    return _region(score_map, mask[box], box, place)


def outline(mask: Mask) -> list[Point]:
    """Corners of the outer boundary of one 8-connected region, clockwise from its top left.

    Follows the edges between pixels with the region on the right hand. Where pixels touch only at
    a corner it turns left, on to the other pixel: diagonal neighbours belong together.
    """
    padded = np.pad(mask, 1)
    row = int(np.flatnonzero(mask.any(axis=1))[0])
    start = at = (int(np.flatnonzero(mask[row])[0]), row)
    heading, corners = (1, 0), [start]
    while True:
        at = (at[0] + heading[0], at[1] + heading[1])
        if at == start:
            return corners
        turned = _turn(padded, at, heading)
        if turned != heading:
            corners.append(at)
        heading = turned


def _turn(padded: Mask, at: Point, heading: Point) -> Point:
    left, right = (bool(padded[at[1] + 1 + r, at[0] + 1 + c]) for r, c in _AHEAD[heading])
    dx, dy = heading
    if left:
        return (dy, -dx)
    return heading if right else (-dy, dx)


def simplify(points: list[Point], most: int = MOST_POINTS) -> list[Point]:
    """Douglas-Peucker on a closed outline until at most `most` points are left.

    Tolerances are 0.75 px (the steps of the pixel grid), 1.5 px, 3 px, ... Small outlines stay
    exact; one that would collapse to a line becomes its bounding box.
    """
    if len(points) <= _EXACT_POINTS:
        return points
    tolerance, kept = 0.75, _douglas_peucker(points, 0.75)
    while len(kept) > most:
        tolerance *= 2
        kept = _douglas_peucker(points, tolerance)
    return kept if len(kept) > 2 else _bounding_box(points)


def _bounding_box(points: list[Point]) -> list[Point]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return [(min(xs), min(ys)), (max(xs), min(ys)), (max(xs), max(ys)), (min(xs), max(ys))]


def _douglas_peucker(points: list[Point], tolerance: float) -> list[Point]:
    ring = np.asarray([*points, points[0]], float)
    far = int(np.hypot(*(ring - ring[0]).T).argmax())
    keep, pending = {0, far}, [(0, far), (far, len(points))]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        distances = _distance_to_line(ring[first + 1 : last], ring[first], ring[last])
        if distances.max() > tolerance:
            middle = first + 1 + int(distances.argmax())
            keep.add(middle)
            pending += [(first, middle), (middle, last)]
    return [points[index] for index in sorted(keep)]


def _distance_to_line(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    along, offset = end - start, points - start
    length = math.hypot(*along)
    if length == 0:
        return np.asarray(np.hypot(offset[:, 0], offset[:, 1]))
    return np.asarray(np.abs(along[0] * offset[:, 1] - along[1] * offset[:, 0]) / length)


def _region(score_map: ScoreMap, mask: Mask, box: Box, place: Placement) -> Region:
    """A region of the map, given by its mask inside `box`, in pixels of the frame."""
    width, height = place.frame
    rows, columns = box
    x0, y0 = place.to_frame(columns.start, rows.start)
    x1, y1 = place.to_frame(columns.stop, rows.stop)
    left, top = math.floor(x0), math.floor(y0)
    right, bottom = min(width, math.ceil(x1)), min(height, math.ceil(y1))
    corners = (
        place.to_frame(x + columns.start, y + rows.start) for x, y in simplify(outline(mask))
    )
    polygon = [(min(width - 1, round(x)), min(height - 1, round(y))) for x, y in corners]
    return Region(
        x=left,
        y=top,
        width=right - left,
        height=bottom - top,
        polygon=tuple(polygon),
        area_px=max(1, round(int(mask.sum()) * place.scale[0] * place.scale[1])),
        peak_score=float(score_map[box][mask].max()),
    )
