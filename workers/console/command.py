"""`stream-inspector console`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import complain
from workers.runtime.settings.process import parse_assignments

Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file, e.g. configs/console.yaml")
]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
Host = Annotated[str | None, typer.Option(help="address to listen on; 0.0.0.0: all")]
Port = Annotated[int | None, typer.Option(help="of the pages")]
Store = Annotated[str | None, typer.Option("--database", help="sqlite:///FILE or postgresql://...")]
Evidence = Annotated[str | None, typer.Option("--evidence", help="as the workers' evidence.url")]
Bootstrap = Annotated[str | None, typer.Option(help="Kafka, host:port")]


def console(
    *,
    config: Config = None,
    assignments: Assignments = None,
    host: Host = None,
    port: Port = None,
    database: Store = None,
    evidence: Evidence = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Pages for the people at the line: watch the cameras, judge parts, look them up.

    Examples:

      stream-inspector console --set console.access.read_without_login=true

      stream-inspector console --config configs/console.yaml --host 0.0.0.0

      stream-inspector console-password     # prints the hash for console.access.users

    It reads topics beside the stage and costs it nothing; what it has read it keeps in a database
    of its own, which is made anew from the topics when it is lost. docs/console.md explains it.
    """
    flags: dict[str, Any] = {
        "console.host": host,
        "console.port": port,
        "console.database": database,
        "evidence.url": evidence,
        "kafka.bootstrap_servers": bootstrap_servers,
    }
    raise typer.Exit(_run(_load(config, assignments or [], flags)))


def password() -> None:
    """Ask for a password and print the hash that console.access.users takes.

    Example: stream-inspector console-password

    The password is not shown, and the hash cannot be turned back. Put it under
    console.access.users.NAME.password_hash, with a role: viewer, operator or engineer.
    """
    from workers.console.access.passwords import hash_password

    given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        typer.echo(hash_password(given))
    except ValueError as error:
        complain(f"stream-inspector console-password: {error}")
        raise typer.Exit(SettingsError.exit_code) from None


def _load(config: Path | None, assignments: list[str], flags: dict[str, Any]) -> Any:
    from workers.console.settings import ConsoleProcessSettings

    given = {path: value for path, value in flags.items() if value is not None}
    try:
        return ConsoleProcessSettings.load(config, parse_assignments(assignments) | given)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _run(settings: Any) -> int:
    from collections.abc import Mapping
    from contextlib import ExitStack
    from datetime import UTC, datetime, timedelta

    from workers.console.run import run_console
    from workers.runtime.bus.kafka import connect as kafka
    from workers.runtime.bus.kafka.reading.reader import KafkaReader
    from workers.runtime.bus.kafka.reading.single import KafkaRecords
    from workers.runtime.bus.ports import Outgoing
    from workers.runtime.lifecycle import StopSignal, run_process
    from workers.runtime.watchdog import Pulse

    client_id, names = "stream-inspector-console", settings.topics

    def open_topic(topic: str, pulse: Pulse, positions: Mapping[int, int]) -> KafkaReader:
        since = datetime.now(UTC) - timedelta(days=settings.console.keep_days)
        return KafkaReader(
            settings.kafka, topic, f"{client_id}-{topic}", since, pulse, positions=positions
        )

    def body(stop: StopSignal) -> None:
        with ExitStack() as stack:
            with stop.at_once():
                if names.create:
                    wanted = dict.fromkeys(names.names(), names.partitions)
                    kafka.create_topics(settings.kafka, wanted)
                producer = kafka.connect_producer(settings.kafka, client_id)
            stack.callback(producer.close)
            records = KafkaRecords(settings.kafka, f"{client_id}-frames")
            stack.callback(records.close)

            def publish(message: Outgoing) -> None:
                producer.publish([message])

            run_console(settings, open_topic, records.at, publish, stop)

    return run_process("console", settings.log, body)
