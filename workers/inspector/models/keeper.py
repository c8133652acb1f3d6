"""Keeps the categories' active versions ready: loaded beside what is in use, then swapped.

All loading is done on one thread of its own (`follow`). Redis or the artefact store may be away at
any time, and a version may be broken: what was good goes on. With more categories than memory,
those used longest ago leave and come back when frames ask for them (`shelf.py` says who leaves).
"""

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog

from workers.inspector.models.refusals import Refusals
from workers.inspector.models.shelf import NoRoom, Shelf
from workers.inspector.models.source import Models, OnTrial
from workers.inspector.models.switchboard import Switchboard
from workers.inspector.work import LoadedModel
from workers.runtime.categories import Category, asks_for_another
from workers.runtime.errors import Fatal, WorkerError
from workers.runtime.registry.registry import Registry
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics
from workers.runtime.watchdog import Pulse

_log = structlog.get_logger(__name__)

LoadModel = Callable[[bytes, bytes], LoadedModel]  # manifest, tensors -> ready on the device
SizeModel = Callable[[bytes], int]  # manifest -> bytes that the model will take on the device

_TICK_S = 0.05  # while frames wait for a model
_HEAR_S = 1.0
_CALM_S = 0.5  # after a notice: whoever floods the channel must not keep the stores busy
_RELEASE_S = 20.0  # until a batch and its explanations have let go of a model that leaves


class _NotNow(Exception):
    """There will be room when others have done their work."""


def nothing_known(manifest: bytes) -> int:  # noqa: ARG001
    """The size of a model that takes no memory worth counting."""
    return 0


class ModelKeeper:
    """The ModelSource of a real worker."""

    def __init__(
        self,
        registry: Registry,
        load: LoadModel,
        categories: Iterable[str],
        configured: Mapping[str, Category] | None = None,
        *,
        size: SizeModel = nothing_known,
        limit_bytes: int = 2**62,
        patience_s: float = 2.0,
        metrics: InspectorMetrics | None = None,
    ):
        """`limit_bytes` bounds what is loaded; frames wait `patience_s` for one that has work."""
        self._registry, self._load, self._size = registry, load, size
        self._board = Switchboard(registry, categories)
        self._configured = configured or {}
        self._metrics = metrics or InspectorMetrics()
        self._lock = threading.Lock()  # of everything below
        self._shelf = Shelf(limit_bytes, patience_s)
        self._serving: dict[str, str] = {}  # ... that it is inspected with, in memory or not
        self._refused = Refusals()
        self._sizes: dict[str, int] = {}  # of versions that were seen
        self._wanted: dict[str, float] = {}  # category -> since when a frame waits
        self._leaving: list[Callable[[], object]] = []  # models that were let go of; None: gone
        self._busy: frozenset[str] = frozenset()  # versions that admitted frames wait for
        self._models = Models(missing=dict(self._board.unknown))
        self._news, self._stale = threading.Event(), False
        self._asking = Pulse()  # while the stores are asked
        self._metrics.model_memory.ask(self._memory)
        self._metrics.model_refused.ask(self._refusals)

    # -- asked by other threads -------------------------------------------------------------------

    @property
    def models(self) -> Models:
        """The view of this moment."""
        return self._models

    @property
    def asking_s(self) -> float:
        """For how long an answer of the stores has been waited for (seconds)."""
        return max(0.0, self._asking.silent_s)

    def want(self, category: str) -> None:
        """A frame waits for the category's model."""
        with self._lock:
            if category not in self._models.loaded:
                self._wanted.setdefault(category, time.monotonic())
        self._news.set()

    def turn(self, waiting: Mapping[str, float], version: str | None) -> None:
        """Between two batches: since when admitted frames wait, and which version is next."""
        with self._lock:
            if version is not None:
                self._shelf.use(version, time.monotonic())
            self._busy = frozenset(self._serving[c] for c in waiting if c in self._serving)
            absent = waiting.keys() - self._models.loaded.keys()
            for category in absent:
                self._wanted.setdefault(category, waiting[category])
        if absent:
            self._news.set()

    # -- the threads that load and listen ---------------------------------------------------------

    def follow(self, stop: threading.Event, every_s: float) -> None:
        """Look for activations every so often and when there is news, and load what is wanted."""
        looked_at = time.monotonic()
        while not stop.is_set():
            due_s = looked_at + every_s - time.monotonic()
            self._news.wait(min(_TICK_S, due_s) if self._wanted else max(0.0, min(due_s, _HEAR_S)))
            self._news.clear()
            told, self._stale = self._stale, False
            if told or looked_at + every_s <= time.monotonic():
                looked_at = time.monotonic()
                self.refresh(told=told)
            else:
                self._load_wanted()

    def listen(self, stop: threading.Event) -> None:
        """Hear of activations; what is missed is found by looking."""
        notices = self._registry.changes()
        while not stop.is_set():
            if notices.wait(_HEAR_S):
                self._stale = True
                self._news.set()
                stop.wait(_CALM_S)
        notices.close()

    def refresh(self, *, told: bool = False) -> None:
        """Look for new activations once and load them. Never raises for a single category.

        `told`: there was a notice, or one may have been missed; what was refused may be repaired.
        """
        if told:
            self._refused.forgive()
        for category in self._board.categories:
            with self._asking.watching():
                self._board.look(category, time.monotonic(), doubt=told)
            self._load_wanted()  # looking may take long while a server hangs
        for category in self._board.categories:
            self._switch(category)
        self._fill()
        self._bring_trials()
        self._publish()

    # -- the loading thread -----------------------------------------------------------------------

    def _load_wanted(self) -> None:
        """What frames wait for, longest first."""
        with self._lock:
            wanted = sorted(self._wanted.items(), key=lambda each: each[1])
        for category, asked_at in wanted:
            self._bring(category, asked_at)

    def _switch(self, category: str) -> None:
        """A category whose model is in memory changes over to the version that is active now."""
        if (
            category in self._models.loaded
            and self._serving[category] != self._board.active[category]
        ):
            self._bring(category, self._board.since[category])

    def _fill(self) -> None:
        """Load ahead what was never loaded, as long as nothing has to leave for it."""
        for category, version in list(self._board.active.items()):
            # one that was never seen is taken to be like the others
            size = self._sizes.get(version, max(self._sizes.values(), default=0))
            if category not in self._models.loaded and self._fits(version, size):
                self._bring(category, ahead=True)

    def _fits(self, version: str, size: int) -> bool:
        return version in self._shelf or self._shelf.bytes + size <= self._shelf.limit

    def _bring(self, category: str, asked_at: float | None = None, *, ahead: bool = False) -> None:
        """Get the category's active version into use, or an earlier one while that is refused."""
        for version in self._candidates(category):
            if not self._refused.allows(category, version, time.monotonic()):
                continue
            try:
                model = self._ready(category, version, asked_at, ahead)
            except _NotNow:
                return
            except Fatal:
                raise
            except Exception as error:  # a version that cannot be loaded must not stop the others
                self._refuse(category, version, error)
            else:
                self._install(category, model)
                return
        self._publish()

    def _bring_trials(self) -> None:
        """Load what is on trial, where nothing has to leave for it; let go of what no longer is."""
        self._let_go()
        for category, trial in list(self._board.trials.items()):
            version, now = trial.version, time.monotonic()
            known = version in self._shelf or category not in self._models.loaded
            if known or not self._refused.allows(category, version, now):
                continue
            try:
                model = self._ready(category, version, None, ahead=True)
            except _NotNow:
                self._refuse(category, version, NoRoom(f"no room beside the others for {trial}"))
            except Fatal:
                raise
            except Exception as error:
                self._refuse(category, version, error)
            else:
                with self._lock:
                    self._shelf.put(model, now)
                _log.info("model on trial", category=category, trial=str(trial))

    def _let_go(self) -> None:
        with self._lock:
            used = {*self._serving.values(), *(t.version for t in self._board.trials.values())}
            self._leaving += [
                weakref.ref(self._shelf.remove(each)) for each in self._shelf if each not in used
            ]

    def _candidates(self, category: str) -> Iterator[str]:
        """The active version, then the last good one, or what was active before a fresh start."""
        active, serving = self._board.active.get(category), self._serving.get(category)
        yield from dict.fromkeys(each for each in (active, serving) if each is not None)
        if serving is None and active is not None and self._refused.broken(category, active):
            yield from self._board.earlier(category)

    def _ready(
        self, category: str, version: str, asked_at: float | None, ahead: bool
    ) -> LoadedModel:
        """The version in memory; loads it when it is not. Raises _NotNow, or what is wrong."""
        if version in self._shelf:
            model = self._shelf[version]
        else:
            model = self._loaded(category, version, asked_at, ahead)
        if category not in model.calibrations:
            raise WorkerError(
                f"the active version {version} is for {', '.join(model.calibrations)}, "
                f"not for {category}: activate another or calibrate it for {category}"
            )
        return model

    def _fetch(self, version: str) -> tuple[bytes, bytes]:
        with self._asking.watching():
            return self._registry.fetch(version)

    def _loaded(
        self, category: str, version: str, asked_at: float | None, ahead: bool
    ) -> LoadedModel:
        files = None
        _log.info("loading a model, which takes a while", category=category, version=version)
        if version not in self._sizes:
            files = self._fetch(version)
            self._sizes[version] = self._size(files[0])
        size = self._sizes[version]
        if ahead and not self._fits(version, size):
            raise _NotNow
        self._make_room(category, version, size, asked_at)
        started = time.monotonic()
        model = self._load(*(files or self._fetch(version)))
        self._sizes[version] = model.bytes
        if model.bytes > size:
            self._make_room(category, version, model.bytes, asked_at)
        seconds = time.monotonic() - started
        _log.info("model loaded", version=version, seconds=round(seconds, 1), engine=model.engine)
        self._metrics.model_load.observe(seconds)
        self._metrics.model_loads.labels("loaded").inc()
        return model

    def _make_room(self, category: str, version: str, size: int, asked_at: float | None) -> None:
        """Let others leave. What the category is inspected with now stays beside the new one."""
        shelf, now = self._shelf, time.monotonic()
        keep = {self._serving[category]} if category in self._models.loaded else set[str]()
        shelf.check(version, size, keep)
        with self._lock:
            leaving = shelf.leaving(size, keep, self._busy, asked_at, now)
            if leaving is None:
                raise _NotNow
            self._leaving += [weakref.ref(shelf.remove(each)) for each in leaving]
        if leaving:
            self._metrics.model_evictions.inc(len(leaving))
            _log.info("models leave memory", versions=leaving, for_version=version)
            self._publish()
        _wait_for_release(self._leaving)
        self._leaving.clear()

    def _install(self, category: str, model: LoadedModel) -> None:
        before = self._serving.get(category)
        with self._lock:
            if model.version not in self._shelf:
                owed = category in self._wanted
                self._shelf.put(model, time.monotonic(), owed=owed)
            self._serving[category] = model.version
            self._wanted.pop(category, None)
            self._refused.remove(category, model.version)
        self._let_go()
        self._publish()
        if before != model.version:
            _log.info("model in use", category=category, version=model.version, before=before)
            self._compare_views(category, model)

    def _refuse(self, category: str, version: str, error: Exception) -> None:
        """Say it once, go on with what there is, and try again later and later."""
        news = self._refused.add(category, version, error, time.monotonic())
        self._metrics.model_loads.labels("refused").inc()
        if news:
            goes_on = self._serving.get(category)
            _log.error(
                "model version refused",
                category=category,
                version=version,
                reason=f"{type(error).__name__}: {error}",
                goes_on_with=None if goes_on == version else goes_on,
            )

    def _publish(self) -> None:
        """Show the other threads what there is now, in one assignment."""
        with self._lock:
            loaded = {
                category: self._shelf[version]
                for category, version in self._serving.items()
                if version in self._shelf
            }
            refused = self._refused.reasons()
            named = [(c, self._board.trouble(c, refused)) for c in self._board.categories]
            trouble = {category: why for category, why in named if why is not None}
            missing = {
                category: why
                for category, why in trouble.items()
                if category not in loaded and not self._named(category) - refused.keys()
            }
            held_back = {
                c: f"{why}; inspected with {self._serving[c]}" if c in self._serving else why
                for c, why in trouble.items()
                if c not in missing
            }
            for category in missing.keys() - self._models.missing.keys():
                _log.error(
                    "category cannot be inspected", category=category, reason=missing[category]
                )
            trials = {
                category: OnTrial(trial, self._shelf[trial.version])
                for category, trial in self._board.trials.items()
                if category in loaded
                and trial.version in self._shelf
                and category in self._shelf[trial.version].calibrations
            }
            self._models = Models(loaded, missing, held_back, trials)

    def _named(self, category: str) -> set[tuple[str, str]]:
        """The active version and the last good one."""
        versions = (self._board.active.get(category), self._serving.get(category))
        return {(category, version) for version in versions if version is not None}

    def _compare_views(self, category: str, model: LoadedModel) -> None:
        """The model looks as it was trained to; say so when the category's file wants otherwise."""
        configured = self._configured.get(category)
        if configured and asks_for_another(configured, model.trained_views.get(category)):
            _log.warning(
                "the category's file asks for another view than the model was trained with; frames "
                "are inspected through the model's own: train again with --categories",
                category=category,
                version=model.version,
            )

    # -- metrics ----------------------------------------------------------------------------------

    def _memory(self) -> dict[tuple[str, ...], float]:
        with self._lock:
            loaded = self._shelf.bytes
        return {("loaded",): float(loaded), ("limit",): float(self._shelf.limit)}

    def _refusals(self) -> dict[tuple[str, ...], float]:
        active = set(self._board.active.copy().items())
        return dict.fromkeys(active & self._refused.reasons().keys(), 1.0)


def _wait_for_release(gone: Iterable[Callable[[], object]]) -> None:
    """Until a batch in work has let go of the models, so that the bound on memory holds."""
    deadline = time.monotonic() + _RELEASE_S
    while any(model() is not None for model in gone):
        if time.monotonic() > deadline:
            _log.warning("a model that has left is still in use", seconds=_RELEASE_S)
            return
        time.sleep(0.005)
