"""Every command teaches: what it does, an example that is right, words on each option."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.docs.commands import lines_of, problem
from workers.cli import app


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command below one that has no more commands below it."""
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    context = command.make_context(path, [], resilient_parsing=True)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), f"{path} {name}")


COMMANDS = dict(commands(typer.main.get_command(app), "stream-inspector"))
every_command = pytest.mark.parametrize("path", COMMANDS)


def examples(text: str) -> list[list[str]]:
    """Command lines in a help text: alone in a line, or after `Example:`."""
    found = []
    for line in text.replace("\b", "").splitlines():
        rest = line.strip().removeprefix("Example:").strip()
        if rest.startswith("stream-inspector "):
            found += list(lines_of(rest))
    return found


@every_command
def test_there_is_an_example_and_it_is_right(path: str) -> None:
    found = examples(COMMANDS[path].help or "")
    assert found, f"{path} has no example"
    assert [each for each in (problem(words, whole=True) for words in found) if each] == []


@every_command
def test_every_option_is_explained(path: str) -> None:
    silent = [param.name for param in COMMANDS[path].params if not getattr(param, "help", None)]
    assert silent == []


LISTS_NOTHING = frozenset(  # processes, acts on one thing, and what writes its figures to a file
    f"stream-inspector {each}"
    for each in (
        *("demo", "servers", "worker", "explainer", "gate", "console", "console-password"),
        *("console-report", "model measure"),
        *("line pause", "line resume", "dlq replay", "dlq discard", "review add", "collect"),
        *("train", "calibrate", "evaluate", "compare", "reproduce", "sample"),
        *("model push", "model activate", "model rollback", "model try", "model promote"),
        *("model end", "model verify", "evidence hold", "evidence release"),
        *("config show", "config check", "dlq show"),
    )
)


@every_command
def test_what_lists_speaks_to_programs_too(path: str) -> None:
    flags = {name for param in COMMANDS[path].params for name in param.opts}
    expected = set() if path in LISTS_NOTHING else {"--json", "--csv"}
    assert expected <= flags
    assert COMMANDS.keys() >= LISTS_NOTHING


def test_there_are_enough() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("columns", ["40", "80", "100"])
def test_nothing_is_cut_however_narrow_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for path in ("train", "calibrate", "model push"):
        said = CliRunner().invoke(app, [*path.split(), "--help"]).output
        assert "…" not in said
        assert "Usage: " in said
    assert "--false-reject" in CliRunner().invoke(app, ["calibrate", "--help"]).output
