"""The shift report as a page, and as a PDF."""

from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from workers.console.asking.names import known_names
from workers.console.asking.shift import Wanted
from workers.console.history.fitting import milliseconds
from workers.console.pages.desk import Asked
from workers.console.pages.shown import day
from workers.console.reports.making import KIND, within
from workers.console.reports.shifts import Shift

_SHIFTS = 12  # that are offered
_FIELDS = ("since", "until", "category", "camera")
_NAME = 256  # characters


def report_page(asked: Asked) -> Response:
    """A shift: the last one that is over, or what the form says."""
    given = {name: asked.query.get(name, "").strip()[:_NAME] for name in _FIELDS}
    now, reports = datetime.now(UTC), asked.room.reports
    shifts, here = reports.finished(now, _SHIFTS), reports.present(now)
    problem, wanted = "", None
    try:
        wanted = _wanted(given)
    except (ValueError, OverflowError):
        problem = "From and until are times like 2026-01-31T08:00 (UTC), the first before the last."
    if wanted is None:
        wanted = within(shifts[0], given["category"], given["camera"])
        given |= {name: _form(ms) for name, ms in _bounds(wanted)}
    report = reports.look(wanted)
    with asked.room.database.read() as connection:
        known = known_names(connection)
    return asked.show(
        "report.html.j2",
        422 if problem else 200,
        it=report,
        title=_title(wanted),
        given=given,
        known=known,
        problem=problem,
        query=urlencode(given),
        shifts=[
            (f"{here.title}, so far", _address(here)),
            *((each.title, _address(each)) for each in shifts),
        ],
        sources={part.part: f"/pictures/{KIND}/{part.part}" for part in report.worst},
    )


def _address(shift: Shift) -> str:
    return urlencode({name: _form(ms) for name, ms in _bounds(within(shift))})


def report_pdf(asked: Asked) -> Response:
    """The same as a file; it is on the trail as any export."""
    given = {name: asked.query.get(name, "").strip()[:_NAME] for name in _FIELDS}
    try:
        wanted = _wanted(given)
    except (ValueError, OverflowError):
        wanted = None
    if wanted is None:
        return RedirectResponse(f"/report?{urlencode(given)}", 303)
    reports = asked.room.reports
    data = reports.pdf(reports.look(wanted), _title(wanted))
    asked.note("report", urlencode(given))
    headers = {"Content-Disposition": 'attachment; filename="shift-report.pdf"'}
    return Response(data, media_type="application/pdf", headers=headers)


def _wanted(given: dict[str, str]) -> Wanted | None:
    """What the form says; None: nothing. Raises ValueError."""
    if not given["since"] and not given["until"]:
        return None
    since, until = (_moment(given[name]) for name in ("since", "until"))
    if since >= until:
        raise ValueError("the first is not before the last")
    return Wanted(milliseconds(since), milliseconds(until), given["category"], given["camera"])


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _bounds(wanted: Wanted) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("since", wanted.since_ms), ("until", wanted.until_ms)


def _form(ms: int) -> str:
    return day(ms).replace(" ", "T")


def _title(wanted: Wanted) -> str:
    of = ", ".join(name for name in (wanted.camera, wanted.category) if name)
    return f"{day(wanted.since_ms)} to {day(wanted.until_ms)} UTC{f', {of}' if of else ''}"
