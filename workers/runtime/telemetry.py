"""Logs and metrics: how they are set up, and the one table of metric names."""

import logging
import sys
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from workers.runtime.settings import LogSettings

# The client repeats itself while a broker is away; our own adapters say it once, in our words.
_NOISY = ("kafka", "fsspec", "urllib3", "PIL", "onnx_ir", "onnxscript", "torch")
_TELLING = ("kafka.net", "kafka.protocol")  # at debug they print requests, passwords included


def setup_logging(settings: LogSettings, process: str) -> None:
    """Send structlog and the standard library's logging to standard error, in one format."""
    level = getattr(logging, settings.level.upper())

    def name_process(logger: Any, method: str, event: Any) -> Any:  # noqa: ARG001  (fixed by structlog)
        """On every thread, unlike context variables."""
        event["process"] = process
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    plain = structlog.dev.RichTracebackFormatter(show_locals=False)  # locals may hold secrets
    renderer: Any = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=plain
    )
    if settings.format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL if level > logging.DEBUG else level)
    for name in _TELLING:
        logging.getLogger(name).setLevel(logging.INFO if level <= logging.DEBUG else logging.NOTSET)


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class InspectorMetrics:
    """The inspector's metrics. Names end in their unit, as Prometheus asks."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.frames = self._counter("frames", "Frames read from the frames topic")
        self.outcomes = self._counter("outcomes", "Outcomes published", "verdict", "category")
        self.rejected = self._counter("rejected", "Frames not inspected", "reason")
        self.explained = self._counter("explanations", "Normal counterparts", "status")
        self.evidence_failures = self._counter("evidence_failures", "Pictures not stored")
        self.retries = self._counter("publish_retries", "Times a publication had to be repeated")
        self.batch_size = self._histogram("batch_size_frames", "Frames per batch", _SIZES)
        self.stage = self._histogram("stage_seconds", "Time per frame", _SECONDS, "stage")
        self.latency = self._histogram("latency_seconds", "Capture to verdict", _SECONDS)
        self.lag = self._gauge("lag_records", "Records not yet read", "partition")
        self.in_flight = self._gauge("in_flight_bytes", "Bytes from poll to publication")
        self.uncommitted = self._gauge(
            "since_progress_seconds", "Since the last commit while frames wait; 0 when caught up"
        )
        self.model = self._gauge("model_info", "1 for the version in use", "category", "version")
        self.ready = self._gauge("ready", "1 when frames can be inspected")
        self.stopped = self._gauge("stopped", "1 while reading rests: too many were rejected")
        self.expired = self._counter("expired", "Records that retention deleted before inspection")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace="inspector", registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace="inspector", registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            name, text, labels, namespace="inspector", registry=self.registry, buckets=buckets
        )
