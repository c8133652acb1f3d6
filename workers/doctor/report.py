"""Shows what was found: a table for people, JSON for scripts."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from workers.doctor.examine import Line
from workers.doctor.findings import Finding, Status
from workers.runtime.host.terminal import text
from workers.runtime.secrets import conceal

_COLOURS = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim",
}
_WIDTH = max(len(status) for status in Status)


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
    plain = [
        {"area": line.area, "check": line.name, "seconds": line.seconds}
        | asdict(line.finding)
        | {"says": conceal(line.finding.says)}
        for line in lines
    ]
    return json.dumps(plain, indent=2)
