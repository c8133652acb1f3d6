"""Lists: whole names on every terminal and in a pipe, one line a row, three forms."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
import typer

from workers.runtime.host.terminal import Terminal
from workers.runtime.listing import Column, Form, Kind, Listing, Shown, form

COLUMNS = (
    Column("file"),
    Column("score", right=True, pattern=".2f"),
    Column("at"),
    Column("error", kind=Kind.CUT),
    Column("camera of it", kind=Kind.EXTRA),
)
AT = datetime(2026, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
PATH = "photos/macaroni/test/bad/0001-a-long-name.png"
ERROR = "cannot be decoded: " + 20 * "very-"


def printed(width: int, terminal: bool, how: Form = Form.TABLE, *paths: str) -> str:
    out = io.StringIO()
    console = Terminal(file=out, width=width, force_terminal=terminal, color_system=None)
    listing = Listing(console, *COLUMNS, form=how, title="found")
    for path in paths or (PATH,):
        listing.add(path, 1 / 3, AT, ERROR, "line-1")
    listing.close()
    return out.getvalue()


@pytest.mark.parametrize("width", [20, 80, 120, 2000])
def test_a_pipe_has_everything_on_one_line_each(width: int) -> None:
    _, head, row = printed(width, False).splitlines()
    assert row.split("  ") == [PATH, " 0.33", "2026-03-14T09:26:53Z", ERROR, "line-1"]
    assert head.split() == ["file", "score", "at", "error", "camera", "of", "it"]


def test_eighty_columns_keep_what_names_a_thing_and_say_what_they_leave_out() -> None:
    *_, row, note = printed(80, True).splitlines()
    assert row.startswith(f"{PATH}   0.33  2026-03-14T09:26:53Z  cannot be d") or row.startswith(
        f"{PATH}   0.33  2026-03-14T09:26:53Z  "
    )
    assert "camera of it" in note
    assert "--json" in note


def test_a_name_that_is_longer_than_the_terminal_runs_over_and_is_whole() -> None:
    assert f"{3 * PATH}   0.33" in printed(80, True, Form.TABLE, 3 * PATH)


def test_a_wide_terminal_shows_all_of_it() -> None:
    assert printed(400, True) == printed(80, False)


def test_heads_take_several_lines_before_anything_is_cut() -> None:
    out = io.StringIO()
    console = Terminal(file=out, width=14, force_terminal=True, color_system=None)
    listing = Listing(console, Column("id"), Column("pixel false positive", right=True))
    listing.add("a", 1)
    listing.close()
    assert out.getvalue().splitlines()[-1] == "a          1"
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == [
        *("pixel", "false", "positive", "1")
    ]


NAMES = ("[bold].jpg", "a,b.png", 'q".png', "a\nb.png", "\x1b[2J.png", "\udcff.png")


@pytest.mark.parametrize("path", NAMES)
def test_programs_get_every_name_and_a_terminal_obeys_none(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for how in Form:
        said = printed(80, False, how, path) + capsys.readouterr().out
        assert said.isascii()
        assert all(line.isprintable() for line in said.splitlines())
        if how is Form.JSON:
            row = json.loads(said)
            assert (row["file"], row["at"]) == (path, AT.isoformat())
            assert row["score"] == pytest.approx(1 / 3)
        if how is Form.CSV:
            (row,) = csv.DictReader(io.StringIO(said))
            assert row["file"] in {path, path.encode("unicode_escape", "backslashreplace").decode()}
            assert row["camera_of_it"] == "line-1"


def test_an_empty_list_says_so_to_people_only(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    for how in Form:
        Listing(Terminal(file=out), Column("id"), form=how, empty="no letters").close()
    assert out.getvalue() == "no letters\n"
    assert capsys.readouterr().out == "id\n"


def test_people_and_programs_may_read_a_value_each_in_their_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = io.StringIO()
    for how in (Form.TABLE, Form.JSON):
        listing = Listing(Terminal(file=out), Column("size"), form=how)
        listing.add(Shown(2_000_000, "2.0 MB"))
        listing.close()
    assert out.getvalue().split("\n")[1] == "2.0 MB"
    assert json.loads(capsys.readouterr().out) == {"size": 2_000_000}


def test_one_form_at_a_time() -> None:
    assert [form(False, False), form(True, False), form(False, True)] == list(Form)
    with pytest.raises(typer.BadParameter, match="one of them"):
        form(True, True)


@pytest.mark.parametrize("reason", ["too-slow", "inspection-failed", "unsupported-version"])
def test_eighty_columns_hold_a_line_and_say_what_is_left_out(reason: str) -> None:
    out = io.StringIO()
    console = Terminal(file=out, width=80, force_terminal=True, color_system=None)
    columns = (
        *(Column("id"), Column("rejected"), Column("reason"), Column("camera"), Column("state")),
        *(Column("error", kind=Kind.SPARE), Column("record", kind=Kind.EXTRA)),
    )
    listing = Listing(console, *columns)
    listing.add("0123456789ab", AT, reason, "line-1-cam-2", "open", ERROR, "frames/2/90125")
    listing.close()
    _, row, note = out.getvalue().splitlines()
    assert len(row) <= 80
    assert row.split()[:5] == [
        "0123456789ab",
        "2026-03-14T09:26:53Z",
        reason,
        "line-1-cam-2",
        "open",
    ]
    assert "record" in note
