"""Alarms in words: what a record says never acts, and a digest fits."""

import io

import pytest
from alarms import alarm, critical, notice
from rich.console import Console

from schemas.excerpt import plain
from workers.notifier.delivering.channels.console import ConsoleChannel
from workers.notifier.delivering.text import body, digest_body, digest_headline, headline


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("line-1-cam-2", "line-1-cam-2"),
        ("Größe 90°, 良", "Größe 90°, 良"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("a\u2066b\u200bc\u2028d", r"a\u2066b\u200bc\u2028d"),
        ("a\x00b\x9bc\ud800", r"a\x00b\x9bc\ud800"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_every_field_of_a_message_is_shown_so() -> None:
    fields = ("message", "category", "evidence")
    text = body(alarm(1, **{name: f"{name}\n\x1b\u202e" for name in fields}))
    for name in fields:
        assert rf"{name}\n\x1b\u202e" in text
    assert text.count("\n") == 5


def test_the_console_shows_text_as_text() -> None:
    out = io.StringIO()
    odd = alarm(1, message="cam [red]: odd\x1b[2J\n[link=http://evil]x[/link] :bomb: \u202e")
    ConsoleChannel(Console(file=out, force_terminal=True, color_system=None)).send([odd])
    (line,) = out.getvalue().splitlines()
    assert r"cam [red]: odd\x1b[2J\n[link=http://evil]x[/link] :bomb: \u202e" in line
    assert "\x1b[2J" not in line
    assert odd.alarm_id[:8] in line


def test_a_digest_says_how_many_and_where() -> None:
    storm = [notice(number, count=2) for number in range(1000)]
    text = digest_body([*storm[:500], critical(storm[500]), *storm[501:]], 4000)
    assert text.startswith("1000 alarms (camera-silent), count 2000, ")
    assert "cam-0, cam-1, " in text
    assert " and 980 more" in text
    assert f"m0 (alarm {storm[0].alarm_id})" in text
    assert text.splitlines()[-1] == "and 980 more"
    assert len(text) <= 4000


def test_a_digest_is_as_loud_as_its_loudest() -> None:
    group = [notice(1), critical(notice(2)), notice(3, camera_id="cam-1")]
    assert digest_headline(group) == "CRITICAL not inspected: 3 alarms of 2 cameras"
    assert headline(group[0]) == "WARNING not inspected"


@pytest.mark.parametrize("limit", [70, 160, 500, 2000])
def test_a_digest_fits_the_smallest_service(limit: int) -> None:
    long = [notice(n, message="x" * 1000, camera_id="c" * 200 + str(n)) for n in range(60)]
    assert len(digest_body(long, limit)) <= limit
