"""`stream-inspector config`: what a process would run with, and whether a file is right."""

import importlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import BaseModel

from workers.runtime.categories import (
    CategoriesSection,
    Category,
    CategorySettings,
    read_categories,
    read_category,
)
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, complain, text
from workers.runtime.settings.process import (
    ProcessSettings,
    flatten,
    nest,
    parse_assignments,
    read_section,
)

config = typer.Typer(
    no_args_is_help=True,
    help="Show or check the settings of a process. Flags win over "
    "environment over file over default.",
)


class Process(StrEnum):
    """The processes that have settings, and what a category's file says."""

    CAMERA = "camera"
    WORKER = "worker"
    EXPLAINER = "explainer"
    NOTIFIER = "notifier"
    GATE = "gate"
    CONSOLE = "console"
    DLQ = "dlq"
    COLLECTOR = "collector"
    DEMO = "demo"
    TRAINER = "trainer"
    EVIDENCE = "evidence"
    TOPICS = "topics"
    CATEGORY = "category"


SETTINGS = {
    Process.CAMERA: "workers.camera.settings:CameraProcessSettings",
    Process.WORKER: "workers.inspector.settings:InspectorSettings",
    Process.EXPLAINER: "workers.explainer.settings:ExplainerSettings",
    Process.NOTIFIER: "workers.notifier.settings:NotifierProcessSettings",
    Process.GATE: "workers.gate.settings:GateProcessSettings",
    Process.CONSOLE: "workers.console.settings:ConsoleProcessSettings",
    Process.DLQ: "workers.runtime.settings.operator:OperatorSettings",
    Process.COLLECTOR: "workers.collector.settings:CollectorProcessSettings",
    Process.DEMO: "workers.demo.settings:DemoProcessSettings",
    Process.TRAINER: "workers.offline.settings:TrainerProcessSettings",
    Process.EVIDENCE: "workers.evidence.settings:EvidenceProcessSettings",
    Process.TOPICS: "workers.topics.settings:TopicsProcessSettings",
}

Whose = Annotated[Process, typer.Argument(help="whose settings")]
File = Annotated[Path | None, typer.Option("--config", help="YAML file, e.g. configs/worker.yaml")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="key.path=value, repeatable; wins over the file")
]


def settings_class(process: Process) -> type[ProcessSettings]:
    """The settings class of a process, imported on demand."""
    module, name = SETTINGS[process].split(":")
    found: type[ProcessSettings] = getattr(importlib.import_module(module), name)
    return found


@config.command()
def show(process: Whose, file: File = None, assignments: Assignments = None) -> None:
    """Print the settings a process would run with, as YAML; secrets are masked.

    Example: stream-inspector config show worker --set worker.batch_max=4
    """
    settings = _load(process, file, assignments)
    shown = (
        nest(dict(_plain(settings)))
        if isinstance(settings, ProcessSettings)
        else settings.model_dump(mode="json")
    )
    typer.echo(yaml.safe_dump(shown, sort_keys=False), nl=False)


@config.command()
def check(process: Whose, file: File = None, assignments: Assignments = None) -> None:
    """Check settings without starting anything; exit status 78 when something is wrong.

    Examples:

      stream-inspector config check worker --config configs/worker.yaml

      stream-inspector config check category --config configs/categories/flange.yaml
    """
    settings = _load(process, file, assignments, strictly=True)
    found = f": {len(list(flatten(settings)))} settings of {process}"
    Terminal().print(text(("ok", "green"), found))


def _load(
    process: Process,
    file: Path | None,
    assignments: list[str] | None,
    *,
    strictly: bool = False,
) -> BaseModel:
    try:
        if process is Process.CATEGORY:
            return _category(file, assignments, strictly=strictly)
        settings = settings_class(process).load(file, parse_assignments(assignments or []))
        section = getattr(settings, "categories", None)
        if strictly and isinstance(section, CategoriesSection):
            _check_masks(read_categories(section).values(), needed=process is Process.TRAINER)
        return settings
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _category(file: Path | None, assignments: list[str] | None, *, strictly: bool) -> BaseModel:
    if file is None or assignments:
        raise SettingsError("a category is its file alone: give --config <category>.yaml, no --set")
    if strictly:
        _check_masks([read_category(file)], needed=True)
    return read_section(CategorySettings, file)


def _check_masks(categories: Iterable[Category], *, needed: bool) -> None:
    """Raises SettingsError for a mask that cannot be read; a worker goes without its file."""
    from workers.offline.images.views import check_mask

    for category in categories:
        there = not isinstance(category.mask, Path) or category.mask.is_file()
        if category.mask is not None and (needed or there):
            try:
                check_mask(category)
            except SettingsError as error:
                raise SettingsError(f"category {category.name}: {error}") from None


def _plain(settings: ProcessSettings) -> list[tuple[str, object]]:
    """Settings with values that YAML can say."""
    return [(path, _sayable(value)) for path, value in flatten(settings)]


def _sayable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sayable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_sayable(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
