"""Connects the explainer to real servers, stores and devices."""

from collections.abc import Callable
from functools import partial

import structlog

from workers.explainer.attempts import Attempts
from workers.explainer.loop import MAX_RECORDS, Explainer
from workers.explainer.pictures import EvidenceWriter
from workers.explainer.settings import ExplainerSettings
from workers.explainer.versions import Versions
from workers.runtime.bus.kafka.admin.limits import check_limits
from workers.runtime.bus.kafka.connect import connect_consumer, create_topics
from workers.runtime.bus.kafka.delivery import connect_delivery
from workers.runtime.bus.kafka.reading.lookup import KafkaLookup
from workers.runtime.bus.ports import Consumer, Delivery, Positions, RebalanceListener
from workers.runtime.detectors.device import model_memory
from workers.runtime.detectors.loading import ModelLoader
from workers.runtime.evidence.settings import EvidenceSection
from workers.runtime.host.machine import machine_kind
from workers.runtime.host.priority import give_way
from workers.runtime.lifecycle import StopSignal
from workers.runtime.registry.choices import noted_choice
from workers.runtime.registry.registry import Registry
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import BlobWriter
from workers.runtime.store.punctual import PunctualWriter
from workers.runtime.store.redis import RedisStore
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.explainer import ExplainerMetrics
from workers.runtime.telemetry.tracing import Tracing, open_tracing
from workers.runtime.watchdog import Watchdog

_log = structlog.get_logger(__name__)


def run_explainer(settings: ExplainerSettings, stop: StopSignal) -> None:
    """Explain until stopped. Raises Fatal."""
    give_way(settings.explainer.niceness)
    _log.info("starting", broker=settings.kafka.bootstrap_servers, reads=settings.read)
    with open_tracing(settings.tracing, "explainer", settings.explainer_id) as tracing:
        _run(settings, stop, tracing)


def _run(settings: ExplainerSettings, stop: StopSignal, tracing: Tracing | None) -> None:
    kafka, names, own = settings.kafka, settings.topics, settings.explainer
    client_id = f"explainer-{settings.explainer_id}"
    metrics = ExplainerMetrics()
    with stop.at_once():
        if names.create:
            needed = (names.frames, names.explanations, *settings.read)
            create_topics(kafka, dict.fromkeys(needed, names.partitions))
        check_limits(kafka, events=(names.explanations,))
    store = RedisStore(settings.redis)  # it connects when there is somebody
    explainer = Explainer(
        settings,
        _versions(settings, store, metrics),
        EvidenceWriter(_pictures(settings.evidence), metrics.evidence_failures.inc),
        Attempts(store, own.group),
        metrics=metrics,
        tracing=tracing,
    )

    def connect(listener: RebalanceListener) -> Consumer:
        watched = (names.explanations, names.frames)
        return connect_consumer(
            *(kafka, own.group, settings.read, client_id, listener),
            max_records=MAX_RECORDS,
            watched=watched,
        )

    def deliver(consumer: Consumer, commit: Callable[[Positions], None]) -> Delivery:
        return connect_delivery(
            *(kafka, own.group, client_id, consumer, commit),
            guarantee=own.delivery,
            transactional_id=own.transactional_id,
        )

    vitals = explainer.vitals
    health = HealthServer(settings.health, metrics.registry, vitals.live, vitals.ready)
    with health, Watchdog(vitals.pulse, kafka.hung_after_s):
        explainer.run(connect, deliver, lambda: KafkaLookup(kafka, f"{client_id}-frames"), stop)


def _versions(
    settings: ExplainerSettings, cache: RedisStore, metrics: ExplainerMetrics
) -> Versions:
    models, explains = settings.models, settings.explainer.counterparts
    registry = Registry(open_blobs(models.store), cache, settings.redis.cache_bytes)
    measured = partial(noted_choice, registry, machine=machine_kind())
    load = ModelLoader(models, explains=explains, measured=measured)
    limit = model_memory(models.device, models.memory_mb)
    return Versions(registry.fetch, load, load.size, limit, metrics, prepare=load.prepare)


def _pictures(evidence: EvidenceSection) -> BlobWriter | None:
    return PunctualWriter(open_blobs(evidence.url), evidence.timeout_s) if evidence.url else None
