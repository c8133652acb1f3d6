"""`stream-inspector line`: flags and help. Nothing heavy is imported before it runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import complain
from workers.runtime.settings.process import parse_assignments

line = typer.Typer(
    no_args_is_help=True, help="Planned pauses: cameras that may be silent for a while."
)

Cameras = Annotated[
    list[str] | None,
    typer.Option("--camera", help="camera id, or a quoted pattern like 'line-1-*'; repeatable"),
]
Why = Annotated[str, typer.Option(help="kept with the announcement")]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file, e.g. configs/dlq.yaml")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
Bootstrap = Annotated[str | None, typer.Option(help="Kafka, host:port")]


@line.command()
def pause(
    *,
    until: Annotated[str, typer.Option(help="45m, 8h, 3d, or a time: 2026-01-31T14:00Z")],
    cameras: Cameras = None,
    why: Why = "",
    config: Config = None,
    assignments: Assignments = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Let cameras be silent until then: the notifier raises no alarm for it.

    Examples:

      stream-inspector line pause --until 45m --why "change of tools"

      stream-inspector line pause --camera line-1-cam-2 --camera 'line-3-*' --until 2026-01-31T14:00

    Without --camera it is meant for all of them. Times without a zone are UTC. At most
    31 days. Defects and missing frames are told all the same.
    """
    from workers.line.announce import end_of_pause
    from workers.runtime.moments import said

    end = end_of_pause(until, datetime.now(UTC))
    settings = _load(config, assignments or [], bootstrap_servers)
    code = _announce(settings, "paused", cameras or ["*"], why, end)
    if code == 0:
        minutes = (end - datetime.now(UTC)).total_seconds() / 60
        typer.echo(f"silence is no alarm until {said(end)}, in {minutes:.0f} min")
    raise typer.Exit(code)


@line.command()
def resume(
    *,
    cameras: Cameras = None,
    why: Why = "",
    config: Config = None,
    assignments: Assignments = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """End pauses before their time; without --camera all of them.

    Examples:

      stream-inspector line resume

      stream-inspector line resume --camera line-1-cam-2

    Pauses that the notifier's settings plan (notifier.watch.planned_pauses) stay.
    """
    settings = _load(config, assignments or [], bootstrap_servers)
    raise typer.Exit(_announce(settings, "resumed", cameras or ["*"], why, None))


def _load(config: Path | None, assignments: list[str], bootstrap_servers: str | None) -> Any:
    from workers.line.announce import LineSettings

    given = {"kafka.bootstrap_servers": bootstrap_servers} if bootstrap_servers else {}
    try:
        return LineSettings.load(config, parse_assignments(assignments) | given)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _announce(
    settings: Any, state: str, cameras: list[str], why: str, until: datetime | None
) -> int:
    from schemas.camera_state import CameraCondition
    from workers.line.announce import announce, states
    from workers.runtime.bus.kafka import connect as kafka
    from workers.runtime.lifecycle import run_process

    messages = states(CameraCondition(state), cameras, why=why, until=until)

    def body(_: object) -> None:
        topics = settings.topics
        if topics.create:
            kafka.create_topics(settings.kafka, {topics.camera_states: topics.partitions})
        producer = kafka.connect_producer(settings.kafka, "stream-inspector-line")
        try:
            announce(producer, topics.camera_states, messages)
        finally:
            producer.close()

    return run_process("line", settings.log, body)
