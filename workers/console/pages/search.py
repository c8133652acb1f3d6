"""Search: filters, pages of results, and the same as CSV."""

import csv
import io
from collections.abc import Iterator
from urllib.parse import urlencode

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from workers.console.asking.names import known_names
from workers.console.asking.parts import Part, parts
from workers.console.asking.search import JUDGEMENTS, VERDICTS, Filter, matching, read_filter
from workers.console.history.database import Database
from workers.console.pages.desk import Asked
from workers.console.pages.shown import day

_PAGE = 50  # parts
_BLOCK, _MOST = 1000, 200_000  # rows of a CSV: at a time, and in all
_FIELDS = ("camera", "category", "part", "since", "until", "verdict", "judgement", "score")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "decided",
    "captured",
    "camera",
    "category",
    "verdict",
    "reason",
    "score",
    "threshold",
    "judgement",
    "kind",
    "by",
    "note",
    "serial",
    "frame_id",
    "outcome_id",
    "model_version",
    "calibration_id",
    "record",
)


def search_page(asked: Asked) -> Response:
    """The form and a page of what it finds."""
    given = {name: asked.query.get(name, "") for name in _FIELDS}
    wanted = read_filter(given)
    before = _before(asked.query.get("before", ""))
    with asked.room.database.read() as connection:
        found = parts(connection, matching(wanted, _PAGE + 1, before))
        known = known_names(connection)
    shown, last = found[:_PAGE], found[_PAGE - 1] if len(found) > _PAGE else None
    asked_for = {name: text for name, text in given.items() if text}
    return asked.show(
        "search.html.j2",
        given=given,
        known=known,
        found=shown,
        problems_of_form=wanted.problems,
        verdicts=VERDICTS,
        judgements=JUDGEMENTS,
        older=urlencode({**asked_for, "before": f"{last.decided_ms}.{last.part}"}) if last else "",
        csv=urlencode(asked_for),
    )


def _before(text: str) -> tuple[int, str] | None:
    at_ms, _, part = text.partition(".")
    return (int(at_ms), part) if at_ms.isascii() and at_ms.isdigit() and len(at_ms) < 16 else None


def search_csv(asked: Asked) -> Response:
    """What the filters find, as a file."""
    wanted = read_filter(asked.query)
    if wanted.problems:
        return PlainTextResponse("; ".join(wanted.problems), 422)
    asked.note("export", urlencode({k: v for k, v in asked.query.items() if k in _FIELDS}))
    headers = {"Content-Disposition": 'attachment; filename="outcomes.csv"'}
    return StreamingResponse(
        _lines(asked.room.database, wanted), media_type="text/csv; charset=utf-8", headers=headers
    )


def _lines(database: Database, wanted: Filter) -> Iterator[str]:
    yield _line(_COLUMNS)
    before: tuple[int, str] | None = None
    for _ in range(_MOST // _BLOCK):
        with database.read() as connection:
            found = parts(connection, matching(wanted, _BLOCK, before))
        yield "".join(_line(_row(part)) for part in found)
        if len(found) < _BLOCK:
            return
        before = (found[-1].decided_ms, found[-1].part)


def _row(part: Part) -> tuple[object, ...]:
    return (
        day(part.decided_ms),
        day(part.captured_ms),
        part.camera,
        part.category,
        part.verdict,
        part.reason,
        part.score,
        part.threshold,
        part.judgement,
        part.kind,
        part.by,
        part.note,
        part.serial,
        part.frame_id,
        part.outcome_id,
        part.model_version,
        part.calibration_id,
        f"{part.topic}/{part.partition}/{part.offset}",
    )


def _line(values: tuple[object, ...]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_cell(value) for value in values])
    return buffer.getvalue()


def _cell(value: object) -> object:
    """A spreadsheet must not take a text for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
