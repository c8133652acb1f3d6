"""`stream-inspector gate`: flags and help. Nothing heavy is imported before it runs."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import complain
from workers.runtime.settings.process import parse_assignments

Config = Annotated[Path | None, typer.Option("--config", help="YAML file, e.g. configs/gate.yaml")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
Cameras = Annotated[
    list[str] | None,
    typer.Option(
        "--camera", help="camera whose parts are answered, repeatable; their order counts"
    ),
]
Deadline = Annotated[
    float | None, typer.Option("--deadline", help="seconds from capture to the answer, at most")
]
Folder = Annotated[Path | None, typer.Option(help="keeps what was answered between starts")]
Bootstrap = Annotated[str | None, typer.Option(help="Kafka, host:port")]


def gate(
    *,
    config: Config = None,
    assignments: Assignments = None,
    cameras: Cameras = None,
    deadline: Deadline = None,
    folder: Folder = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Answer each part in time: pass, reject, or not inspected. For a PLC and its reject gate.

    Examples:

      stream-inspector gate --camera line-1 --set gate.modbus.host=plc.example

      stream-inspector gate --camera line-1 --deadline 0.4 --set gate.mqtt.host=mqtt.example

      stream-inspector gate --config configs/gate.yaml

    A part is known by its frame, and answered when its outcome comes, or as not inspected when its
    time is over; what is done with such a part says gate.not_inspected. Answers of a camera leave
    in the order of its parts, the same part always gets the same answer, and what comes too late
    moves nothing. docs/gate.md has registers, nodes and topics.
    """
    flags: dict[str, Any] = {
        "gate.cameras": cameras or None,
        "gate.deadline_s": deadline,
        "gate.folder": folder,
        "kafka.bootstrap_servers": bootstrap_servers,
    }
    raise typer.Exit(_run(_load(config, assignments or [], flags)))


def _load(config: Path | None, assignments: list[str], flags: dict[str, Any]) -> Any:
    from workers.gate.settings import GateProcessSettings

    given = {path: value for path, value in flags.items() if value is not None}
    try:
        return GateProcessSettings.load(config, parse_assignments(assignments) | given)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _run(settings: Any) -> int:
    from workers.gate.run import run_gate
    from workers.runtime.bus.kafka import connect as kafka
    from workers.runtime.bus.kafka.reading.reader import KafkaReader
    from workers.runtime.lifecycle import StopSignal, run_process
    from workers.runtime.watchdog import Pulse

    client_id, names = "stream-inspector-gate", settings.topics

    def open_topic(topic: str, pulse: Pulse, since: datetime) -> KafkaReader:
        return KafkaReader(settings.kafka, topic, f"{client_id}-{topic}", since, pulse)

    def body(stop: StopSignal) -> None:
        def prepare() -> None:
            read = (names.frames, names.outcomes)
            if names.create:
                with stop.at_once():
                    kafka.create_topics(settings.kafka, dict.fromkeys(read, names.partitions))

        run_gate(settings, open_topic, stop, prepare)

    return run_process("gate", settings.log, body)
