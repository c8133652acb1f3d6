"""Shows what was found: a table for people, JSON for scripts."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from workers.doctor.examine import Line
from workers.doctor.findings import Finding, Status
from workers.runtime.host.terminal import text
from workers.runtime.listing import Column, Form, Listing
from workers.runtime.secrets import conceal

_COLOURS = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim",
}
_KEYS = ("area", "check", "status", "says", "do", "setting", "seconds")
_WIDTH = max(len(status) for status in Status)


def told(lines: Iterable[Line], console: Console, form: Form) -> list[Line]:
    """Say them in one of the forms of a list; JSON is one list of all."""
    if form is Form.TABLE:
        return show(lines, console)
    every = list(lines)
    if form is Form.JSON:
        typer.echo(as_json(every))
        return every
    listing = Listing(console, *map(Column, _KEYS), form=form)
    for fields in map(_fields, every):
        listing.add(*(fields[key] for key in _KEYS))
    listing.close()
    return every


def show(lines: Iterable[Line], console: Console) -> list[Line]:
    """Print each line as soon as it is known, then the sum."""
    shown: list[Line] = []
    for line in lines:
        if not shown or shown[-1].area != line.area:
            console.print(text((line.area, "bold")))
        for said in _texts(line):
            console.print(said, soft_wrap=True)
        shown.append(line)
    counts = Counter(line.finding.status for line in shown)
    parts = [text((f"{counts[each]} {each}", _COLOURS[each])) for each in Status if counts[each]]
    console.print(text(", ").join(parts))
    return shown


def _texts(line: Line) -> Iterator[Text]:
    finding = line.finding
    status = (f"{finding.status:<{_WIDTH}}", _COLOURS[finding.status])
    yield text("  ", status, f"  {line.name}: {conceal(finding.says)}")
    advice = _advice(finding)
    if advice:
        yield text(f"  {'':<{_WIDTH}}  -> {advice}")


def _advice(finding: Finding) -> str:
    setting = f" (setting {finding.setting})" if finding.setting else ""
    return f"{finding.do}{setting}" if finding.do else ""


def as_json(lines: Iterable[Line]) -> str:
    """One object per line of the table."""
    return json.dumps(list(map(_fields, lines)), indent=2)


def _fields(line: Line) -> dict[str, Any]:
    of_line = {"area": line.area, "check": line.name, "seconds": line.seconds}
    return of_line | asdict(line.finding) | {"says": conceal(line.finding.says)}
