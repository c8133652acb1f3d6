"""Traces: what a span is, how contexts travel, and who is told of spans that are over.

Processes make spans as plain values and hold `None` where tracing is off (no `tracing.endpoint`):
then nothing of OpenTelemetry is imported. Contexts travel as W3C `traceparent`, the CloudEvents
extension for distributed tracing.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from workers.runtime.settings import TracingSettings

Kind = Literal["internal", "producer", "consumer"]


@dataclass(frozen=True, slots=True)
class Context:
    """Names a span: 32 and 16 hex digits, and whether its trace is recorded."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def header(self) -> str:
        """As W3C traceparent."""
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02x}"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took from `started` to `ended`."""

    name: str
    context: Context
    started: datetime
    ended: datetime
    parent: Context | None = None
    kind: Kind = "internal"
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    links: tuple[Context, ...] = ()
    error: str | None = None


Tell = Callable[[Span], None]


class Tracing:
    """Decides which traces are recorded, and hands finished spans on."""

    def __init__(self, tell: Tell, share: float) -> None:
        self.tell, self._share = tell, share

    def samples(self, trace_id: str) -> bool:
        """Whether a trace that begins here is recorded; the same answer for the same id."""
        return int(digest(trace_id, digits=13), 16) < self._share * 16**13

    def begin(self, trace_id: str) -> Context:
        """The first span of a trace."""
        return Context(trace_id, os.urandom(8).hex(), self.samples(trace_id))


def parse(traceparent: str | None) -> Context | None:
    """The context of a well-formed traceparent."""
    if traceparent is None:
        return None
    _, trace_id, span_id, flags = traceparent.split("-")[:4]
    return Context(trace_id, span_id, sampled=bool(int(flags, 16) & 1))


def digest(*parts: object, digits: int) -> str:
    """Hex digits that are the same for the same parts: ids that need not be carried about."""
    text = "\x1f".join(map(str, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def child(parent: Context, name: str) -> Context:
    """A context below another; one of each name."""
    return Context(parent.trace_id, digest(parent.header, name, digits=16), parent.sampled)


@contextmanager
def open_tracing(
    settings: TracingSettings, process: str, instance: str
) -> Iterator[Tracing | None]:
    """Tracing to `tracing.endpoint`, or None where there is none. Raises SettingsError."""
    if settings.endpoint is None:
        yield None
        return
    from workers.runtime.otlp import OtlpExporter

    exporter = OtlpExporter(settings.endpoint, f"stream-inspector-{process}", instance)
    try:
        yield Tracing(exporter.tell, settings.sample_share)
    finally:
        exporter.close()
