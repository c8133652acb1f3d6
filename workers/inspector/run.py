"""Connects the inspector to real servers, stores and devices."""

from collections.abc import Callable, Mapping
from functools import partial

import structlog

from workers.inspector.guard.crash_log import CrashLog
from workers.inspector.loop import Inspector
from workers.inspector.models.keeper import ModelKeeper
from workers.inspector.models.source import FixedModels, ModelSource
from workers.inspector.pipeline.beside import ShadowWriter
from workers.inspector.pipeline.intake import MAX_RECORDS
from workers.inspector.settings import InspectorSettings
from workers.inspector.trial.process import COMMAND, FetchModel, TrialProcess
from workers.runtime.bus.kafka.admin.limits import check_limits
from workers.runtime.bus.kafka.connect import connect_consumer, connect_producer, create_topics
from workers.runtime.bus.kafka.delivery import connect_delivery
from workers.runtime.bus.ports import Consumer, Delivery, Positions, RebalanceListener
from workers.runtime.categories import Category
from workers.runtime.detectors.device import model_memory
from workers.runtime.detectors.loading import ModelLoader, null_model
from workers.runtime.errors import ServerUnreachable, StoreUnavailable
from workers.runtime.host.allocator import keep_freed_memory
from workers.runtime.host.machine import machine_kind
from workers.runtime.lifecycle import StopSignal
from workers.runtime.registry.choices import noted_choice
from workers.runtime.registry.registry import Registry
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import KeyValueStore
from workers.runtime.store.redis import RedisStore, connect_store
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.inspector import InspectorMetrics
from workers.runtime.telemetry.tracing import Tracing, open_tracing
from workers.runtime.watchdog import Watchdog

_log = structlog.get_logger(__name__)

_UNANSWERED_S = 60.0  # a large model takes its time
TRIAL = COMMAND  # of the process in which suspected frames are tried


def run_worker(
    settings: InspectorSettings, categories: Mapping[str, Category], stop: StopSignal
) -> None:
    """Inspect until stopped. Raises Fatal."""
    keep_freed_memory()
    _log.info("starting", categories=sorted(categories), broker=settings.kafka.bootstrap_servers)
    with open_tracing(settings.tracing, "worker", settings.worker_id) as tracing:
        _run(settings, categories, stop, tracing)


def _run(
    settings: InspectorSettings,
    categories: Mapping[str, Category],
    stop: StopSignal,
    tracing: Tracing | None,
) -> None:
    kafka, client_id = settings.kafka, f"inspector-{settings.worker_id}"
    metrics = InspectorMetrics(categories=categories)
    with stop.at_once():
        keeper, fetch = _models(settings, categories, metrics)
        if settings.topics.create:
            partitions = dict.fromkeys(settings.topics.names(), settings.topics.partitions)
            create_topics(kafka, partitions)
        names = settings.topics
        events = (names.outcomes, names.defects)
        check_limits(kafka, names.frames, names.dead_letters, events=events)
    store = RedisStore(settings.redis)
    needs_redis = settings.models.require_redis and settings.models.null_detector_ms is None
    shadows = ShadowWriter(lambda: connect_producer(kafka, f"{client_id}-shadows"))
    inspector = Inspector(
        settings,
        frozenset(categories),
        keeper,
        CrashLog(store, settings.worker.group),
        trials=TrialProcess(settings, keeper, fetch, TRIAL),
        metrics=metrics,
        servers={"models": lambda: unanswered(keeper)}
        | ({"redis": lambda: _problem(store)} if needs_redis else {}),
        tracing=tracing,
        announce=shadows.put,
    )

    def connect(listener: RebalanceListener) -> Consumer:
        topics = [settings.topics.frames]
        group = settings.worker.group
        written = (settings.topics.outcomes, settings.topics.defects, settings.topics.dead_letters)
        return connect_consumer(
            kafka, group, topics, client_id, listener, max_records=MAX_RECORDS, watched=written
        )

    def deliver(consumer: Consumer, commit: Callable[[Positions], None]) -> Delivery:
        worker = settings.worker
        return connect_delivery(
            kafka,
            worker.group,
            client_id,
            consumer,
            commit,
            guarantee=worker.delivery,
            transactional_id=worker.transactional_id,
        )

    vitals = inspector.vitals
    health = HealthServer(
        settings.health, metrics.registry, vitals.live, vitals.ready, vitals.notes
    )
    with shadows, health, Watchdog(vitals.pulse, kafka.hung_after_s):
        inspector.run(connect, deliver, stop)


def unanswered(keeper: ModelSource) -> str | None:
    """Why no activation is heard of: a store that hangs raises nothing."""
    asking_s = keeper.asking_s
    if asking_s < _UNANSWERED_S:
        return None
    return f"no answer of models.store for {asking_s:.0f} s: activations are not seen"


def _problem(store: KeyValueStore) -> str | None:
    """Why the store does not answer or takes no writes (crashes are noted there), or None."""
    try:
        store.check()
    except StoreUnavailable as error:
        return str(error)
    return None


def _models(
    settings: InspectorSettings, categories: Mapping[str, Category], metrics: InspectorMetrics
) -> tuple[ModelSource, FetchModel]:
    """What is inspected with, and where a version's files are to be had."""
    null_ms = settings.models.null_detector_ms
    if null_ms is not None:
        _log.warning("null detector: nothing is inspected, every frame passes")
        null = FixedModels(dict.fromkeys(categories, null_model(null_ms, categories)))
        return null, lambda version: (b"", b"")  # noqa: ARG005
    cache = _cache(settings.redis, settings.models.require_redis)
    registry = Registry(open_blobs(settings.models.store), cache, settings.redis.cache_bytes)
    models = settings.models
    load = ModelLoader(models, measured=partial(noted_choice, registry, machine=machine_kind()))
    keeper = ModelKeeper(
        registry,
        load,
        categories,
        categories,
        size=load.size,
        limit_bytes=model_memory(models.device, models.memory_mb),
        patience_s=models.patience_s,
        metrics=metrics,
    )
    return keeper, registry.fetch


def _cache(redis: RedisSettings, required: bool) -> KeyValueStore:
    try:
        return connect_store(redis)
    except ServerUnreachable as error:
        if required:
            raise
        _log.warning("starting without Redis: models come from the store", reason=str(error))
        return RedisStore(redis)  # it connects when there is somebody
