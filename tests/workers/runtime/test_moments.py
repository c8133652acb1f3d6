"""Times: what a list prints is what an option reads, wherever either runs."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
import typer

from workers.runtime.moments import ago, ahead, period, said, said_again

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kathmandu"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_what_is_shown_is_read_as_the_same_time(zone: None) -> None:
    at = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert said(at) == "2026-03-14T12:00:00Z"
    assert ago(said(at), NOW, "--since") == ahead(said(at), NOW, "--until") == NOW


def test_a_time_without_a_zone_is_utc_everywhere(zone: None) -> None:
    assert ago("2026-03-14T12:00:00", NOW, "--since") == NOW
    assert ahead("2026-03-14 12:00", NOW, "--until") == NOW
    assert said_again("2026-03-14T12:00:00.123") == "2026-03-14T12:00:00Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-01-31T08:00+01:00", datetime(2026, 1, 31, 7, tzinfo=UTC)),
    ],
)
def test_times_are_ages_or_moments(text: str, expected: datetime) -> None:
    assert ago(text, NOW, "--since") == expected


@pytest.mark.parametrize("text", ["yesterday", "", "2h30", "0001-01-01T00:00+14:00", "25:00"])
def test_what_is_no_time_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"--since.*08:00Z"):
        ago(text, NOW, "--since")
    assert said_again("yesterday") == "yesterday"


def test_a_period_is_said_as_it_was_understood() -> None:
    hour = timedelta(hours=1)
    assert period(None, None) is None
    assert period(NOW, NOW + hour) == "from 2026-03-14T12:00:00Z, before 2026-03-14T13:00:00Z"
