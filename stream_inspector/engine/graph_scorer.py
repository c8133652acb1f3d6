"""A model version on ONNX Runtime or OpenVINO: one graph a category; needs no PyTorch."""

from collections.abc import Sequence

import numpy as np

from stream_inspector.engine.graph.whole import category_graph
from stream_inspector.engine.scorer import Scores
from stream_inspector.engine.sessions import SESSIONS, Array
from stream_inspector.errors import ModelCorrupt
from stream_inspector.image.view.cutting import cut
from stream_inspector.model.version import Model
from stream_inspector.score.names import members
from stream_inspector.verdict import Image

_CHUNK = 8  # images a run: bounds memory whatever the batch


class GraphScorer:
    """Scores with the whole detector as one graph. See `Scorer`."""

    def __init__(self, model: Model, engine: str, threads: int) -> None:
        """Raises EngineMissing, ModelCorrupt."""
        self.engine, self._model = engine, model
        try:
            self._runs = [
                SESSIONS[engine](
                    category_graph(model.preset, model.view(name), model.tensors, name, label),
                    threads,
                )
                for label, name in enumerate(model.categories)
            ]
        except KeyError as error:
            raise ModelCorrupt(f"the model lacks the tensor {error.args[0]}") from error

    def score(self, images: Sequence[Image], labels: Sequence[int]) -> Scores:
        """See `Scorer.score`."""
        order: list[int] = []
        found: list[list[Array]] = []
        for label in sorted(set(labels)):
            picked = [i for i, other in enumerate(labels) if other == label]
            for start in range(0, len(picked), _CHUNK):
                chunk = picked[start : start + _CHUNK]
                order += chunk
                found.append(self._run([images[i] for i in chunk], label))
        back = np.argsort(order)
        maps, scores = (np.concatenate([each[i] for each in found])[back] for i in (0, 1))
        inside, alone = (np.concatenate([e[i] for e in found], axis=1)[:, back] for i in (2, 3))
        names = members(self._model.preset)
        return Scores(
            maps,
            scores,
            dict(zip(names, inside, strict=True)),
            dict(zip(names, alone, strict=True)),
        )

    def _run(self, images: Sequence[Image], label: int) -> list[Array]:
        view = self._model.view(self._model.categories[label])
        tiles = cut(view, [view.prepare(image) for image in images])
        return self._runs[label](np.stack(tiles))
