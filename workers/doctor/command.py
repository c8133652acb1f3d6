"""`stream-inspector doctor`: flags and help. Nothing heavy is imported before it runs."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.listing import AsCsv, form
from workers.runtime.settings.process import ProcessSettings, parse_assignments

if TYPE_CHECKING:
    from workers.doctor.examine import Line
    from workers.runtime.categories import Category

_CATEGORIES = (
    "correct the file, or add <category>.yaml to categories.folder; "
    "`stream-inspector config check category --config FILE` looks at one"
)
_PATIENCE_S = 5.0  # with servers that do not answer; a process itself waits longer at its start


class Process(StrEnum):
    """The processes that can be examined."""

    WORKER = "worker"
    EXPLAINER = "explainer"
    NOTIFIER = "notifier"
    CAMERA = "camera"
    GATE = "gate"
    CONSOLE = "console"


Which = Annotated[Process, typer.Argument(help="whose settings and needs are looked at")]
Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file, e.g. configs/worker.yaml")
]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
Cameras = Annotated[
    list[str] | None,
    typer.Option("--camera", help="camera id, repeatable: how they spread over partitions"),
]
Json = Annotated[bool, typer.Option("--json", help="a JSON list instead of the table")]
Strict = Annotated[bool, typer.Option("--strict", help="exit code 1 for warnings too")]
Quick = Annotated[
    bool, typer.Option("--quick", help="do not load models or measure the device (worker)")
]


def doctor(
    process: Which = Process.WORKER,
    *,
    config: Config = None,
    assignments: Assignments = None,
    cameras: Cameras = None,
    as_json: Json = False,
    as_csv: AsCsv = False,
    strict: Strict = False,
    quick: Quick = False,
) -> None:
    """Look whether a process would find all that it needs, and say what to do where not.

    Examples:

      stream-inspector doctor worker --config configs/worker.yaml

      stream-inspector doctor explainer --config configs/explainer.yaml

      stream-inspector doctor camera --set kafka.bootstrap_servers=kafka:9092 --json

      stream-inspector doctor gate --config configs/gate.yaml

      stream-inspector doctor console --config configs/console.yaml

      stream-inspector doctor worker --camera cam-1 --camera cam-2 --quick --strict

    Settings, broker, topics, rights, Redis, stores, device, models, clocks. All is looked at, also
    after a failure; nothing is changed, but for keys in Redis that are taken away at once, the
    file doctor.txt in the evidence store, and a transactional id `<group>-doctor`.

    Exit codes: 0 nothing failed (with --strict: and no warning), 1 something did.
    """
    from workers.doctor.examine import exit_code
    from workers.doctor.report import told
    from workers.runtime.host.terminal import Terminal

    how = form(as_json, as_csv)
    found = examined(process, config, assignments or [], cameras or [], quick=quick)
    lines = told(found, Terminal(), how)
    raise typer.Exit(exit_code(lines, strict=strict))


def examined(
    process: Process,
    config: Path | None,
    assignments: Sequence[str],
    cameras: Sequence[str],
    *,
    quick: bool = False,
) -> "Iterator[Line]":
    """Every line, as soon as it is known."""
    from workers.doctor.examine import Line, examine
    from workers.doctor.findings import failed
    from workers.doctor.plan import planned
    from workers.inspector.settings import InspectorSettings, known_categories
    from workers.runtime.settings.process import LogSettings
    from workers.runtime.telemetry.logs import setup_logging

    setup_logging(LogSettings(level="error"), "doctor")  # retries are told by their outcome
    try:
        settings = _class(process).load(config, parse_assignments(assignments))
    except SettingsError as error:
        for text in str(error).splitlines():
            finding = failed(text, f"correct it; `stream-inspector config show {process}` helps")
            yield Line("settings", "read", finding, 0.0)
        return
    categories: dict[str, Category] = {}
    if isinstance(settings, InspectorSettings):
        try:
            categories = known_categories(settings.categories)
        except SettingsError as error:
            for text in str(error).splitlines():
                finding = failed(text, _CATEGORIES, "categories")
                yield Line("settings", "categories", finding, 0.0)
    with planned(_impatient(settings), config, categories, cameras, quick=quick) as checks:
        yield from examine(checks)


def _class(process: Process) -> type[ProcessSettings]:
    from workers.camera.settings import CameraProcessSettings
    from workers.console.settings import ConsoleProcessSettings
    from workers.explainer.settings import ExplainerSettings
    from workers.gate.settings import GateProcessSettings
    from workers.inspector.settings import InspectorSettings
    from workers.notifier.settings import NotifierProcessSettings

    classes: dict[Process, type[ProcessSettings]] = {
        Process.CAMERA: CameraProcessSettings,
        Process.GATE: GateProcessSettings,
        Process.CONSOLE: ConsoleProcessSettings,
        Process.WORKER: InspectorSettings,
        Process.EXPLAINER: ExplainerSettings,
        Process.NOTIFIER: NotifierProcessSettings,
    }
    return classes[process]


def _impatient(settings: ProcessSettings) -> ProcessSettings:
    """The same settings, but a server that is away is given up soon."""
    kafka, redis = settings.kafka, settings.redis
    soon = {
        name: section.model_copy(
            update={"connect_timeout_s": min(section.connect_timeout_s, _PATIENCE_S)}
        )
        for name, section in (("kafka", kafka), ("redis", redis))
    }
    return settings.model_copy(update=soon)
