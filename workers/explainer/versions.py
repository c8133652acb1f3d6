"""The model versions that verdicts name, loaded when they are asked for, within a bound."""

import gc
import time
from collections.abc import Callable

import structlog

from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.detectors.shelf import Shelf
from workers.runtime.errors import Transient
from workers.runtime.telemetry.metrics.explainer import ExplainerMetrics

_log = structlog.get_logger(__name__)

Fetch = Callable[[str], tuple[bytes, bytes]]  # version -> manifest, tensors
Load = Callable[[bytes, bytes], LoadedModel]
Size = Callable[[bytes], int]  # manifest -> bytes on the device


class Versions:
    """Belongs to one thread."""

    def __init__(
        self,
        fetch: Fetch,
        load: Load,
        size: Size,
        limit_bytes: int,
        metrics: ExplainerMetrics,
        *,
        prepare: Callable[[], None] = lambda: None,
    ):
        """`prepare` is called once, before the first verdict."""
        self._fetch, self._load, self._size, self._metrics = fetch, load, size, metrics
        self._shelf, self._prepare = Shelf(limit_bytes, 0.0), prepare
        self.loading = False  # which cannot be broken off

    def prepare(self) -> None:
        """What any version needs. What is in the way now may be gone when the first one comes."""
        try:
            self._prepare()
        except Transient as error:
            _log.warning("not prepared for models", reason=str(error))

    def get(self, version: str) -> LoadedModel:
        """The version, ready; others leave for it.

        Raises StoreUnavailable, UnknownVersion, CorruptVersion, ModelError, NoRoom, or what the
        device raises.
        """
        if version not in self._shelf:
            self.loading = True
            try:
                self._bring(version)
            finally:
                self.loading = False
        self._shelf.use(version, time.monotonic())
        return self._shelf[version]

    def _bring(self, version: str) -> None:
        _log.info("loading a model, which takes a while", version=version)
        manifest, tensors = self._fetch(version)
        self._make_room(version, self._size(manifest))
        started = time.monotonic()
        try:
            model = self._load(manifest, tensors)
        except Exception:
            self._metrics.model_loads.labels("refused").inc()
            raise
        self._shelf.put(model, time.monotonic())
        self._metrics.model_loads.labels("loaded").inc()
        seconds = round(time.monotonic() - started, 1)
        _log.info("model loaded", version=version, seconds=seconds, engine=model.engine)

    def _make_room(self, version: str, needed: int) -> None:
        now = time.monotonic()
        self._shelf.check(version, needed, ())
        leaving = self._shelf.leaving(needed, (), (), None, now) or []
        for each in leaving:
            self._shelf.remove(each)
        if leaving:
            _log.info("models leave memory", versions=leaving, for_version=version)
            gc.collect()
