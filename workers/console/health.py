"""What a console tells of itself over HTTP."""

from collections.abc import Callable, Sequence

from workers.console.history.database import Database
from workers.console.history.retention import count
from workers.console.reading.feed import Feed
from workers.runtime.errors import StoreUnavailable
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.console import ConsoleMetrics
from workers.runtime.telemetry.metrics.table import Values


def health(
    settings: HealthSettings, metrics: ConsoleMetrics, feeds: Sequence[Feed], database: Database
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
        return "; ".join(feed.problem for feed in feeds if feed.problem) or None

    def each(figure: Callable[[Feed], float]) -> Callable[[], Values]:
        return lambda: {(feed.topic,): figure(feed) for feed in feeds}

    metrics.read.ask(each(lambda feed: feed.read))
    metrics.passed_over.ask(each(lambda feed: feed.passed_over))
    metrics.behind.ask(each(lambda feed: feed.left))
    metrics.reading.ask(each(lambda feed: float(feed.problem is None)))
    metrics.outcomes.ask_one(lambda: count(database))
    return HealthServer(settings, metrics.registry, ready=ready, notes=notes)
