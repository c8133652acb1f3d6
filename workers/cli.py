"""The `stream-inspector` command: the one place that knows every process.

A command's module is imported when it is called, so a camera needs no torch.
"""

import importlib
import os
import shutil
import sys
from typing import Any, Literal

import typer
from typer.core import TyperGroup

from workers.runtime.errors import SettingsError
from workers.runtime.host.control_group import whole_processors
from workers.runtime.host.streams import guard_streams, loss
from workers.runtime.host.terminal import complain

_EXIT_OUTPUT = 74  # EX_IOERR
_ROOM = 88  # columns of a terminal

# name -> "module:attribute"; the attribute is a function or a typer.Typer with subcommands
COMMANDS = {
    "demo": "workers.demo.command:demo",
    "servers": "workers.servers.command:servers",
    "camera": "workers.camera.command:camera",
    "worker": "workers.inspector.command:worker",
    "explainer": "workers.explainer.command:explainer",
    "notifier": "workers.notifier.command:notifier",
    "gate": "workers.gate.command:gate",
    "console": "workers.console.command:console",
    "console-password": "workers.console.command:password",
    "console-report": "workers.console.report_command:report",
    "line": "workers.line.command:line",
    "dlq": "workers.dlq.command:dlq",
    "review": "workers.review.command:review",
    "collect": "workers.collector.command:collect",
    "train": "workers.offline.train.command:train",
    "calibrate": "workers.offline.calibrate.command:calibrate",
    "evaluate": "workers.offline.evaluate.command:evaluate",
    "compare": "workers.offline.compare.command:compare",
    "reproduce": "workers.offline.reproduce.command:reproduce",
    "inspect": "workers.offline.inspect.command:inspect",
    "sample": "workers.offline.sample.command:sample",
    "model": "workers.offline.model.command:model",
    "evidence": "workers.evidence.command:evidence",
    "plan": "workers.offline.plan.command:plan",
    "topics": "workers.topics.command:topics",
    "config": "workers.config.command:config",
    "doctor": "workers.doctor.command:doctor",
}

EXTRAS = {
    "demo": "demo",
    "servers": "embedded",
    "notifier": "notifier",
    "gate": "gate",
    "evidence": "s3",
    "console": "console",
    "console-password": "console",
    "console-report": "console",
}  # the other heavy commands: worker
TORCH = {"torch", "torchvision", "timm"}  # what only `worker` brings


class LazyCommands(TyperGroup):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """The names, in the order of a newcomer's day."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        """The command, or None when there is none of that name."""
        target = COMMANDS.get(cmd_name)
        return None if target is None else load_command(cmd_name, target)


def markup() -> Literal["rich"] | None:
    """How help is drawn: tables cut the names of options where there is no room for columns."""
    return "rich" if shutil.get_terminal_size().columns >= _ROOM else None


def load_command(name: str, target: str) -> Any:
    """Import `module:attribute` and make a command of it."""
    module_name, attribute = target.split(":")
    entry = getattr(importlib.import_module(module_name), attribute)
    if isinstance(entry, typer.Typer):
        entry.rich_markup_mode = markup()
        command = typer.main.get_group(entry)
    else:
        app = typer.Typer(add_completion=False, rich_markup_mode=markup())
        app.command(name)(entry)
        command = typer.main.get_command(app)  # type: ignore[assignment]
    command.name = name
    return command


app = typer.Typer(
    cls=LazyCommands,
    name="stream-inspector",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=markup(),
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    help="Streaming visual inspection: camera frames in on Kafka, defect events and alarms out.\n\n"
    "Start with `stream-inspector demo`: it needs nothing else.",
)


@app.callback()
def _root() -> None:
    """Shared by all commands; settings are read by each command itself."""


def main() -> None:
    """Entry point of the console script."""
    guard_streams()
    # Every library that computes starts as many threads as the machine has processors; a container
    # may have a fraction of one. All of them obey this; so do the processes that we start.
    if whole_processors() < (os.cpu_count() or 1):
        os.environ.setdefault("OMP_NUM_THREADS", str(whole_processors()))
    try:
        app()
    except ModuleNotFoundError as error:
        _explain_missing(error, sys.argv[1:2])
    except SystemExit as end:
        _refuse_half_an_answer(end)
        raise


def _refuse_half_an_answer(end: SystemExit) -> None:
    """What somebody wanted to keep is not whole. A reader that left has seen what it wanted."""
    lost = loss(sys.stdout)
    if lost is not None and not end.code:
        complain(f"standard output: {lost.strerror}: what was printed is not complete")
        raise SystemExit(_EXIT_OUTPUT) from None


def _explain_missing(error: ModuleNotFoundError, command: list[str]) -> None:
    """A library that only an extra brings: say which. Anything of ours missing is a bug."""
    package = (error.name or "").partition(".")[0]
    if package in {"workers", "stream_inspector", "schemas", "configs", ""}:
        raise error
    name = command[0] if command else "demo"
    extra = "worker" if package in TORCH else EXTRAS.get(name, "worker")
    complain(
        f"stream-inspector {name}: {package} is not installed; "
        f"install the extra `{extra}`: pip install '.[{extra}]' in the checkout"
    )
    raise SystemExit(SettingsError.exit_code)


if __name__ == "__main__":
    main()
