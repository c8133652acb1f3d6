"""A model version on ONNX Runtime or OpenVINO: one graph a category; needs no PyTorch."""

from collections.abc import Sequence

import numpy as np

from stream_inspector.engine.choice import Choice
from stream_inspector.engine.graph.whole import category_graph
from stream_inspector.engine.runs import plan
from stream_inspector.engine.scorer import Scores
from stream_inspector.engine.sessions import SESSIONS, Array
from stream_inspector.errors import ModelCorrupt
from stream_inspector.image.view.cutting import cut
from stream_inspector.model.version import Model
from stream_inspector.score.names import members
from stream_inspector.verdict import Image


class GraphScorer:
    """Scores with the whole detector as one graph. See `Scorer`."""

    def __init__(self, model: Model, choice: Choice, threads: int, only: str | None = None) -> None:
        """For all categories, or `only` one. Raises EngineMissing, ModelCorrupt."""
        self.name, self.engine = choice.name, choice.label
        self._model, self._costs = model, choice.batch_ms
        try:
            self._runs = {
                label: SESSIONS[choice.name](
                    category_graph(
                        *(model.preset, model.view(name), model.tensors, name, label),
                        eight_bits=choice.eight_bits,
                    ),
                    threads,
                )
                for label, name in enumerate(model.categories)
                if only in {None, name}
            }
        except KeyError as error:
            raise ModelCorrupt(f"the model lacks the tensor {error.args[0]}") from error

    def score(self, images: Sequence[Image], labels: Sequence[int]) -> Scores:
        """See `Scorer.score`."""
        order: list[int] = []
        found: list[list[Array]] = []
        for label in sorted(set(labels)):
            picked = [i for i, other in enumerate(labels) if other == label]
            order += picked
            for size in plan(len(picked), self._costs):
                chunk, picked = picked[:size], picked[size:]
                found.append(self._run([images[i] for i in chunk], label, size))
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

    def _run(self, images: Sequence[Image], label: int, size: int) -> list[Array]:
        """Of a run of `size` images, empty places filled with the last one."""
        view, count = self._model.view(self._model.categories[label]), len(images)
        prepared = [view.prepare(image) for image in images]
        tiles = cut(view, [*prepared, *prepared[-1:] * (size - count)])
        maps, scores, inside, alone = self._runs[label](np.stack(tiles))
        return [maps[:count], scores[:count], inside[:, :count], alone[:, :count]]
