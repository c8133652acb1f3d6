"""Checks command lines of the documents against the commands that there are."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import typer

from tests.docs.markdown import ROOT
from workers.cli import app
from workers.config.command import SETTINGS, settings_class
from workers.runtime.settings.process import flatten

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def lines_of(text: str) -> Iterator[list[str]]:
    """The words of each command line; comments and assignments before the command are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||;|\s\|\s", line.strip().removeprefix("$ ")):
            words = _words(part)
            while words and _ASSIGNMENT.fullmatch(words[0]):
                words = words[1:]
            if words:
                yield words


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # prose with an apostrophe
        return line.split()


def problem(words: list[str], *, whole: bool) -> str | None:
    """What is wrong with a command line; None for those of other programs.

    `whole`: it could be run as it stands; else it may leave arguments out.
    """
    if words[0] == "make":
        return make_problem(words[1:])
    if words[0] == "stream-inspector":
        return _ours(words[1:], whole=whole)
    return None


def make_problem(words: list[str]) -> str | None:
    """A target that the Makefile has not."""
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text()))
    asked = [word for word in words if "=" not in word and not word.startswith("-")]
    unknown = [word for word in asked if word not in targets]
    return f"no make target {', '.join(unknown)}" if unknown else None


def _ours(words: list[str], *, whole: bool) -> str | None:
    command: Any = typer.main.get_command(app)
    context = command.make_context("stream-inspector", [], resilient_parsing=True)
    path = "stream-inspector"
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return f"{path} has no command {words[0]}"
        command, path, words = found, f"{path} {words[0]}", words[1:]
    unknown = [word for word in words if _is_option(word) and not _knows(command, word)]
    if unknown:
        return f"{path} has no option {', '.join(unknown)}"
    if strange := sorted(_assigned(words) - known_settings()):
        return f"no process has the setting {', '.join(strange)}"
    return _refusal(command, path, words) if whole and words else None


def _assigned(words: list[str]) -> set[str]:
    """The settings that `--set` names."""
    given = (after for word, after in pairwise(words) if word == "--set")
    return {assignment.partition("=")[0] for assignment in given}


@cache
def known_settings() -> set[str]:
    """Every setting of every process, and every section."""
    paths = {path for process in SETTINGS for path, _ in flatten(settings_class(process)())}
    return paths | {path.rpartition(".")[0] for path in paths}


def _is_option(word: str) -> bool:
    return re.match(r"\[?--?[a-zA-Z]", word) is not None


def _knows(command: Any, word: str) -> bool:
    names = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return word.strip("[]").partition("=")[0] in names | {"--help"}


def _refusal(command: Any, path: str, words: list[str]) -> str | None:
    """What the command itself says of these words; it does not run."""
    try:
        command.make_context(path, list(words))
    except Exception as error:
        return f"{path}: {getattr(error, 'message', error)}"
    return None
