"""Traces: which are recorded, and who is told of spans that are over.

Processes make spans as plain values and hold `None` where tracing is off (no `tracing.endpoint`):
then nothing of OpenTelemetry is imported.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from workers.runtime.settings.process import TracingSettings
from workers.runtime.telemetry.spans import Context, Tell, digest


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


@contextmanager
def open_tracing(
    settings: TracingSettings, process: str, instance: str
) -> Iterator[Tracing | None]:
    """Tracing to `tracing.endpoint`, or None where there is none. Raises SettingsError."""
    if settings.endpoint is None:
        yield None
        return
    from workers.runtime.telemetry.otlp import OtlpExporter

    exporter = OtlpExporter(settings.endpoint, f"stream-inspector-{process}", instance)
    try:
        yield Tracing(exporter.tell, settings.sample_share)
    finally:
        exporter.close()
