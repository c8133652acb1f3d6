"""Lists, in one of three forms: a table for people, CSV or JSON lines for programs.

A row is one line, whatever the terminal's width, and what names a thing is never cut: where there
is no room, long texts are shortened, then columns left out, and a line below says which. A pipe has
room for everything.
"""

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from workers.runtime import moments
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, plain, text

_GAP = "  "
_SHORTEST = 12  # characters that are left of a text


class Form(StrEnum):
    """For whom a list is."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line, for programs")]
AsCsv = Annotated[bool, typer.Option("--csv", help="comma-separated, for programs")]


def form(as_json: bool, as_csv: bool) -> Form:
    """What the two flags ask for. Raises typer.BadParameter for both."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv: give one of them")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE


class Kind(StrEnum):
    """What becomes of a column where there is no room for it."""

    WHOLE = "whole"  # it stays, and the line runs over
    CUT = "cut"  # it is shortened
    EXTRA = "extra"  # it is left out, and named below
    SPARE = "spare"  # it is shortened, then left out


@dataclass(frozen=True, slots=True)
class Column:
    """One column; programs call it `name`, by default the head with underscores."""

    head: str
    name: str = ""
    kind: Kind = Kind.WHOLE
    right: bool = False
    pattern: str = ""  # of numbers, for people

    @property
    def key(self) -> str:
        """What programs call it."""
        return self.name or self.head.replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Shown:
    """A value that people read in another way than programs do."""

    value: Any
    said: str
    style: str = ""


class Listing:
    """Prints rows: at once for programs, when it is closed for people."""

    def __init__(
        self,
        console: Console,
        *columns: Column,
        form: Form = Form.TABLE,
        write: Callable[[str], None] = typer.echo,
        title: str = "",
        empty: str = "",
    ) -> None:
        self._console, self._columns, self._form = console, columns, form
        self._title, self._empty, self._write = title, empty, write
        self._rows: list[list[Text]] = []
        self.count = 0
        if form is Form.CSV:
            write(_csv([column.key for column in columns]))

    @classmethod
    @contextmanager
    def into(cls, file: Path, *columns: Column) -> Iterator[Self]:
        """A list that is written to a file, comma-separated. Raises SettingsError."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("w", encoding="utf-8") as out:
                yield cls(
                    Terminal(file=out), *columns, form=Form.CSV, write=lambda s: print(s, file=out)
                )
        except OSError as error:
            raise SettingsError(f"--csv: {file}: {error.strerror}") from None

    def add(self, *values: Any, style: str = "", whole: Mapping[str, Any] | None = None) -> None:
        """One row, a value a column; `whole`: what JSON has of it instead."""
        self.count += 1
        if self._form is Form.JSON:
            keys = (column.key for column in self._columns)
            fields = whole or dict(zip(keys, map(_value, values), strict=True))
            self._write(json.dumps(fields, default=_plain_json))
        elif self._form is Form.CSV:
            self._write(_csv([_field(_value(value)) for value in values]))
        else:
            pairs = zip(self._columns, values, strict=True)
            self._rows.append([_cell(column, value, style) for column, value in pairs])

    def rule(self) -> None:
        """An empty line between groups of rows."""
        if self._form is Form.TABLE and self._rows:
            self._rows.append([])

    def close(self) -> None:
        """Print the table, or what `empty` says where there is no row."""
        if self._form is not Form.TABLE:
            return
        if not self._rows:
            if self._empty:
                self._console.print(text(self._empty))
            return
        for said in self._lines():
            self._console.print(said, soft_wrap=True)

    def _lines(self) -> Iterator[Text]:
        wide = [self._natural(index) for index in range(len(self._columns))]
        room = self._console.width if self._console.is_terminal else None
        kept = dict(enumerate(wide)) if room is None else self._fitted(wide, room)
        if self._title:
            yield text((self._title, "italic"))
        yield from self._heads(kept)
        for row in self._rows:
            yield self._row(row, kept) if row else Text()
        left_out = [c.head for index, c in enumerate(self._columns) if index not in kept]
        if left_out:
            said = f"no room for: {', '.join(left_out)} (--json, --csv and a pipe have them)"
            yield text((said, "dim"))

    def _row(self, row: list[Text], kept: Mapping[int, int]) -> Text:
        aligned = ((_aligned(row[i], self._columns[i], w), w) for i, w in kept.items())
        return _line(list(aligned))

    def _heads(self, kept: Mapping[int, int]) -> Iterator[Text]:
        parts = {i: textwrap.wrap(plain(self._columns[i].head), max(1, kept[i])) for i in kept}
        height = max(map(len, parts.values()), default=0)
        for level in range(height):
            cells = []
            for index, width in kept.items():
                words = [""] * (height - len(parts[index])) + parts[index]
                head = Text(words[level], style="bold")
                cells.append((_aligned(head, self._columns[index], width), width))
            yield _line(cells)

    def _natural(self, index: int) -> int:
        return max(cell_len(self._columns[index].head), self._widest(index))

    def _widest(self, index: int) -> int:
        return max((row[index].cell_len for row in self._rows if row), default=0)

    def _fitted(self, wide: list[int], room: int) -> dict[int, int]:
        """The columns that stay, and their widths."""
        kept = dict(enumerate(wide))
        if _width(kept) > room:  # heads may take several lines
            kept = {index: self._tight(index) for index in kept}
        for index in reversed(range(len(wide))):
            spare = self._columns[index].kind in {Kind.EXTRA, Kind.SPARE}
            if spare and _width(self._shortest(kept)) > room:
                del kept[index]
        return self._shortened(kept, room)

    def _tight(self, index: int) -> int:
        words = max(map(cell_len, self._columns[index].head.split()), default=0)
        return max(words, self._widest(index))

    def _shortest(self, kept: Mapping[int, int]) -> dict[int, int]:
        return {i: min(w, _SHORTEST) if self._is_cut(i) else w for i, w in kept.items()}

    def _shortened(self, kept: dict[int, int], room: int) -> dict[int, int]:
        """Texts give way, the longest first."""
        for index in sorted(filter(self._is_cut, kept), key=lambda i: -kept[i]):
            excess = _width(kept) - room
            if excess > 0:
                kept[index] = max(min(kept[index], _SHORTEST), kept[index] - excess)
        return kept

    def _is_cut(self, index: int) -> bool:
        return self._columns[index].kind in {Kind.CUT, Kind.SPARE}


def _width(kept: Mapping[int, int]) -> int:
    return sum(kept.values()) + len(_GAP) * max(0, len(kept) - 1)


def _line(cells: list[tuple[Text, int]]) -> Text:
    """Cells side by side, without blanks at the end."""
    made = Text()
    for index, (cell, width) in enumerate(cells):
        fitted = cell.copy()
        fitted.truncate(width, overflow="ellipsis", pad=index + 1 < len(cells))
        if index:
            made.append(_GAP)
        made.append_text(fitted)
    made.rstrip()
    return made


def _aligned(cell: Text, column: Column, width: int) -> Text:
    if column.right:
        cell.pad_left(max(0, width - cell.cell_len))
    return cell


def _cell(column: Column, value: Any, style: str) -> Text:
    if isinstance(value, Shown):
        return text((value.said, value.style or style))
    if isinstance(value, datetime):
        return text((moments.said(value), style))
    if value is None:
        return text(("-", style))
    if column.pattern and isinstance(value, int | float):
        return text((format(value, column.pattern), style))
    return text((_field(value), style))


def _value(value: Any) -> Any:
    return value.value if isinstance(value, Shown) else value


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ", ".join(map(_field, value))
    return str(value)


def _csv(fields: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([plain(field) for field in fields])
    return out.getvalue()


def _plain_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
