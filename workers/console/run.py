"""Puts the console together and runs it to its end."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

import structlog

from workers.console.access.doors import Doors
from workers.console.access.sessions import Sessions
from workers.console.access.trail import Trail
from workers.console.app import make_app
from workers.console.calibrations import Calibrations
from workers.console.health import health
from workers.console.history.database import Database, open_database
from workers.console.history.retention import tidy
from workers.console.observed import Observed
from workers.console.pages.desk import Publish, Room
from workers.console.pages.shown import Shown
from workers.console.pictures.evidence import EvidencePictures
from workers.console.pictures.frames import Fetch, FramePictures
from workers.console.reading.feed import Feed, Lag, problems
from workers.console.reading.sources import sources
from workers.console.reports.making import Reports
from workers.console.serving import Serving
from workers.console.settings import ConsoleProcessSettings, ConsoleSettings
from workers.console.versions import ModelVersions
from workers.runtime.bus.ports import Reader
from workers.runtime.errors import StoreUnavailable, WorkerError
from workers.runtime.lifecycle import StopSignal
from workers.runtime.settings.base import read_secret
from workers.runtime.store.files import open_blobs
from workers.runtime.telemetry.metrics.console import ConsoleMetrics
from workers.runtime.watchdog import Pulse, Watchdog

log = structlog.get_logger(__name__)

Open = Callable[[str, Pulse, Mapping[int, int]], Reader]  # topic, pulse, positions

_TIDY_S = 60.0
_REPORTS_S = 60.0
_LOOK_S = 1.0


def open_history(settings: ConsoleSettings) -> Database:
    """The database that the settings name. Raises SettingsError or ServerUnreachable."""
    password = read_secret(
        settings.database_password, settings.database_password_file, "console.database_password"
    )
    return open_database(settings.database, password)


def run_console(
    settings: ConsoleProcessSettings,
    open_topic: Open,
    fetch: Fetch,
    publish: Publish,
    stop: StopSignal,
    *,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Run until a stop is asked for. `ready` is told the address. Raises Fatal."""
    with ExitStack() as stack:
        database = open_history(settings.console)
        stack.callback(database.close)
        feeds = [
            Feed(source, _connect(open_topic, source.topic), database)
            for source in sources(settings.topics)
        ]
        stopping = threading.Event()
        room = make_room(settings, database, feeds, fetch, publish, stopping=stopping)
        serving = Serving(make_app(room), settings.console)
        metrics = ConsoleMetrics()
        for feed in feeds:
            stack.enter_context(feed)
        observed = Observed(database, room.calibrations, settings.console.audit)
        stack.enter_context(health(settings.health, metrics, feeds, database, observed))
        stack.enter_context(serving)
        stack.callback(stopping.set)
        pulse = Pulse()
        others = [feed.pulse for feed in feeds]
        stack.enter_context(Watchdog(pulse, settings.kafka.hung_after_s, others=others))
        log.info("console", url=serving.url, database=settings.console.database.partition(":")[0])
        ready(serving.url)
        _keep(room, serving, Lag(feeds), pulse, stop)


def make_room(
    settings: ConsoleProcessSettings,
    database: Database,
    feeds: list[Feed],
    fetch: Fetch,
    publish: Publish,
    *,
    stopping: threading.Event,
) -> Room:
    """What the pages stand on."""
    console, url = settings.console, settings.evidence.url
    sessions = Sessions(database, console.access.session_hours)
    shown, evidence = Shown(), EvidencePictures(open_blobs(url) if url else None)
    versions = ModelVersions(settings.models, settings.redis)
    return Room(
        settings=settings,
        database=database,
        doors=Doors(console.access, sessions, database.secret()),
        trail=Trail(database),
        shown=shown,
        evidence=evidence,
        frames=FramePictures(settings.topics.frames, fetch, console.picture_cache_mb * 2**20),
        versions=versions,
        calibrations=Calibrations(versions.store),
        reports=Reports(console.report, database, evidence, shown.text),
        publish=publish,
        problems=lambda: problems(feeds),
        stopping=stopping,
    )


def _connect(open_topic: Open, topic: str) -> Callable[[Pulse, Mapping[int, int]], Reader]:
    return lambda pulse, positions: open_topic(topic, pulse, positions)


def _keep(room: Room, serving: Serving, lag: Lag, pulse: Pulse, stop: StopSignal) -> None:
    """The history within its bounds and reports when shifts are over, until the end.

    After a time away it is read first: a report is made once.
    """
    tidy_s = reports_s = 0.0
    while not stop.wait(_LOOK_S):
        pulse.beat()
        if not serving.alive:
            raise WorkerError(f"pages are not served any more: {serving.failure}")
        if time.monotonic() >= tidy_s:
            pulse.rest()  # a large history takes its time
            _tidy(room.database, room.settings.console)
            tidy_s = time.monotonic() + _TIDY_S
        if time.monotonic() >= reports_s and not lag.lasts():
            pulse.rest()
            room.reports.make_due(datetime.now(UTC))
            reports_s = time.monotonic() + _REPORTS_S
    pulse.rest()


def _tidy(database: Database, settings: ConsoleSettings) -> None:
    try:
        removed = tidy(database, settings.keep_days, settings.keep_rows)
    except StoreUnavailable as error:
        log.warning("the history is not kept within its bounds", reason=str(error)[:300])
        return
    if removed:
        log.info("removed what is beyond console.keep_days or console.keep_rows", rows=removed)
