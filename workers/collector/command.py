"""`stream-inspector collect`: flags and help. Nothing heavy is imported before it runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, complain
from workers.runtime.moments import ago
from workers.runtime.settings.process import parse_assignments

Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file, e.g. configs/collector.yaml")
]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
Out = Annotated[
    Path | None, typer.Option("--out", help="holds <category>/train/good; default: data")
]
Categories = Annotated[
    list[str] | None, typer.Option("--category", help="only this category, repeatable")
]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="only this camera, repeatable")]
Since = Annotated[
    str | None, typer.Option("--since", help="captured since: 90m, 2h, 3d or 2026-01-31T08:00Z")
]
Until = Annotated[str | None, typer.Option("--until", help="captured before, likewise")]
Share = Annotated[
    str | None, typer.Option("--share", help="of the frames: 0.2 or 20%; always the same ones")
]
Limit = Annotated[
    int | None, typer.Option("--limit", help="good images of a category in its folder; 0: no limit")
]
Sorting = Annotated[
    str | None,
    typer.Option(
        "--verdict",
        help="any: take all; good: only what inspection passed; apart: near misses, defects and "
        "rejects go to <category>/apart/; reviewed: what people judged, into <category>/reviewed/",
    ),
]
Follow = Annotated[
    bool | None, typer.Option("--follow/--once", help="wait for more frames until the limit is met")
]
Topic = Annotated[str | None, typer.Option("--topic", help="of the frames; default: frames")]
Servers = Annotated[str | None, typer.Option("--bootstrap-servers", help="Kafka, host:port")]


def collect(
    *,
    out: Out = None,
    categories: Categories = None,
    cameras: Cameras = None,
    since: Since = None,
    until: Until = None,
    share: Share = None,
    limit: Limit = None,
    verdict: Sorting = None,
    follow: Follow = None,
    topic: Topic = None,
    servers: Servers = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Take frames from the live topic into a training folder; workers do not notice.

    The camera's own bytes go to <out>/<category>/train/good, which `train --data` reads, each frame
    once however often the command runs. collected.jsonl has a line for each: frame, camera, time of
    capture, outcome.

    Examples:

      stream-inspector collect --category bolts --limit 300 --follow

      stream-inspector collect --category bolts --camera line-2 --since 8h --verdict good

      stream-inspector collect --topic frames-setup --category nuts

      stream-inspector collect --verdict reviewed --category bolts
    """
    flags: dict[str, Any] = {
        "collect.out": out and str(out),
        "collect.categories": categories or None,
        "collect.cameras": cameras or None,
        "collect.share": share,
        "collect.limit": limit,
        "collect.verdict": verdict,
        "collect.follow": follow,
        "topics.frames": topic,
        "kafka.bootstrap_servers": servers,
    }
    now = datetime.now(UTC)
    given = {"--since": since, "--until": until}
    times = [None if text is None else ago(text, now, option) for option, text in given.items()]
    raise typer.Exit(_run(_load(config, assignments or [], flags), times))


def _load(config: Path | None, assignments: list[str], flags: dict[str, Any]) -> Any:
    from workers.collector.settings import CollectorProcessSettings

    given = {path: value for path, value in flags.items() if value is not None}
    try:
        return CollectorProcessSettings.load(config, parse_assignments(assignments) | given)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _run(settings: Any, times: list[datetime | None]) -> int:
    from workers.collector.run import run_collect
    from workers.collector.selection import Selection
    from workers.runtime.bus.kafka.reading.reader import KafkaReader
    from workers.runtime.lifecycle import StopSignal, run_process
    from workers.runtime.watchdog import Pulse, Watchdog

    how, (since, until) = settings.collect, times
    selection = Selection(
        frozenset(how.cameras), frozenset(how.categories), since, until, how.share
    )

    pulse = Pulse()

    def body(stop: StopSignal) -> None:
        def read(topic: str) -> KafkaReader:
            with stop.at_once():
                return KafkaReader(settings.kafka, topic, "stream-inspector-collect", since, pulse)

        with Watchdog(pulse, settings.kafka.hung_after_s):
            run_collect(settings, selection, read, stop, Terminal())

    return run_process("collect", settings.log, body)
