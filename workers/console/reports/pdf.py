"""A shift report as PDF (A4), by fpdf2: text, bars and pictures, nothing fetched."""

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from PIL import Image

from schemas.excerpt import plain
from workers.console.asking.parts import Part
from workers.console.asking.shift import Bars, Counts, Report
from workers.runtime.errors import SettingsError

log = structlog.get_logger(__name__)

PictureOf = Callable[[Part], bytes | None]

_FAMILY = "report"
_CORE = "helvetica"  # Latin-1 only: console.report.font for other scripts
_BAR_MM, _LINE_MM = 70, 6
_PIXELS = 40_000_000  # of a picture that is opened
_SIDE = 500  # pixels of a picture in the file
_CELL_MM, _ACROSS = 60, 3
_LONGEST = 60  # characters of a name


def make_pdf(report: Report, title: str, picture: PictureOf, font: Path | None) -> bytes:
    """The file. Raises SettingsError when the font cannot be used."""
    page = _Page(font)
    page.heading(title, 16)
    page.counts([("all", "", report.total), *report.rows], report.more_rows)
    page.bars("Kinds of defects, as people named them", report.kinds)
    page.bars("Places of defects on the picture", report.places)
    page.bars("Why parts were not inspected", report.reasons)
    page.bars("What people said of rejects", list(report.judged.items()))
    causes = [(f"{cause}, {severity}", number) for cause, severity, number, _ in report.alarms]
    page.bars("Alarms", causes)
    page.pictures(report.worst, picture)
    return page.bytes()


class _Page(FPDF):
    def __init__(self, font: Path | None):
        super().__init__(format="A4")
        self._family = _FAMILY if font else _CORE
        self._unicode = font is not None
        if font is not None:
            try:
                self.add_font(_FAMILY, fname=font)
            except Exception as error:  # a broken file makes it raise anything
                raise SettingsError(f"console.report.font: {font}: {error!r}") from None
        self.set_auto_page_break(True, margin=15)
        self.add_page()

    def footer(self) -> None:
        """Number each page."""
        self.set_y(-12)
        self.set_font(self._family, size=8)
        self.cell(0, 5, f"stream-inspector, page {self.page_no()}", align="R")

    def _said(self, text: str) -> str:
        """What the font has; control characters are written out."""
        shown = plain(text)
        shown = shown if len(shown) <= _LONGEST * 2 else f"{shown[: _LONGEST * 2]}..."
        return shown if self._unicode else shown.encode("latin-1", "replace").decode("latin-1")

    def heading(self, text: str, size: int = 12) -> None:
        self.set_font(self._family, size=size)
        self.ln(2)
        self.multi_cell(0, size / 2, self._said(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)
        self.set_font(self._family, size=9)

    def counts(self, rows: Sequence[tuple[str, str, Counts]], more: int) -> None:
        """Parts of each camera and category."""
        titles = ("Camera", "Category", "Parts", "Passed", "Near", "Rejects", "Share", "Not insp.")
        with self.table(col_widths=(44, 36, 18, 18, 16, 18, 18, 18), text_align="LEFT") as table:
            table.row(titles)
            for camera, category, each in rows:
                share = "" if each.reject_share is None else f"{each.reject_share:.2%}"
                numbers = (each.parts, each.passed, each.near_misses, each.rejects)
                names = (self._said(name)[:_LONGEST] for name in (camera, category))
                table.row([*names, *map(str, numbers), share, str(each.not_inspected)])
        if more:
            self.cell(0, _LINE_MM, f"{more} more are left out", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def bars(self, title: str, bars: Bars) -> None:
        """The most first; nothing of nothing."""
        if not bars:
            return
        self.heading(title)
        most = max(number for _, number in bars)
        for name, number in bars:
            self.cell(70, _LINE_MM, self._said(name)[:40])
            x, y = self.get_x(), self.get_y()
            if y + _LINE_MM > self.page_break_trigger:
                self.add_page()
                x, y = self.get_x() + 70, self.get_y()
            self.set_fill_color(90, 90, 160)
            self.rect(x, y + 1.5, max(0.5, _BAR_MM * number / most), _LINE_MM - 3, style="F")
            self.set_x(x + _BAR_MM + 4)
            self.cell(20, _LINE_MM, str(number), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def pictures(self, worst: Iterable[Part], picture: PictureOf) -> None:
        """The worst rejects, three in a row."""
        shown = [(part, _small(data)) for part in worst if (data := picture(part)) is not None]
        seen = [(part, image) for part, image in shown if image is not None]
        if not seen:
            return
        self.heading("Furthest above their threshold")
        for start in range(0, len(seen), _ACROSS):
            self._row(seen[start : start + _ACROSS])

    def _row(self, seen: Sequence[tuple[Part, Image.Image]]) -> None:
        if self.get_y() + _CELL_MM + 12 > self.page_break_trigger:
            self.add_page()
        y, left = self.get_y(), self.l_margin
        for column, (part, image) in enumerate(seen):
            x = left + column * (_CELL_MM + 3)
            self.image(image, x=x, y=y, w=_CELL_MM, h=_CELL_MM, keep_aspect_ratio=True)
            self.set_xy(x, y + _CELL_MM + 1)
            text = f"{part.camera}, {part.category}, {part.score:.2f} of {part.threshold or 0:.2f}"
            self.multi_cell(_CELL_MM, 4, self._said(text)[:_LONGEST])
        self.set_xy(left, y + _CELL_MM + 12)

    def bytes(self) -> bytes:
        return bytes(self.output())


def _small(data: bytes) -> Image.Image | None:
    """A picture as a report has room for; None: it cannot be opened, or is too large."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _PIXELS:
                return None
            image.thumbnail((_SIDE, _SIDE))
            return image.convert("RGB")
    except Exception as error:  # bytes can make a codec raise anything
        log.warning("a picture is left out of a report", reason=repr(error)[:200])
        return None
