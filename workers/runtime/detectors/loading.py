"""Makes a model version ready on the device, or stands in for one in benchmarks."""

import time
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import structlog

from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Image, Verdict
from workers.runtime.categories import trained_view
from workers.runtime.detectors.device import check_free, device_threads
from workers.runtime.detectors.libraries import importing
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.detectors.settings import DeviceSection

if TYPE_CHECKING:
    from stream_inspector.detector import Detector
    from stream_inspector.engine.choice import Choice
    from stream_inspector.model.version import Model

_log = structlog.get_logger(__name__)

NULL_VERSION = "null-detector"


class ModelLoader:
    """Loads versions on this worker's device, and checks them before anybody uses them."""

    def __init__(
        self,
        settings: DeviceSection,
        *,
        explains: bool = False,
        measured: Callable[[str], "Choice | None"] = lambda _: None,
    ):
        """`explains`: counterparts are made here, which needs memory of its own, and PyTorch on an
        accelerator and for some models.

        `measured`: version -> what was found to score it fastest on machines like this.
        """
        self._settings, self._explains, self._measured = settings, explains, measured

    @importing()
    def prepare(self) -> None:
        """Import what loading needs: seconds that the first version need not take."""
        import stream_inspector.detector

        if not self._settings.device.startswith("cpu"):
            _import_torch()
            return
        import stream_inspector.engine.graph_scorer

        if self._explains:
            import stream_inspector.counterpart.graph_explainer  # noqa: F401

    def size(self, manifest: bytes) -> int:
        """Bytes that a version will take on the device. Raises ModelCorrupt, or as a load does."""
        from stream_inspector.model.footprint import footprint_of

        return footprint_of(manifest, self._settings.device, explains=self._explains)

    @importing()
    def __call__(self, manifest: bytes, tensors: bytes) -> LoadedModel:
        """The version, ready. Raises ModelError, NoTemporaryFolder, or what the device raises."""
        from stream_inspector.errors import ModelUnsupported
        from stream_inspector.model.version import ModelFiles, load_model

        model = load_model(ModelFiles(manifest=manifest, tensors=tensors))
        if not model.calibrations:
            raise ModelUnsupported(
                f"version {model.version} is not calibrated: run `stream-inspector calibrate`"
            )
        check_free(self._settings.device, self.size(manifest))
        loaded = self._ready(model, self.size(manifest))
        if model.provisional:
            _log.warning(
                "this version is provisional: of few good images, without a network",
                version=model.version,
            )
        untested = sorted(model.calibrations.keys() - model.self_tests.keys())
        if untested:
            _log.warning(
                "this version has no self-test image: that its scores are right on this device is "
                "not checked; calibrate again to store one",
                version=model.version,
                categories=untested,
            )
        return loaded

    def _ready(self, model: "Model", size: int) -> LoadedModel:
        """As it was measured to be fastest; should that fail the self-test here, plainly."""
        from stream_inspector.errors import SelfTestFailed

        measured = self._measured(model.version)
        try:
            return self._checked(model, size, measured)
        except SelfTestFailed as error:
            if measured is None:
                raise
            _log.warning(
                "what was measured to be fastest is not used here: `model measure` measures again",
                version=model.version,
                engine=measured.label,
                reason=str(error),
            )
            return self._checked(model, size, None)

    def _checked(self, model: "Model", size: int, measured: "Choice | None") -> LoadedModel:
        from stream_inspector.detector import Detector
        from stream_inspector.engine.scorer import Forward

        settings = self._settings
        detector = Detector(
            model,
            settings.device,
            settings.engine,
            device_threads(settings.threads),
            Forward(settings.precision, settings.cuda_graphs),
            measured=measured,
        )
        loaded = LoadedModel(
            version=model.version,
            calibrations={name: each.id for name, each in model.calibrations.items()},
            views={name: model.view(name) for name in model.calibrations},
            inspect=detector.inspect,
            explain=detector.explain if self._explained(detector) else None,
            engine=str(detector.engine),
            trained_views={
                name: trained_view(model.provenance, name) for name in model.calibrations
            },
            bytes=size,
            references={name: each.reference for name, each in model.calibrations.items()},
        )
        for category in loaded.views:
            check(loaded, category, model)
        return loaded

    def _explained(self, detector: "Detector") -> bool:
        """Whether defects are explained here: what that needs is imported now, not at the first."""
        if not (self._explains and detector.explains):
            return False
        if detector.explains_in_torch:
            if not _import_torch():
                _log.warning(
                    "this model's defects get no counterparts here: that needs PyTorch, which is "
                    "not installed; set explainer.counterparts to false, or install the extra "
                    "`worker`"
                )
                return False
        else:
            import stream_inspector.counterpart.graph_explainer  # noqa: F401
        return True


def _import_torch() -> bool:
    """What explains in PyTorch; whether it is installed."""
    if find_spec("torch") is None:
        return False
    import timm  # noqa: F401

    import stream_inspector.counterpart.explainer  # noqa: F401

    return True


def check(loaded: LoadedModel, category: str, model: "Model") -> None:
    """Inspect the category's self-test image, or plain grey where the version has none.

    A version that cannot is not used. Raises ValueError, SelfTestFailed, ModelCorrupt.
    """
    height, width = loaded.views[category].canvas
    test = model.self_tests.get(category)
    image = model.self_test_image(category) if test else np.full((height, width, 3), 128, np.uint8)
    verdict = loaded.inspect([image], [(width, height)], [category])[0]
    if not np.isfinite(verdict.image_score) or verdict.score_map.shape != (height, width):
        raise ValueError(
            f"version {loaded.version} cannot inspect {category}: {verdict.image_score}"
        )
    if test:
        test.check(verdict.image_score)


def null_model(
    batch_ms: float, categories: Iterable[str], input_size: tuple[int, int] = (256, 256)
) -> LoadedModel:
    """Inspects nothing: passes every frame after `batch_ms` per batch. For benchmarks only."""
    empty = np.zeros(input_size, np.float32)

    def inspect(images: Sequence[Image], *_: object) -> list[Verdict]:
        time.sleep(batch_ms / 1000)
        verdict = Verdict(Grade.PASS, 0.0, 1.0, 1.0, (), empty)
        return [verdict] * len(images)

    names = list(categories)
    views = dict.fromkeys(names, View(input_size))
    calibrations = dict.fromkeys(names, NULL_VERSION)
    return LoadedModel(NULL_VERSION, calibrations, views, inspect, engine="none")
