"""KL and feature error as a graph, as `score/scorer.py` and `score/kl.py` compute them."""

from collections.abc import Mapping

import numpy as np

from stream_inspector.engine.graph.matrices import antialiased, averaged
from stream_inspector.engine.graph.noise import Level, level, scalings
from stream_inspector.engine.graph.unet import UNet, embedded
from stream_inspector.engine.graph.writer import Array, Graph
from stream_inspector.presets import Preset
from stream_inspector.score.names import has_feature_error

_NETWORK = "network."


class Diffusion:
    """Writes the members of the scoring network into a graph."""

    def __init__(
        self, graph: Graph, preset: Preset, tensors: Mapping[str, Array], label: int
    ) -> None:
        self._graph, self._preset, self._tensors = graph, preset, tensors
        self._scoring, self._label = preset.scoring, label
        self._weights = {
            name.removeprefix(_NETWORK): value.astype(np.float32)
            for name, value in tensors.items()
            if name.startswith(_NETWORK)
        }

    def maps(self, x: str, white: str) -> dict[str, str]:
        """Images in [-1, 1] and their whitened features -> KL of each step, and the feature error
        where it is a score of its own.
        """
        g = self._graph
        x0 = white if self._preset.feature else self._shrunk(x)
        maps, errors = {}, []
        for step in self._scoring.score_steps:
            clean, variance, features = self._predicted(x0, step)
            maps[f"kl.{step}"] = self._on_grid(self._kl(x0, clean, variance, level(step)))
            wrong = g.op("Sub", features or clean, white) if has_feature_error(self._preset) else ""
            errors += [g.mean(g.op("Mul", wrong, wrong), 1)] if wrong else []
        if errors:
            total = errors[0] if len(errors) == 1 else g.op("Sum", *errors)
            maps["features"] = g.times(total, 1 / len(errors))
        return maps

    def _predicted(self, x0: str, step: int) -> tuple[str, str | None, str | None]:
        """The clean estimate at a noise level, the variance fractions and the features, if any."""
        scoring, g, at = self._scoring, self._graph, level(step)
        pixels = scoring.channels == 3
        sigma = float(self._tensors["sigma_data"]) if pixels else 1.0
        skip, out, inp = scalings(scoring.parameterisation, at.alpha_bar, sigma)
        x_t = g.times(x0, at.alpha_bar**0.5)
        if scoring.sampled:
            noise = self._tensors[f"noise.{step}"].astype(np.float32)
            x_t = g.op("Add", x_t, np.float32((1 - at.alpha_bar) ** 0.5) * noise)
        told = embedded(scoring.network, self._weights, step, self._label)
        network = UNet(g, scoring.network, self._weights, told)
        raw, features = network.predicted(g.times(x_t, inp), scoring.size)
        variance = None
        if scoring.network.learned_variance:
            raw, variance = g.ops("Split", 2, raw, axis=1, num_outputs=2)
        clean = g.times(raw, out)
        if skip:
            clean = g.op("Add", g.times(x_t, skip), clean)
        if pixels:
            clean = g.op("Clip", clean, np.float32(-1), np.float32(1))
        return clean, variance, features

    def _kl(self, x0: str, clean: str, variance: str | None, at: Level) -> str:
        g = self._graph
        wrong = g.op("Sub", clean, x0)
        weight = at.clean_weight**2 * np.exp(-at.posterior_log_variance)
        squared = g.times(g.op("Mul", wrong, wrong), float(weight))
        if variance is None:
            return g.times(g.mean(squared, 1), 0.5)
        half = (float(np.log(at.beta)) - at.posterior_log_variance) / 2
        ratio = g.op("Add", g.times(variance, half), np.float32(half))
        spread = g.op("Exp", g.op("Neg", ratio))
        spread = g.op("Mul", spread, g.op("Add", squared, np.float32(1)))
        total = g.op("Add", g.op("Sub", ratio, np.float32(1)), spread)
        return g.times(g.mean(total, 1), 0.5)

    def _shrunk(self, x: str) -> str:
        """Images at the size of the pixel network."""
        (h, w), (to_h, to_w) = self._preset.input_size, self._preset.pixel.size
        if (h, w) == (to_h, to_w):
            return x
        return self._graph.both_ways(x, antialiased(h, to_h), antialiased(w, to_w))

    def _on_grid(self, kl: str) -> str:
        (h, w), (to_h, to_w) = self._scoring.size, self._preset.grid
        if (h, w) == (to_h, to_w):
            return kl
        return self._graph.both_ways(kl, averaged(h, to_h), averaged(w, to_w))
