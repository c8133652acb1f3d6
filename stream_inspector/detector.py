"""Images -> score maps -> verdicts: the only place where the steps of inspection meet."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from stream_inspector.counterpart.variants import (
    COUNTERPARTS,
    Counterpart,
    CounterpartSettings,
    OnRound,
)
from stream_inspector.engine.choice import Choice
from stream_inspector.engine.choose import TORCH, open_scorer
from stream_inspector.engine.scorer import EXACT, Forward, Scorer, Scores
from stream_inspector.engine.sessions import usable_threads
from stream_inspector.errors import ModelUnsupported
from stream_inspector.image.view.canvas import View
from stream_inspector.model.footprint import footprint
from stream_inspector.model.version import Model
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.judge import judge
from stream_inspector.verdict import Image, Verdict

if TYPE_CHECKING:
    from stream_inspector.counterpart.explainer import Explainer
    from stream_inspector.counterpart.graph_explainer import GraphExplainer

__all__ = ["Detector", "Scores"]


class Detector:
    """A model version on a device, ready to score. Not safe for concurrent calls.

    Needs PyTorch only where its engine is PyTorch, and for counterparts that need gradients.
    """

    def __init__(
        self,
        model: Model,
        device: str = "cpu",
        engine: str = "auto",
        threads: int | None = None,
        forward: Forward = EXACT,
        *,
        measured: Choice | None = None,
    ) -> None:
        """`measured`: what was found fastest on such a machine, for the engine "auto".

        Raises EngineMissing, ModelCorrupt, ModelUnsupported.
        """
        self.model, self.preset, self.device = model, model.preset, device
        self.bytes = footprint(model, device)
        self._scorer: Scorer = open_scorer(
            model, engine, device, threads, forward, measured=measured
        )
        self.engine, self._threads = self._scorer.engine, threads or usable_threads()

    def score(self, images: Sequence[Image], categories: Sequence[str] | None = None) -> Scores:
        """Score uint8 images [H, W, 3], canvases of their categories' views.

        A batch may mix the categories of a unified model; one category need not be named.
        """
        if not images:
            raise ValueError("there is no image to score")
        return self._scorer.score(images, self.model.labels(categories, len(images)))

    def inspect(
        self,
        images: Sequence[Image],
        original_sizes: Sequence[tuple[int, int]],
        categories: Sequence[str] | None = None,
    ) -> list[Verdict]:
        """Verdicts; regions in pixels of the frames as captured, (width, height) each.

        Raises ModelUnsupported when a category has no calibration.
        """
        calibrations = self._calibrations(categories, len(images))
        scores = self.score(images, categories)
        views = [self._view(k) for k in self.model.labels(categories, len(images))]
        return [
            judge(
                scores.maps[i],
                float(scores.image_scores[i]),
                {name: float(values[i]) for name, values in scores.member_image_scores.items()},
                calibrations[i],
                views[i].place(size),
            )
            for i, size in enumerate(original_sizes)
        ]

    def self_test(self) -> None:
        """Score each category's self-test image, where there is one. Raises SelfTestFailed."""
        for name, test in self.model.self_tests.items():
            scores = self.score([self.model.self_test_image(name)], [name])
            test.check(float(scores.image_scores[0]))

    @property
    def explains(self) -> bool:
        """Whether the model has a network that makes counterparts."""
        return not self.model.provisional

    def explain(
        self,
        images: Sequence[Image],
        verdicts: Sequence[Verdict],
        categories: Sequence[str] | None = None,
        *,
        settings: CounterpartSettings | None = None,
        on_round: OnRound | None = None,
    ) -> list[Counterpart]:
        """Normal counterparts of defective images, examined by a network that did not guide them.

        `settings` is the preset's variant unless given; `on_round` hears of every round of each
        image's tiles, one image after the other. Raises UnknownCategory, and ModelUnsupported where
        no network is trained.
        """
        if not self.explains:
            raise ModelUnsupported(f"model {self.model.version} is provisional: it has no network")
        labels = self.model.labels(categories, len(images))
        settings = settings or COUNTERPARTS[self.preset.counterpart]
        maker = self._maker(in_torch=self._needs_torch(settings))
        return maker.explain(images, verdicts, labels, settings, on_round)

    def examine(
        self, images: Sequence[Image], categories: Sequence[str] | None = None
    ) -> list[tuple[float, float]]:
        """The examiner's distance of each image from normal, and the end of its normal range."""
        maker = self._maker(in_torch=self.explains_in_torch)
        return maker.examine(images, self.model.labels(categories, len(images)))

    @property
    def explains_in_torch(self) -> bool:
        """Whether the preset's counterparts are made by PyTorch here."""
        return self._needs_torch(COUNTERPARTS[self.preset.counterpart])

    def _needs_torch(self, settings: CounterpartSettings) -> bool:
        return self.engine == TORCH or settings.needs_gradients

    def _maker(self, *, in_torch: bool) -> "Explainer | GraphExplainer":
        return self._in_torch if in_torch else self._on_graphs

    @cached_property
    def _on_graphs(self) -> "GraphExplainer":
        """Made at the first defect."""
        from stream_inspector.counterpart.graph_explainer import (  # noqa: PLC0415  onnx
            GraphExplainer,
        )

        return GraphExplainer(self.model, self._scorer.name, self._threads)

    @cached_property
    def _in_torch(self) -> "Explainer":
        """Loaded at the first defect."""
        import torch  # noqa: PLC0415  what scores may do without

        from stream_inspector.counterpart.explainer import Explainer  # noqa: PLC0415
        from stream_inspector.model.assembly import to_tensors  # noqa: PLC0415

        device = torch.device(self.device)
        return Explainer(self.model, to_tensors(self.model.tensors, device), device)

    def _view(self, label: int) -> View:
        """What images of a class show; all views of a model have the same tiles."""
        return self.model.view(self.model.categories[label])

    def _calibrations(self, categories: Sequence[str] | None, count: int) -> list[Calibration]:
        """The thresholds that hold for each image."""
        named = [self.model.categories[k] for k in self.model.labels(categories, count)]
        for name in named:
            if name not in self.model.calibrations:
                raise ModelUnsupported(
                    f"model {self.model.version} has no thresholds for {name}: calibrate it first"
                )
        return [self.model.calibrations[name] for name in named]
