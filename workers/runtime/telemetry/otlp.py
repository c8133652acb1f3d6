"""Spans to an OpenTelemetry collector, by OTLP over HTTP, in the background.

The one place that names OpenTelemetry (extra `tracing`). Its standard variables hold for what is no
setting of ours, e.g. OTEL_EXPORTER_OTLP_HEADERS. Spans that the collector does not take are lost.
"""

import threading
from datetime import datetime
from typing import Any

from stream_inspector import __version__
from workers.runtime.errors import SettingsError
from workers.runtime.telemetry.spans import Context, Span

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
except ImportError as error:
    raise SettingsError(
        f"tracing.endpoint: {error.name} is not installed; install the extra `tracing`: "
        "pip install '.[tracing]' in the checkout"
    ) from None

_TIMEOUT_S = 5.0  # of one export; a stopping process waits for the last one


class _GivenIds(IdGenerator):
    """Hands out the ids of the span that this thread is about to make."""

    def __init__(self) -> None:
        self.next = threading.local()

    def generate_trace_id(self) -> int:
        return int(self.next.context.trace_id, 16)

    def generate_span_id(self) -> int:
        return int(self.next.context.span_id, 16)


class OtlpExporter:
    """Takes finished spans. Any thread; never waits for the collector."""

    def __init__(self, endpoint: str, service: str, instance: str) -> None:
        """`endpoint` is the full URL, e.g. http://collector:4318/v1/traces."""
        self._ids = _GivenIds()
        resource = {
            "service.name": service,
            "service.instance.id": instance,
            "service.version": __version__,
        }
        self._provider = TracerProvider(
            resource=Resource.create(resource),
            id_generator=self._ids,
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_links=1024),
        )
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("stream-inspector", __version__)

    def tell(self, span: Span) -> None:
        """Queue a span of a trace that is kept. It never ends before it began: clocks differ."""
        self._ids.next.context = span.context
        made = self._tracer.start_span(
            span.name,
            context=_parent(span.parent),
            kind=trace.SpanKind[span.kind.upper()],
            attributes=dict(span.attributes),
            links=[trace.Link(_as_otel(link)) for link in span.links],
            start_time=_ns(span.started),
        )
        if span.error is not None:
            made.set_status(trace.Status(trace.StatusCode.ERROR, span.error))
        made.end(_ns(max(span.started, span.ended)))

    def close(self) -> None:
        """Send what waits, for a few seconds at most: batches have a timeout each."""
        closing = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(_TIMEOUT_S + 1.0)


def _parent(parent: Context | None) -> Any:
    """What OpenTelemetry calls a context; empty for a trace's first span."""
    if parent is None:
        return trace.set_span_in_context(trace.INVALID_SPAN)
    return trace.set_span_in_context(trace.NonRecordingSpan(_as_otel(parent)))


def _as_otel(context: Context) -> Any:
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if context.sampled else 0)
    ids = int(context.trace_id, 16), int(context.span_id, 16)
    return trace.SpanContext(*ids, is_remote=True, trace_flags=flags)


def _ns(at: datetime) -> int:
    """Nanoseconds since 1970; exact to the microsecond, which a float is not."""
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000
