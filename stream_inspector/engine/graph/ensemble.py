"""Raw maps -> one map and image scores as a graph, as `score/ensemble.py` computes them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stream_inspector.engine.graph.matrices import enlarging, placing
from stream_inspector.engine.graph.writer import Array, Graph, integers
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import ramps
from stream_inspector.presets import Preset
from stream_inspector.score.names import members

_GROUP = 64  # pixels searched together for the largest ones
_VIEWS = 2  # of each member: global and per position


@dataclass(frozen=True, slots=True)
class Combined:
    """Names of what a graph gives, of the ensemble and of each member."""

    map: str  # [B, H, W]
    score: str  # [B]
    maps: str  # [M, B, H, W]
    scores: str  # [M, B]


class Ensemble:
    """Writes normalisation, enlarging and weighing into a graph."""

    def __init__(self, graph: Graph, preset: Preset, view: View, tensors: Mapping[str, Array]):
        self._graph, self._preset, self._view, self._tensors = graph, preset, view, tensors
        self._members = members(preset)

    def combined(self, raw: Mapping[str, str]) -> Combined:
        """Tiles' raw maps [B * T, h, w] by name -> maps of the canvas and image scores."""
        g, (height, width), count = self._graph, self._view.canvas, len(self._members)
        views = g.op("Concat", *(self._views(name, raw) for name in self._members), axis=0)
        large = self._enlarged(views)  # [M * V, B, H, W]
        spread = self._stacked("spread").astype(np.float32)
        centre = self._stacked("centre")
        standard = g.op("Sub", self._tops(large), centre[:, None])
        standard = g.op("Div", standard, spread.astype(np.float64)[:, None])
        scores = g.mean(g.shaped(standard, count, _VIEWS, -1), 1)
        even = g.op("Div", large, spread[:, None, None, None])
        maps = g.mean(g.shaped(even, count, _VIEWS, -1, height, width), 1)
        weights = self._weights()
        whole = g.op(
            "ReduceSum",
            g.op("Mul", maps, weights[:, None, None, None].astype(np.float32)),
            integers(0),
            keepdims=0,
        )
        score = g.op("ReduceSum", g.op("Mul", scores, weights[:, None]), integers(0), keepdims=0)
        return Combined(self._masked(whole), score, self._masked(maps), scores)

    def _views(self, member: str, raw: Mapping[str, str]) -> str:
        """Both z-scores of a member, [V, B, h, w]; of KL the mean over its steps."""
        g = self._graph
        names = [n for n in raw if n.startswith("kl.")] if member == "kl" else [member]
        found = [self._standard(name, self._merged(raw[name])) for name in names]
        if len(found) == 1:
            return found[0]
        return g.op("Mul", g.op("Sum", *found), np.float32(1 / len(found)))

    def _standard(self, name: str, maps: str) -> str:
        mean, deviation, overall = (
            self._tensors[f"normalise.{name}.{part}"] for part in ("mean", "deviation", "overall")
        )
        everywhere = np.ones_like(mean)
        centre = np.stack([everywhere * overall[0], mean + overall[2] * deviation])
        scale = np.stack([everywhere * overall[1], deviation * overall[3]])
        both = self._graph.op(
            "Sub", self._graph.op("Unsqueeze", maps, integers(0)), centre[:, None]
        )
        return self._graph.op("Div", both, scale[:, None])

    def _merged(self, maps: str) -> str:
        """Maps of tiles [B * T, h, w] -> of the canvas [B, H, W] without seams."""
        view, g = self._view, self._graph
        if len(view.corners) == 1:
            return maps
        h, w = self._preset.grid
        coarser = view.tile[0] // h
        height, width = (side // coarser for side in view.canvas)
        tops = sorted({y // coarser for y, _ in view.corners})
        lefts = sorted({x // coarser for _, x in view.corners})
        rows = placing(tops, ramps(view.rows, h, view.overlap[0] // coarser), height)
        columns = placing(lefts, ramps(view.columns, w, view.overlap[1] // coarser), width)
        apart = g.shaped(maps, -1, view.rows, view.columns, h, w)
        beside = g.op("Transpose", apart, perm=[0, 1, 3, 2, 4])
        beside = g.shaped(beside, -1, view.rows * h, view.columns * w)
        return g.both_ways(beside, rows, columns)

    def _enlarged(self, views: str) -> str:
        """On the canvas; only inspected cells contribute."""
        g, view = self._graph, self._view
        h, w = (side // (view.tile[0] // self._preset.grid[0]) for side in view.canvas)
        rows = enlarging(h, view.canvas[0], self._preset.smoothing)
        columns = enlarging(w, view.canvas[1], self._preset.smoothing)
        if view.complete:
            return g.both_ways(views, rows, columns)
        cells = view.cells((h, w)).astype(np.float32)
        large = g.both_ways(g.op("Mul", views, cells), rows, columns)
        return g.op("Div", large, np.maximum(rows @ cells @ columns.T, np.float32(1e-6)))

    def _tops(self, large: str) -> str:
        """Mean of the largest inspected pixels of each map, double precision, [M * V, B]."""
        g, view = self._graph, self._view
        pixels = g.shaped(large, -1, view.canvas[0] * view.canvas[1])
        count = view.canvas[0] * view.canvas[1]
        if not view.complete:
            places = np.flatnonzero(view.valid)
            pixels, count = g.op("Gather", pixels, places, axis=1), len(places)
        largest = g.op("Cast", self._largest(pixels, count), to=11)  # double
        return g.shaped(g.mean(largest, 1), _VIEWS * len(self._members), -1)

    def _largest(self, pixels: str, count: int) -> str:
        """The largest of each row: they lie in as many groups, those with the largest maxima."""
        g, top = self._graph, min(self._preset.top_pixels, count)
        groups = count // _GROUP
        if groups <= top:
            return g.ops("TopK", 2, pixels, integers(top), axis=1, sorted=0)[0]
        whole = g.op("Slice", pixels, integers(0), integers(groups * _GROUP), integers(1))
        grouped = g.shaped(whole, -1, groups, _GROUP)
        peaks = g.op("ReduceMax", grouped, integers(2), keepdims=0)
        _, chosen = g.ops("TopK", 2, peaks, integers(top), axis=1, sorted=0)
        kept = g.op("GatherND", grouped, g.op("Unsqueeze", chosen, integers(2)), batch_dims=1)
        kept = g.shaped(kept, -1, top * _GROUP)
        if count % _GROUP:
            rest = g.op("Slice", pixels, integers(groups * _GROUP), integers(count), integers(1))
            kept = g.op("Concat", kept, rest, axis=1)
        return g.ops("TopK", 2, kept, integers(top), axis=1, sorted=0)[0]

    def _masked(self, maps: str) -> str:
        """-inf where nothing is inspected."""
        if self._view.complete:
            return maps
        return self._graph.op("Where", self._view.valid, maps, np.float32(-np.inf))

    def _stacked(self, part: str) -> Array:
        """Centre or spread of all members' views, [M * V]."""
        return np.concatenate([self._tensors[f"views.{m}.{part}"] for m in self._members])

    def _weights(self) -> Array:
        """Of the members in the ensemble, adding up to one; 0 for those to compare with."""
        given = dict(self._preset.weights)
        return np.array([given.get(m, 0.0) for m in self._members]) / sum(given.values())
