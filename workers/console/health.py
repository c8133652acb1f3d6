"""What a console tells of itself over HTTP."""

from collections.abc import Callable, Sequence

from stream_inspector.threshold.share import Share
from workers.console.asking.judged import Certificate
from workers.console.history.database import Database
from workers.console.history.retention import count
from workers.console.observed import Observed
from workers.console.reading.feed import Feed, problems
from workers.runtime.errors import StoreUnavailable
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.console import ConsoleMetrics
from workers.runtime.telemetry.metrics.table import Values

_BOUNDS = {"observed": "value", "lower": "low", "upper": "high"}


def tell(metrics: ConsoleMetrics, observed: Observed) -> None:
    """What people say, as metrics; of what nobody knows there is no series."""

    def bounds(share: Callable[[Certificate], Share | None]) -> Callable[[], Values]:
        return lambda: {
            (category, bound): getattr(found, name)
            for category, each in observed.look().certificates.items()
            if (found := share(each)) is not None
            for bound, name in _BOUNDS.items()
        }

    def each(figure: Callable[[Certificate], float]) -> Callable[[], Values]:
        return lambda: {(name,): figure(c) for name, c in observed.look().certificates.items()}

    metrics.false_alarms.ask(bounds(lambda found: found.rates.false_alarms))
    metrics.escapes.ask(bounds(lambda found: found.rates.escapes))
    metrics.certified.ask(each(lambda found: found.certified))
    metrics.audited.ask(each(lambda found: found.rates.audited))
    metrics.missed.ask(lambda: {(name,): n for name, n in observed.look().missed.items()})


def health(
    settings: HealthSettings,
    metrics: ConsoleMetrics,
    feeds: Sequence[Feed],
    database: Database,
    observed: Observed,
) -> HealthServer:
    """Unready while the database does not answer; topics that are not read are a note."""

    def ready() -> str | None:
        try:
            with database.read() as connection:
                connection.exec_driver_sql("SELECT 1")
        except StoreUnavailable as error:
            return str(error)
        return None

    def notes() -> str | None:
        return "; ".join(problems(feeds)) or None

    def each(figure: Callable[[Feed], float]) -> Callable[[], Values]:
        return lambda: {(feed.topic,): figure(feed) for feed in feeds}

    metrics.read.ask(each(lambda feed: feed.read))
    metrics.passed_over.ask(each(lambda feed: feed.passed_over))
    metrics.behind.ask(each(lambda feed: feed.left))
    metrics.reading.ask(each(lambda feed: float(feed.problem is None)))
    metrics.outcomes.ask_one(lambda: count(database))
    tell(metrics, observed)
    return HealthServer(settings, metrics.registry, ready=ready, notes=notes)
