"""Who may do what, by whose word, and what nobody may."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from floor import PASSWORD, Floor, users
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from workers.cli import app
from workers.console.access.attempts import Attempts
from workers.console.access.passwords import fits, hash_password
from workers.console.pages.desk import COOKIE
from workers.console.settings import AccessSettings, ProxySettings, UserSettings

PAGES = ("/live", "/live/stream", "/parts/x", "/pictures/frame/x")


def test_a_password_fits_its_hash_only() -> None:
    stored = hash_password("pass word")
    assert fits("pass word", stored)
    assert not fits("pass  word", stored)
    assert stored != hash_password("pass word")
    assert "pass" not in stored


@pytest.mark.parametrize("stored", ["", "scrypt$15$8$1$x$y", "scrypt$99$8$1$AAAA$AAAA", "a$b"])
def test_a_hash_that_nobody_can_read_fits_nothing(stored: str) -> None:
    assert not fits("", stored)
    assert not fits("x" * 5000, stored)


def test_the_command_prints_a_hash_and_no_password() -> None:
    result = CliRunner().invoke(app, ["console-password"], input="horse\nhorse\n")
    assert result.exit_code == 0
    assert fits("horse", result.stdout.strip().splitlines()[-1])
    assert "horse" not in result.output


def test_a_user_without_a_hash_is_refused() -> None:
    with pytest.raises(ValidationError, match="console-password"):
        AccessSettings(users={"olga": UserSettings(role="operator")})


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_a_login(floor: Floor, path: str) -> None:
    answer = floor.browser(None).get(path)
    assert answer.status_code in (303, 401)
    assert answer.headers.get("location", "/login").partition("?")[0] == "/login"


def test_a_login_lasts_until_logout(floor: Floor) -> None:
    client = floor.browser("vera")
    (act,) = floor.room.trail.newest()
    assert (act.act, act.name, act.role) == ("login", "vera", "viewer")
    assert client.get("/live").status_code == 200
    token = client.cookies[COOKIE]
    assert client.post("/logout", data={"token": floor.token(client)}).status_code == 303
    client.cookies.set(COOKIE, token)  # kept by somebody
    assert client.get("/live").status_code == 303


def test_the_cookie_is_for_this_site_and_no_script(floor: Floor) -> None:
    client = floor.browser(None)
    answer = client.post("/login", data={"name": "vera", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_behind_https_the_cookie_is_sent_by_https_only(tmp_path: Path) -> None:
    floor = Floor(tmp_path, https=True)
    answer = floor.browser(None).post("/login", data={"name": "vera", "password": PASSWORD})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "max-age" in answer.headers["strict-transport-security"]


def test_a_removed_user_has_no_session(floor: Floor) -> None:
    client = floor.browser("vera")
    floor.settings.console.access.users.pop("vera")
    assert client.get("/live").status_code == 303


def test_guessing_is_slowed_down_by_name_and_by_address(floor: Floor) -> None:
    client = floor.browser(None)
    codes = [
        client.post("/login", data={"name": "olga", "password": str(n)}).status_code
        for n in range(6)
    ]
    assert codes == [401] * 5 + [429]
    right = client.post("/login", data={"name": "olga", "password": PASSWORD})
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) <= 60
    other = client.post("/login", data={"name": "vera", "password": PASSWORD})
    assert other.status_code == 429  # the same address


def test_attempts_are_forgotten_after_a_minute_and_bounded() -> None:
    now = [0.0]
    attempts = Attempts(2, lambda: now[0])
    for number in range(20_000):
        attempts.failed([f"name {number}"])
    assert len(attempts._failures) <= 10_000
    attempts.failed(["a"])
    attempts.failed(["a"])
    assert attempts.wait_s(["a"]) == 60
    now[0] = 61
    assert attempts.wait_s(["a"]) == 0


def test_an_unknown_name_is_refused_like_a_wrong_password(floor: Floor) -> None:
    client = floor.browser(None)
    one = client.post("/login", data={"name": "nobody", "password": "x"})
    two = client.post("/login", data={"name": "vera", "password": "x"})
    assert (one.status_code, one.text) == (two.status_code, two.text)


def test_a_form_without_the_token_changes_nothing(floor: Floor) -> None:
    client = floor.browser("vera")
    assert client.post("/logout", data={"token": "x"}).status_code == 403
    other = floor.browser("olga")
    assert client.post("/logout", data={"token": floor.token(other)}).status_code == 403
    assert client.get("/live").status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
)
def test_a_form_of_another_site_changes_nothing(floor: Floor, headers: dict[str, str]) -> None:
    client = floor.browser("vera")
    data = {"token": floor.token(client)}
    assert client.post("/logout", data=data, headers=headers).status_code == 403
    login = {"name": "vera", "password": PASSWORD}
    assert client.post("/login", data=login, headers=headers).status_code == 403


def test_a_form_that_is_too_large_is_refused(floor: Floor) -> None:
    client = floor.browser("vera")
    assert client.post("/logout", content=b"x" * 100_000).status_code == 413
    assert client.post("/logout", content=b"a=1&" * 200).status_code == 413


def proxied(tmp_path: Path, **proxy: object) -> Floor:
    settings = ProxySettings(
        **{
            "trusted": (ip_network("10.0.0.7/32"),),
            "viewers": ("*",),
            "operators": ("line-operators",),
            **proxy,
        }
    )
    return Floor(tmp_path, access=AccessSettings(users=users(), proxy=settings))


def role_of(floor: Floor, address: str, headers: dict[str, str]) -> str | None:
    found = floor.room.doors.person(address, {k.lower(): v for k, v in headers.items()}, "")
    return found.role if found else None


def test_a_trusted_proxy_says_who_it_is(tmp_path: Path) -> None:
    floor = proxied(tmp_path)
    headers = {"X-Forwarded-User": "mia", "X-Forwarded-Groups": "staff, line-operators"}
    assert role_of(floor, "10.0.0.7", headers) == "operator"
    assert role_of(floor, "::ffff:10.0.0.7", headers) == "operator"
    assert role_of(floor, "10.0.0.7", {"X-Forwarded-User": "mia"}) == "viewer"
    assert role_of(floor, "10.0.0.7", {}) is None


def test_names_and_groups_of_a_proxy_have_their_umlauts(tmp_path: Path) -> None:
    floor = proxied(tmp_path, operators=("Prüfer",))
    said = {"X-Forwarded-User": "Jörg", "X-Forwarded-Groups": "staff, Prüfer"}
    on_the_wire = {name: text.encode().decode("latin-1") for name, text in said.items()}
    found = floor.room.doors.person("10.0.0.7", {k.lower(): v for k, v in on_the_wire.items()}, "")
    assert found is not None
    assert (found.name, found.role) == ("Jörg", "operator")
    as_latin = {"x-forwarded-user": "Jörg"}  # of a proxy that sends one byte for it
    assert getattr(floor.room.doors.person("10.0.0.7", as_latin, ""), "name", "") == "Jörg"


def test_others_cannot_say_that_they_are_somebody(tmp_path: Path) -> None:
    floor = proxied(tmp_path)
    headers = {"X-Forwarded-User": "mia", "X-Forwarded-Groups": "line-operators"}
    assert role_of(floor, "10.0.0.8", headers) is None
    assert role_of(floor, "testclient", headers) is None
    assert floor.browser(None, **headers).get("/live").status_code == 303


def test_no_group_is_no_role(tmp_path: Path) -> None:
    floor = proxied(tmp_path, viewers=())
    assert role_of(floor, "10.0.0.7", {"X-Forwarded-User": "mia"}) is None


def test_without_a_login_one_may_look_where_a_setting_says_so(tmp_path: Path) -> None:
    floor = Floor(tmp_path, access=AccessSettings(read_without_login=True))
    client = floor.browser(None)
    assert client.get("/live").status_code == 200
    assert "Nobody can log in here" in client.get("/login").text


def test_acts_are_on_the_trail(floor: Floor) -> None:
    client = floor.browser("vera")
    client.post("/logout", data={"token": floor.token(client)})
    floor.browser(None).post("/login", data={"name": "vera\x1b", "password": "x"})
    acts = [(act.name, act.act) for act in floor.room.trail.newest()]
    assert acts == [("vera\x1b", "login refused"), ("vera", "logout"), ("vera", "login")]


def test_every_answer_is_guarded(floor: Floor) -> None:
    client = floor.browser("vera")
    for path in ("/live", "/login", "/nowhere", "/static/console.css"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_secrets_are_not_shown(floor: Floor) -> None:
    shown = str(floor.settings.model_dump())
    assert "scrypt" not in shown
    assert isinstance(users()["olga"].password_hash, SecretStr)


def test_the_trail_is_read_by_engineers(floor: Floor) -> None:
    olga, emil = floor.browser("olga"), floor.browser("emil")
    form = {"camera": "<b>line-1", "minutes": "5", "why": "tools", "token": floor.token(olga)}
    assert olga.post("/lines/stops", data=form).status_code == 303
    assert olga.get("/trail").status_code == 403
    assert "/trail" not in olga.get("/live").text
    page = emil.get("/trail").text
    assert "&lt;b&gt;line-1; tools" in page
    assert page.index("line paused") < page.index("login")
