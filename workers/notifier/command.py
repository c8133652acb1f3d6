"""`stream-inspector notifier`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, complain
from workers.runtime.listing import AsCsv, AsJson, Form, form
from workers.runtime.settings.process import parse_assignments

Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file, e.g. configs/notifier.yaml")
]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
File = Annotated[Path | None, typer.Option(help="append alarms to this file as JSON lines")]
Urls = Annotated[
    list[str] | None,
    typer.Option("--url", help="Apprise URL, repeatable; a secret is better in the environment"),
]
Folder = Annotated[Path | None, typer.Option(help="keeps undelivered alarms between starts")]
ResendRefused = Annotated[
    bool,
    typer.Option(
        "--resend-refused", help="send again what channels refused (`refused.jsonl`), and stop"
    ),
]
Bootstrap = Annotated[str | None, typer.Option(help="Kafka, host:port")]
ShowUndelivered = Annotated[
    bool,
    typer.Option(
        "--show-undelivered", help="list what waits for a channel or was refused by one, and stop"
    ),
]


def notifier(
    *,
    config: Config = None,
    assignments: Assignments = None,
    file: File = None,
    urls: Urls = None,
    folder: Folder = None,
    bootstrap_servers: Bootstrap = None,
    show_undelivered: ShowUndelivered = False,
    resend_refused: ResendRefused = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Tell people about defects, and about parts that nobody inspected.

    Examples:

      stream-inspector notifier --file alarms.jsonl

      stream-inspector notifier --url json://alarms.example/hook --url mqtt://plc.example/alarms

      stream-inspector notifier --show-undelivered

      stream-inspector notifier --resend-refused

    The first alarm of a camera and cause goes out at once, more of the same are counted and sent
    together when the window closes, or as soon as it gets critical. Dead letters, a silent camera
    and a gap in a camera's sequence raise a "not inspected" alarm. Alarms are kept in
    notifier.folder until their channels took them: a channel that is away is tried again, and
    one that refuses an alarm gets the next. The same alarm_id means the same alarm, sent again.
    """
    flags: dict[str, Any] = {
        "notifier.delivery.file": file,
        "notifier.delivery.apprise_urls": urls or None,
        "notifier.folder": folder,
        "kafka.bootstrap_servers": bootstrap_servers,
    }
    how = form(as_json, as_csv)
    settings = _load(config, assignments or [], flags)
    if show_undelivered:
        _show(settings, how)
        return
    if resend_refused:
        raise typer.Exit(_resend(settings.notifier.folder))
    raise typer.Exit(_run(settings))


def _load(config: Path | None, assignments: list[str], flags: dict[str, Any]) -> Any:
    from workers.notifier.settings import NotifierProcessSettings

    given = {path: value for path, value in flags.items() if value is not None}
    try:
        return NotifierProcessSettings.load(config, parse_assignments(assignments) | given)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _show(settings: Any, how: Form) -> None:
    from workers.notifier.delivering.show import show_undelivered

    show_undelivered(settings.notifier.folder, Terminal(), how)


def _resend(folder: Path) -> int:
    from workers.notifier.delivering.refused import hand_back

    try:
        count = hand_back(folder)
    except OSError as error:
        complain(f"notifier.folder: {folder}: {error.strerror}")
        return SettingsError.exit_code
    by = "by the notifier of this folder: within seconds, or at its next start" if count else ""
    typer.echo(f"{count} refused alarms are sent again {by}".strip())
    return 0


def _run(settings: Any) -> int:
    from workers.notifier.assembly import start_of
    from workers.notifier.run import run_notifier
    from workers.runtime.bus.kafka import connect as kafka
    from workers.runtime.bus.kafka.reading.reader import KafkaReader
    from workers.runtime.bus.ports import Consumer, Producer, Reader, RebalanceListener
    from workers.runtime.lifecycle import StopSignal, run_process
    from workers.runtime.watchdog import Pulse

    client_id, names = "stream-inspector-notifier", settings.topics
    read = (names.outcomes, names.defects, names.dead_letters, names.reviews)

    def producer() -> Producer:
        if names.create:
            missing = dict.fromkeys((*read, names.camera_states, names.alarms), names.partitions)
            kafka.create_topics(settings.kafka, missing)
        return kafka.connect_producer(settings.kafka, client_id)

    def consumer(listener: RebalanceListener) -> Consumer:
        return kafka.connect_consumer(
            settings.kafka,
            settings.notifier.group,
            read,
            client_id,
            listener,
            start_of=start_of(settings.notifier),
        )

    def states(pulse: Pulse) -> Reader:
        return KafkaReader(settings.kafka, names.camera_states, f"{client_id}-states", pulse=pulse)

    def body(stop: StopSignal) -> None:
        run_notifier(settings, consumer, producer, stop, states)

    return run_process("notifier", settings.log, body)
