"""Shift reports: what a shift made, as a page and as files, by hand and on time."""

import io
import json
import re
import zlib
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from floor import NOW, Floor, png
from PIL import Image
from pydantic import ValidationError
from typer.testing import CliRunner

from schemas.outcome import Outcome, Verdict
from schemas.review import Judgement, Review
from workers.cli import app
from workers.console.asking.shift import Report, Wanted, place, shift_report
from workers.console.history.fitting import milliseconds
from workers.console.reports.shifts import finished, present
from workers.console.settings import ConsoleProcessSettings, ReportSettings

SHIFTS = {"early": time(6), "late": time(14), "night": time(22)}
START = NOW - timedelta(minutes=5)
WANTED = Wanted(milliseconds(START), milliseconds(NOW + timedelta(minutes=5)))
QUERY = {
    "since": f"{START:%Y-%m-%dT%H:%M:%S}",
    "until": f"{NOW + timedelta(minutes=5):%Y-%m-%dT%H:%M:%S}",
}


def said(floor: Floor, outcome: Outcome, judgement: Judgement, kind: str | None = None) -> None:
    word = Review.of(outcome, judgement, by="olga", at=NOW, kind=kind)
    floor.publish(floor.settings.topics.reviews, word)


@pytest.fixture
def filled(floor: Floor) -> Floor:
    """Seven live parts, two rejects named, one of them a false alarm; a replay, and an old part."""
    floor.part("line-1", 1)
    floor.part("line-1", 2, Verdict.NEAR_MISS)
    scratch = floor.part("line-1", 3, Verdict.DEFECT, score=1.5)
    oil = floor.part("line-2", 4, Verdict.DEFECT, score=9.0)
    floor.part("line-2", 5, Verdict.DEFECT, score=1.2, category="nuts")
    floor.reject("line-2", 6)
    floor.part("<b>line</b>\u4e2d", 7)
    again = floor.part("line-1", 8)
    for changes in ({"run": "replay-1"}, {"decided_at": NOW - timedelta(days=2)}):
        number = f"{len(changes['run']) if 'run' in changes else 3:032x}"
        other = again.model_copy(update={**changes, "outcome_id": number})
        floor.publish(floor.settings.topics.outcomes, other)
    said(floor, scratch, Judgement.RIGHT, "scratch")
    said(floor, oil, Judgement.FALSE_ALARM, "oil")
    floor.alarm("line-1")
    floor.read()
    return floor


def report(floor: Floor, wanted: Wanted = WANTED) -> Report:
    with floor.database.read() as connection:
        return shift_report(connection, wanted)


def test_a_shift_is_counted_by_camera_and_category(filled: Floor) -> None:
    found = report(filled)
    total = found.total
    assert (total.parts, total.rejects, total.near_misses, total.not_inspected) == (8, 3, 1, 1)
    assert total.reject_share == 3 / 7
    assert [(camera, category, each.parts) for camera, category, each in found.rows] == [
        ("<b>line</b>\u4e2d", "bolts", 1),
        ("line-1", "bolts", 4),
        ("line-2", "bolts", 2),
        ("line-2", "nuts", 1),
    ]
    assert found.reasons == [("undecodable", 1)]
    assert dict(found.kinds) == {"scratch": 1, "oil": 1, "not judged": 1}
    assert found.places == [("top left", 3)]
    assert dict(found.judged) == {"right": 1, "false-alarm": 1, "not judged": 1}
    assert found.alarms == [("camera-silent", "critical", 1, 0)]


def test_the_worst_are_shown_without_what_people_called_good(filled: Floor) -> None:
    assert [part.frame_id for part in report(filled).worst] == ["line-1-3", "line-2-5"]


def test_a_report_is_of_a_category_and_a_camera_where_that_is_asked_for(filled: Floor) -> None:
    of = {"since_ms": WANTED.since_ms, "until_ms": WANTED.until_ms}
    assert report(filled, Wanted(**of, category="nuts")).total.parts == 1
    assert report(filled, Wanted(**of, camera="line-2")).total.parts == 3
    assert report(filled, Wanted(**of, camera="line-1", category="nuts")).total.parts == 0


@pytest.mark.parametrize(
    ("box", "where"),
    [
        ((0, 0, 2, 2), "top left"),
        ((49, 49, 2, 2), "middle centre"),
        ((98, 98, 9, 9), "bottom right"),
    ],
)
def test_a_place_is_one_of_nine_fields(box: tuple[int, ...], where: str) -> None:
    names = ("x", "y", "width", "height")
    region = {"box": dict(zip(names, box, strict=True)), "area_px": 4}
    small = {"box": dict.fromkeys(names, 50), "area_px": 1}
    event = {"regions": [small, region], "image_width": 100, "image_height": 100}
    assert place(event) == where
    assert place({}) == place({**event, "regions": []}) == "unknown"


def test_the_page_shows_a_shift_and_its_pdf(filled: Floor) -> None:
    client = filled.browser("vera")
    page = client.get("/report", params=QUERY).text
    assert "<strong>8</strong> parts, <strong>3</strong> rejects" in page
    assert "scratch" in page
    assert "top left" in page
    assert "<b>line</b>" not in page
    answer = client.get("/report.pdf", params=QUERY)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    text = text_of(answer.content)
    for words in ("line-2", "scratch", "top left", "undecodable"):
        assert words in text
    assert b"/Subtype /Image" in answer.content
    assert filled.room.trail.newest()[0].act == "report"


def text_of(pdf: bytes) -> str:
    """Texts of a file in a core font, however a line is cut."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    found = []
    for stream in streams:
        try:
            found += re.findall(rb"\((.*?)\) Tj", zlib.decompress(stream))
        except zlib.error:
            continue
    return b" ".join(found).decode("latin-1")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 200),
        ({"since": "yesterday", "until": "today"}, 422),
        ({"since": QUERY["until"], "until": QUERY["since"]}, 422),
        ({"since": QUERY["since"]}, 422),
        ({"since": "0001-01-01T00:00+14:00", "until": "9999-12-31T23:59"}, 200),
    ],
)
def test_times_that_are_none_are_said(floor: Floor, query: dict[str, str], status: int) -> None:
    client = floor.browser("vera")
    assert client.get("/report", params=query).status_code == status
    assert client.get("/report.pdf", params=query).status_code in (200, 303)


def test_a_picture_that_cannot_be_opened_costs_the_report_nothing(floor: Floor) -> None:
    outcome = floor.part("line-1", 1)
    for number, data in enumerate((b"\x89PNG\r\n\x1a\njunk", bomb())):
        update = {"verdict": Verdict.DEFECT, "outcome_id": f"{number:032x}", "image_score": 2.0}
        defective = outcome.model_copy(update=update)
        floor.publish(floor.settings.topics.outcomes, defective)
        event = floor.defect(defective, png(1))
        links = event.evidence.model_copy(update={"outline": floor.store(data)})
        event = event.model_copy(update={"evidence": links})
        floor.publish(floor.settings.topics.defects, event)
    floor.read()
    answer = floor.browser("vera").get("/report.pdf", params=QUERY)
    assert answer.status_code == 200
    assert b"/Subtype /Image" not in answer.content


def bomb() -> bytes:
    """A small file of many pixels."""
    buffer = io.BytesIO()
    Image.new("1", (8000, 8000)).save(buffer, "PNG")
    return buffer.getvalue()


def berlin(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("now", "titles"),
    [
        (
            berlin(2026, 1, 31, 13, 0),
            [
                "2026-01-31 early, 06:00 to 14:00 CET",
                "2026-01-30 night, 22:00 to 2026-01-31 06:00 CET",
                "2026-01-30 late, 14:00 to 22:00 CET",
            ],
        ),
        (berlin(2026, 1, 31, 12, 59), ["2026-01-30 night, 22:00 to 2026-01-31 06:00 CET"]),
        (berlin(2026, 3, 29, 4, 0), ["2026-03-28 night, 22:00 to 2026-03-29 06:00 CEST"]),
    ],
)
def test_shifts_follow_the_clock_on_the_wall(now: datetime, titles: list[str]) -> None:
    found = finished(SHIFTS, "Europe/Berlin", now, len(titles))
    assert [shift.title for shift in found] == titles


def test_the_shift_that_goes_on_ends_now(filled: Floor) -> None:
    found = present(SHIFTS, "Europe/Berlin", berlin(2026, 1, 31, 13, 30))
    assert found.title == "2026-01-31 late, 14:00 to 14:30 CET"
    found = present(SHIFTS, "Europe/Berlin", berlin(2026, 1, 31, 1, 0))
    assert found.title == "2026-01-30 night, 22:00 to 2026-01-31 02:00 CET"
    assert ", so far</a>" in filled.browser("vera").get("/report").text


def test_a_night_is_shorter_when_clocks_go_forward_and_longer_when_they_go_back() -> None:
    for day, hours in ((29, 7), (30, 8)):
        now = datetime(2026, 3, day, 12, tzinfo=UTC)
        night = next(s for s in finished(SHIFTS, "Europe/Berlin", now, 3) if s.name == "night")
        assert night.end.astimezone(UTC) - night.start.astimezone(UTC) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"zone": "Mars/Olympus"}, "no time zone"),
        ({"shifts": {"a": "06:00", "b": "06:00"}}, "same time"),
        ({"shifts": {"a": "06:00+02:00"}}, "without a zone"),
        ({"shifts": {"../x": "06:00"}}, "pattern"),
    ],
)
def test_shifts_that_make_no_sense_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ReportSettings(**given)


@pytest.mark.parametrize("given", [{}, {"shifts": {"late": "14:00", "night": "22:00"}}])
def test_shifts_are_those_that_are_given_and_no_others(given: dict[str, Any]) -> None:
    section = {"console": {"report": given}}
    settings = ConsoleProcessSettings(**section)  # as a file or flags have it
    assert sorted(settings.console.report.starts) == sorted(given.get("shifts", ["day"]))


def scheduled(tmp_path: Path) -> tuple[Floor, Path]:
    folder = tmp_path / "reports"
    return Floor(tmp_path, report=ReportSettings(url=str(folder), shifts=SHIFTS)), folder


def test_a_report_is_written_when_a_shift_is_over_and_once(tmp_path: Path) -> None:
    floor, folder = scheduled(tmp_path)
    now = datetime.now(UTC).replace(hour=14, minute=1, second=0, microsecond=0)
    floor.part("line-1", 1, Verdict.DEFECT).model_copy()
    floor.read()
    reports = floor.room.reports
    assert reports.make_due(now) == 3  # the wait is not over for the early one: those before it
    assert reports.make_due(now) == 0
    assert reports.make_due(now + timedelta(minutes=2)) == 1
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 8
    assert f"shift-{now:%Y-%m-%d}T0600+0000-early.pdf" in names
    assert (folder / names[1]).read_bytes().startswith(b"%PDF-")
    (folder / f"shift-{now:%Y-%m-%d}T0600+0000-early.html").unlink()  # killed in between
    assert reports.make_due(now + timedelta(minutes=2)) == 1
    floor.database.close()


def test_a_folder_that_takes_nothing_is_told_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    floor, folder = scheduled(tmp_path)
    folder.write_text("a file")
    assert floor.room.reports.make_due(datetime.now(UTC)) == 0
    assert "not written" in capsys.readouterr().out
    floor.database.close()


def test_a_report_that_cannot_be_made_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError("a font")

    floor, folder = scheduled(tmp_path)
    monkeypatch.setattr(floor.room.reports, "pdf", broken)
    assert floor.room.reports.make_due(datetime.now(UTC)) == 0
    assert "a font" in capsys.readouterr().out
    assert not list(folder.glob("*"))
    floor.database.close()


def run(floor: Floor, *arguments: object) -> Any:
    settings = floor.settings
    given = ("--database", settings.console.database, "--evidence", settings.evidence.url)
    return CliRunner().invoke(app, ["console-report", *map(str, (*arguments, *given))])


def test_the_command_writes_a_file_that_opens_alone(filled: Floor, tmp_path: Path) -> None:
    out = tmp_path / "shift.html"
    result = run(filled, "--from", "1h", "--out", out)
    assert result.exit_code == 0, result.output
    text = out.read_text()
    assert "<strong>8</strong> parts" in text
    assert text.count('src="data:image/png;base64,') == 2
    assert "http" not in text.replace("http-equiv", "")
    assert run(filled, "--out", tmp_path / "shift.pdf").exit_code == 0
    assert (tmp_path / "shift.pdf").read_bytes().startswith(b"%PDF-")


def test_the_command_says_what_it_cannot_do(filled: Floor, tmp_path: Path) -> None:
    for arguments, code in (
        (("--out", tmp_path / "x.docx"), 2),
        (("--out", tmp_path / "x.pdf", "--to", "1h"), 2),
        (("--out", tmp_path / "x.pdf", "--from", "1h", "--to", "2h"), 2),
        (("--out", tmp_path / "none" / "x.pdf", "--from", "1h"), 78),
        (("--out", tmp_path / "x.pdf", "--set", f"console.report.font={__file__}"), 78),
    ):
        result = run(filled, *arguments)
        assert result.exit_code == code, (arguments, result.output)
    assert json.dumps(sorted(path.name for path in tmp_path.glob("x*"))) == "[]"
