"""What a process's table is made of: each metric has a unit in its name and bounded labels."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream_inspector import __version__
from workers.runtime.telemetry.lines import LINES

_log = structlog.get_logger(__name__)

Values = Mapping[tuple[str, ...], float]  # label values -> value

# Seconds of one step: from the decoding of a small frame to worker.frame_deadline_s, after which
# the process ends. Factors of 2 to 2.5: a quantile is read to within that.
STEP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A metric as Prometheus shows it, and what bounds each of its labels."""

    name: str
    kind: str
    text: str
    labels: Mapping[str, str]


# What the client library tells of every process on Linux.
PROCESS = (
    Entry("process_resident_memory_bytes", "gauge", "Memory in use", {}),
    Entry("process_virtual_memory_bytes", "gauge", "Address space", {}),
    Entry("process_cpu_seconds_total", "counter", "Processor time", {}),
    Entry("process_start_time_seconds", "gauge", "Start, seconds since 1970", {}),
    Entry("process_open_fds", "gauge", "Open files and connections", {}),
    Entry("process_max_fds", "gauge", "Most that may be open", {}),
)


class Snapshot(Collector):
    """A metric whose series are replaced as a whole: what is gone leaves no series behind."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._ask: Callable[[], Values] = dict

    def hold(self, values: Values) -> None:
        """These are the series from now on; a scrape never sees half of them."""
        self._ask = lambda: values

    def ask(self, source: Callable[[], Values]) -> None:
        """Take the values from a source at each scrape."""
        self._ask = source

    def ask_one(self, source: Callable[[], float]) -> None:
        """The same for a metric without labels."""
        self._ask = lambda: {(): source()}

    def describe(self) -> Iterable[Metric]:
        """The family without a series, as the registry wants it."""
        yield self._family()

    def collect(self) -> Iterable[Metric]:
        """The family with its series."""
        family = self._family()
        for labels, value in self._values().items():
            family.add_metric(labels, value)
        yield family

    def _values(self) -> Values:
        try:
            return self._ask()
        except Exception as error:  # a device that is gone must not take the other metrics along
            _log.warning("metric not told", metric=self._entry.name, reason=repr(error))
            return {}

    def _family(self) -> CounterMetricFamily | GaugeMetricFamily:
        made = CounterMetricFamily if self._entry.kind == "counter" else GaugeMetricFamily
        return made(self._entry.name, self._entry.text, labels=tuple(self._entry.labels))


class Table:
    """A process's metrics. A subclass makes each of them once, under its namespace."""

    namespace: ClassVar[str]

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # The library's series that say when a counter was made: twice as many, and nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry or CollectorRegistry()
        self.entries: list[Entry] = [*PROCESS]
        ProcessCollector(registry=self.registry)
        self.build = self._snapshot(
            "build_info", "1 for the version that runs", version="one: the program's"
        )
        self.build.hold({(__version__,): 1.0})
        self.dropped_lines = self._tally(
            "dropped_log_lines", "Log lines that could not be made or written"
        )
        self.dropped_lines.ask_one(lambda: LINES.dropped)

    def _counter(self, name: str, text: str, **labels: str) -> Counter:
        entry = self._enter("counter", f"{name}_total", text, labels)
        return Counter(entry.name, text, tuple(labels), registry=self.registry)

    def _gauge(self, name: str, text: str, **labels: str) -> Gauge:
        entry = self._enter("gauge", name, text, labels)
        return Gauge(entry.name, text, tuple(labels), registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], **labels: str
    ) -> Histogram:
        entry = self._enter("histogram", name, text, labels)
        return Histogram(entry.name, text, tuple(labels), registry=self.registry, buckets=buckets)

    def _snapshot(self, name: str, text: str, **labels: str) -> Snapshot:
        return self._register(self._enter("gauge", name, text, labels))

    def _tally(self, name: str, text: str, **labels: str) -> Snapshot:
        """A counter that somebody else counts: it is asked at each scrape."""
        return self._register(self._enter("counter", f"{name}_total", text, labels))

    def _register(self, entry: Entry) -> Snapshot:
        snapshot = Snapshot(entry)
        self.registry.register(snapshot)
        return snapshot

    def _enter(self, kind: str, name: str, text: str, labels: Mapping[str, str]) -> Entry:
        entry = Entry(f"{self.namespace}_{name}", kind, text, labels)
        self.entries.append(entry)
        return entry
