"""What people see in a terminal: text that others wrote is shown as it is, and never obeyed.

Names of files, cameras and headers may hold escape sequences, line ends, marks that turn the
direction of writing, or the markup of the terminal library.
"""

from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text

from schemas import excerpt as excerpts
from schemas.excerpt import excerpt

_LINE, _CELL = 10_000, 1000  # characters that are shown of one part of a line, and in a table
_ENDLESS = 100_000  # columns
_ESCAPE = 10  # characters for one that cannot be printed: \\U0010ffff

Part = object | tuple[object, str]  # what is said, and its style


def plain(value: object) -> str:
    """On one line: what cannot be printed is written as an escape."""
    return excerpts.plain(str(value))


def lines(value: object) -> str:
    """The same for a text that may have several lines."""
    return "\n".join(map(plain, str(value).split("\n")))


def text(*said: Part) -> Text:
    """One line for a console or a table."""
    pairs = (part if isinstance(part, tuple) else (part, "") for part in said)
    parts = ((_shortened(plain(each), _LINE), style) for each, style in pairs)
    return Text.assemble(*parts, overflow="fold")


def _shortened(said: str, most: int) -> str:
    """What others wrote may be of any length: a page of it helps nobody."""
    return said if len(said) <= most else excerpt(said, most)


def complain(error: object) -> None:
    """Say on standard error what is wrong."""
    typer.secho(lines(error), err=True, fg="red")


class Terminal(Console):
    """Reads no markup, and sends no control character that a text brought along."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False} | options)
        if not self.is_terminal and options.get("width") is None:
            self.width = _ENDLESS  # a pipe or a file has no edge at which lines would have to break

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of anything that is printed, whatever it is made of."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(lines(segment.text), segment.style)


class Table(RichTable):
    """A table whose strings are plain; a styled cell is a Text."""

    def __init__(
        self, *headers: Any, title: str | None = None, caption: str | None = None, **options: Any
    ) -> None:
        super().__init__(*headers, title=_several(title), caption=_several(caption), **options)

    def add_column(self, header: RenderableType = "", *args: Any, **options: Any) -> None:
        """A column with a plain header."""
        super().add_column(_cell(header), *args, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """A row of plain cells."""
        super().add_row(*map(_cell, cells), **options)


def _several(said: str | None) -> Text | None:
    return None if said is None else Text(lines(said))


def _cell(cell: Any) -> Any:
    return text(_shortened(plain(cell), _CELL)) if isinstance(cell, str) else cell
