"""Who may do what at a console, what it keeps, and how far it has read."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from workers.console.access.passwords import hash_password
from workers.console.history.database import open_database
from workers.console.history.looking import Held, look
from workers.console.history.tables import meta, positions
from workers.console.settings import ConsoleSettings
from workers.doctor.checks.console import judge_access, judge_history, judge_read
from workers.runtime.errors import ServerUnreachable, SettingsError

HASH = hash_password("correct horse")
OLGA = {"users": {"olga": {"role": "operator", "password_hash": HASH}}}
PROXY = {"trusted": ["10.0.0.7/32"], "operators": ["line"]}


def said(access: dict[str, Any], **console: Any) -> list[tuple[str, str]]:
    settings = ConsoleSettings.model_validate({"access": access, **console})
    return [(f.status.value, f.setting or "") for f in judge_access(settings)]


@pytest.mark.parametrize(
    ("access", "console"),
    [
        (OLGA, {}),
        (OLGA, {"host": "10.0.0.5", "https": True}),
        ({"proxy": PROXY}, {"host": "10.0.0.5"}),
        (OLGA | {"read_without_login": True}, {"host": "localhost"}),
        (OLGA | {"read_without_login": True}, {"host": "[::1]"}),
    ],
)
def test_safe_settings_are_well(access: dict[str, Any], console: dict[str, Any]) -> None:
    assert said(access, **console) == [("ok", "")]


@pytest.mark.parametrize(
    ("access", "console", "status", "setting"),
    [
        ({}, {}, "failed", "users"),
        ({"users": {"olga": {"password_hash": HASH}}}, {}, "warning", "users"),
        (
            {"users": {"olga": {"role": "operator", "password_hash": "correct horse"}}},
            {},
            "failed",
            "users.olga.password_hash",
        ),
        ({"proxy": PROXY | {"trusted": ["0.0.0.0/0"]}}, {}, "failed", "proxy.trusted"),
        ({"proxy": PROXY | {"trusted": ["::/0"]}}, {}, "failed", "proxy.trusted"),
        ({"proxy": PROXY | {"trusted": ["10.0.0.0/8"]}}, {}, "warning", "proxy.trusted"),
        (OLGA | {"proxy": {"trusted": ["10.0.0.7/32"]}}, {}, "warning", "proxy.viewers"),
        (
            OLGA | {"read_without_login": True},
            {"host": "10.0.0.5", "https": True},
            "warning",
            "read_without_login",
        ),
    ],
)
def test_what_is_not_safe_is_named(
    access: dict[str, Any], console: dict[str, Any], status: str, setting: str
) -> None:
    assert said(access, **console) == [(status, f"console.access.{setting}")]


def test_passwords_that_travel_readable_are_told() -> None:
    assert said(OLGA, host="::") == [("warning", "console.certificate_file")]


def test_a_history_is_looked_at_and_nothing_is_made(tmp_path: Path) -> None:
    file = tmp_path / "history of line #1, 100%.sqlite3"
    url = f"sqlite:///{file}"
    assert look(url) == Held()
    assert not file.exists()
    with closing(open_database(url)) as database, database.write() as connection:
        connection.execute(positions.insert().values(topic="outcomes", partition=1, next=7))
    held = look(url)
    assert (held.positions, held.is_ours) == ({"outcomes": {1: 7}}, True)
    with closing(open_database(url)) as database, database.write() as connection:
        connection.execute(update(meta).where(meta.c.name == "version").values(value="0"))
    (found,) = judge_history(look(url), "there")
    assert (found.status, "made anew" in (found.do or "")) == ("warning", True)


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"no database at all" * 100)
    with pytest.raises(ServerUnreachable, match=r"console\.database"):
        look(f"sqlite:///{tmp_path}/junk")
    assert (tmp_path / "junk").read_bytes().startswith(b"no database")
    with pytest.raises(ServerUnreachable) as told:
        look("postgresql://me@127.0.0.1:1/x", "secret-word")
    assert "secret-word" not in str(told.value)
    with pytest.raises(SettingsError, match="name a file"):
        look("sqlite://")


@pytest.mark.parametrize(
    ("at", "written", "status", "says"),
    [
        (None, {0: (0, 9)}, "ok", "not read yet"),
        ({0: 9}, {0: (0, 9)}, "ok", "0 records wait"),
        ({0: 2}, {0: (0, 9), 1: (3, 8)}, "ok", "12 records wait"),
        ({0: 2}, {0: (0, 99_999)}, "warning", "99997 records wait"),
        ({0: 2}, {0: (5, 9)}, "warning", "3 records went"),
        ({0: 20}, {0: (0, 9)}, "failed", "made anew"),
    ],
)
def test_how_far_a_topic_is_read(
    at: dict[int, int] | None, written: dict[int, tuple[int, int]], status: str, says: str
) -> None:
    (found,) = judge_read("outcomes", at, written)
    assert found.status == status
    assert says in found.says
