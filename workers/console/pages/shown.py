"""Templates. Whatever a topic said is text: escaped, and what cannot be seen is written out."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from schemas.excerpt import plain

_TEMPLATES = Path(__file__).parents[1] / "templates"
_LINES = re.compile(r"[\r\n\t]+")


class Shown:
    """Makes pages."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_visible,
        )
        self._templates.filters |= {
            "clock": clock,
            "day": day,
            "moment": moment,
            "ago": ago,
            "number": number,
            "percent": percent,
            "words": words,
            "data": data,
        }

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page as a response."""
        return HTMLResponse(self.text(template, **values), status)

    def text(self, template: str, **values: Any) -> str:
        """A page, or a piece of one."""
        return self._templates.get_template(template).render(values)


def _visible(value: Any) -> Any:
    """Control characters and the like are written out: they could turn a line around."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain(_LINES.sub(" ", value))
    return "" if value is None else value


def clock(ms: int | None) -> str:
    """14:03:07, UTC."""
    return "" if ms is None else _moment(ms).strftime("%H:%M:%S")


def day(ms: int | None) -> str:
    """2026-01-31 14:03:07, UTC."""
    return "" if ms is None else _moment(ms).strftime("%Y-%m-%d %H:%M:%S")


def moment(text: str) -> str:
    """The same of a time that was noted as text, 2026-01-31T14:03:07+00:00; none stays as it is."""
    try:
        return day(int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError):
        return text


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(max(0, min(ms, 253_402_300_799_000)) / 1000, UTC)


def ago(seconds: float) -> str:
    """12 s, 4 min, 3 h, 2 d."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def number(value: float | None, digits: int = 2) -> str:
    """1.23; empty for none."""
    return "" if value is None else f"{value:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """4.2 %; a dash for none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"  # noqa: RUF001


def words(code: str | None) -> str:
    """near_miss and false-alarm as people say them."""
    return (code or "").replace("_", " ").replace("-", " ")


def data(value: Any) -> str:
    """JSON for a data- attribute: escaped as any other text."""
    return json.dumps(value, separators=(",", ":"))
