"""Text of others is shown as it is in every terminal; and nothing of ours prints past that."""

import ast
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from workers.runtime.host.terminal import Table, Terminal, lines, plain, text

WORKERS = Path(__file__).parents[4] / "workers"
OWN = WORKERS / "runtime" / "host" / "terminal.py"
NASTY = (
    *("\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u202eevil\u2066", "one\nforged", "\r\x08\x7f"),
    *("[bold]", "[/]", "[link=x.png]x[/link]", "back\\", ":heart:", "\udcff", "\u2028", "\x00"),
)


def clean(said: str) -> bool:
    return all(each.isprintable() for each in said.split("\n"))


@pytest.mark.parametrize("nasty", NASTY)
def test_text_is_shown_on_one_line_and_whole(nasty: str) -> None:
    out = io.StringIO()
    for console in (Terminal(file=out, width=120), Console(file=out, width=120)):
        out.truncate(0)
        out.seek(0)
        console.print(text("name: ", (nasty, "bold"), nasty))
        assert out.getvalue() == f"name: {plain(nasty)}{plain(nasty)}\n"
        assert clean(out.getvalue())


@pytest.mark.parametrize("nasty", NASTY)
def test_tables_and_whatever_else_is_printed_hold_it_too(nasty: str) -> None:
    out = io.StringIO()
    table = Table(nasty, title=nasty, caption=nasty)
    table.add_column(nasty)
    table.add_row(nasty, Text(nasty))
    table.add_row(nasty, nasty)
    console = Terminal(file=out, width=200, force_terminal=True, color_system=None)
    for each in (table, nasty, Panel(Text(nasty), title=text(nasty)), [nasty]):
        console.print(each)
    assert clean(out.getvalue())
    assert out.getvalue().count(plain(nasty)) >= 4


@pytest.mark.parametrize("nasty", ["[bold]x[/]", "\x1b[2J"])
def test_a_table_is_safe_on_any_console(nasty: str) -> None:
    out = io.StringIO()
    table = Table(nasty, title=nasty)
    table.add_row(nasty)
    Console(file=out, width=100).print(table)
    assert out.getvalue().count(plain(nasty)) == 3
    assert clean(out.getvalue())


def test_several_lines_stay_several() -> None:
    assert lines("a\n\x1bb\u202e\n") == "a\n\\x1bb\\u202e\n"


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(WORKERS.rglob("*.py")):
        if path != OWN:
            yield str(path.relative_to(WORKERS)), ast.parse(path.read_text())


@pytest.mark.slow
def test_consoles_and_tables_are_ours() -> None:
    """The terminal library's own read markup, and let control characters pass."""
    found = [
        f"{name}:{node.lineno} {alias.name}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rich")
        for alias in node.names
        if alias.name in {"Table", "escape", "print", "Status", "Prompt"}
    ]
    made = [
        f"{name}:{node.lineno} Console()"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) == "Console"
    ]
    assert found + made == []


@pytest.mark.slow
def test_what_is_printed_is_a_text_or_a_constant() -> None:
    """Never a string that was put together: it could hold anybody's words."""
    found = [
        f"{name}:{node.lineno} {ast.unparse(node)[:80]}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _prints(node)
        for argument in node.args
        if not _harmless(argument)
    ]
    assert found == []


@pytest.mark.slow
def test_bars_read_no_markup() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            _name(node.func) == "from_markup"
            or any(word.arg == "markup" and _is_true(word.value) for word in node.keywords)
            or (
                _name(node.func) == "TextColumn"
                and not any(word.arg == "markup" for word in node.keywords)
            )
        )
    ]
    assert found == []


@pytest.mark.slow
def test_errors_are_said_through_one_function() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) == "secho"
    ]
    assert found == []


def _name(node: ast.expr) -> str:
    return getattr(node, "attr", None) or getattr(node, "id", "")


def _prints(call: ast.Call) -> bool:
    whose = getattr(call.func, "value", None)
    console = isinstance(whose, ast.expr) and (
        _name(whose).endswith("console") or (isinstance(whose, ast.Call))
    )
    return _name(call.func) == "print" and console


def _harmless(argument: ast.expr) -> bool:
    """A constant, something that a function made, or a name of such a thing; no string at work."""
    if isinstance(argument, ast.IfExp):
        return _harmless(argument.body) and _harmless(argument.orelse)
    if isinstance(argument, ast.Call):
        return _name(argument.func) not in {"str", "format", "join"} or _is_text_join(argument)
    return isinstance(argument, ast.Constant) or (
        isinstance(argument, ast.Name) and argument.id in {"table", "said"}
    )


def _is_text_join(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call)


def _is_true(node: ast.expr) -> bool:
    return not (isinstance(node, ast.Constant) and node.value is False)


def test_no_page_grows_with_what_others_wrote() -> None:
    table = Table("error")
    table.add_row("x" * 3_000_000)
    file = io.StringIO()
    terminal = Terminal(file=file, width=80)
    begun = time.monotonic()
    terminal.print(table)
    terminal.print(text("said: ", "y" * 3_000_000))
    assert time.monotonic() - begun < 20  # it took minutes
    assert len(file.getvalue()) < 20_000
    assert "(3000000 characters)" in file.getvalue().replace("\n", "")
