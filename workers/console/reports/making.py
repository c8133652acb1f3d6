"""Reports by hand and on time: of the history, as a PDF and as one HTML file."""

import base64
from collections.abc import Callable
from datetime import datetime

import structlog

from workers.console.asking.parts import Part, event_of
from workers.console.asking.shift import Report, Wanted, shift_report
from workers.console.history.database import Database
from workers.console.history.fitting import milliseconds
from workers.console.pictures.evidence import EvidencePictures, Picture
from workers.console.reports.pdf import make_pdf
from workers.console.reports.shifts import Shift, finished, present
from workers.console.settings import ReportSettings
from workers.runtime.store.files import open_blobs

log = structlog.get_logger(__name__)

Render = Callable[..., str]  # template, values -> HTML

KIND = "outline"  # of a defect's pictures: the part with its defect outlined
_CAUGHT_UP = 3  # shifts whose report is made after a time away
_PICTURE_BYTES = 2 * 2**20  # of one in an HTML file


class Reports:
    """Any thread."""

    def __init__(
        self,
        settings: ReportSettings,
        database: Database,
        evidence: EvidencePictures,
        render: Render,
    ):
        self._settings, self._database = settings, database
        self._evidence, self._render = evidence, render

    def finished(self, now: datetime, most: int) -> list[Shift]:
        """The last shifts, the newest first."""
        return finished(self._settings.starts, self._settings.zone, now, most)

    def present(self, now: datetime) -> Shift:
        """The shift that goes on, so far."""
        return present(self._settings.starts, self._settings.zone, now)

    def look(self, wanted: Wanted) -> Report:
        """What the history knows. Raises StoreUnavailable."""
        with self._database.read() as connection:
            return shift_report(connection, wanted)

    def pdf(self, report: Report, title: str) -> bytes:
        """The file. Raises SettingsError."""

        def bytes_of(part: Part) -> bytes | None:
            found = self._picture(part)
            return found.data if found else None

        return make_pdf(report, title, bytes_of, self._settings.font)

    def html(self, report: Report, title: str) -> bytes:
        """One file with its pictures: it opens without the console."""
        found = {part.part: self._picture(part) for part in report.worst}
        sources = {
            key: f"data:{it.content_type};base64,{base64.b64encode(it.data).decode()}"
            for key, it in found.items()
            if it is not None and len(it.data) <= _PICTURE_BYTES
        }
        text = self._render("report_file.html.j2", it=report, title=title, sources=sources)
        return text.encode()

    def _picture(self, part: Part) -> Picture | None:
        with self._database.read() as connection:
            links = event_of(connection, part.part).get("evidence") or {}
        found = self._evidence.read(links.get(KIND) or links.get("heatmap"))
        return found if isinstance(found, Picture) else None

    def make_due(self, now: datetime) -> int:
        """Write the reports of the last shifts that are not there yet. Returns how many.

        A console that is killed in between makes the rest the next time; several write the same.
        """
        if self._settings.url is None:
            return 0
        made = 0
        try:
            blobs = open_blobs(self._settings.url)
            there = set(blobs.names("shift-"))
            for shift in self.finished(now - self._settings.wait, _CAUGHT_UP):
                pdf, html = (f"{_name(shift)}.{kind}" for kind in ("pdf", "html"))
                if html in there:
                    continue
                report = self.look(within(shift))
                blobs.write(pdf, self.pdf(report, shift.title))
                blobs.write(html, self.html(report, shift.title))  # the last: then it is made
                log.info("shift report", shift=shift.title, parts=report.total.parts, file=html)
                made += 1
        except Exception as error:  # a fault of one report must not end the pages
            log.warning("a shift report is not written", reason=str(error)[:500] or repr(error))
        return made


def within(shift: Shift, category: str = "", camera: str = "") -> Wanted:
    """The outcomes of a shift."""
    return Wanted(milliseconds(shift.start), milliseconds(shift.end), category, camera)


def _name(shift: Shift) -> str:
    return f"shift-{shift.start:%Y-%m-%dT%H%M%z}-{shift.name}"
