"""Whatever a URL looks like, its secret is in nothing that goes out."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr
from rich.console import Console
from typer.testing import CliRunner

from workers.cli import app
from workers.doctor import report
from workers.doctor.examine import Line
from workers.doctor.findings import failed
from workers.inspector.settings import InspectorSettings
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime import secrets
from workers.runtime.errors import SettingsError, StoreUnavailable
from workers.runtime.secrets import conceal, learn, learn_url, mask_url
from workers.runtime.settings.process import LogSettings, ProcessSettings, RedisSettings, redact
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import RedisStore
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.logs import setup_logging

LEFT, RIGHT = "Kx7qLeft", "Wv9zRight"  # of a password, around what misleads parsers
ODD = [
    "#",
    "/",
    "?",
    "[",
    "]",
    "@",
    "%",
    " ",
    ":",
    "%23",
    "#@",
    "?@",
    "/@/",
    "&",
    "=",
    "\\",
    "\n",
    '"',
]
SHAPES = [
    "redis://:{p}@cache:6379/0",
    "rtsp://viewer:{p}@camera:554/live",
    "rtsp://camera/live?token={p}",
    "opc.tcp://plc:{p}@gate:4840/gate",
    "rediss://worker:{p}@cache:6379/0",
    "redis://cache:6379/0?password={p}",
    "redis://cache:6379/0?db=0&password={p}&timeout=3",
    "unix://worker:{p}@/run/redis.sock",
    "unix:///run/redis.sock?password={p}",
    "s3://key:{p}@bucket/models",
    "s3://bucket/models?access_key={p}",
    "https://user:{p}@collector/v1/traces",
    "https://collector/{p}/v1/traces",
    "https://collector/v1/traces?token={p}",
    "https://collector/v1/traces#{p}",
    "https://{p}@collector/v1/traces",
    "simplecache::sftp://u:{p}@host/models",
    "json://user:{p}@host/x",
    "tgram://{p}/chat",
    "redis:/worker:{p}@cache:6379",
    "worker:{p}@cache:6379",
    "redis://:{p}",
]


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", secrets._Known())


def leaks(text: str) -> list[str]:
    return [part for part in (LEFT, RIGHT) if part in text]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("odd", ODD)
def test_no_part_of_a_password_is_shown(shape: str, odd: str) -> None:
    if shape == "redis://:{p}" and odd == "@":
        pytest.skip("a host, for everybody who reads it")
    url = shape.format(p=f"{LEFT}{odd}{RIGHT}")
    assert leaks(mask_url(url)) == []
    assert leaks(str(redact([{"url": url}]))) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://u:p@cache:6379/0", "redis://***@cache:6379/0"),
        ("rediss://:p[q@[::1]:6379/1", "rediss://***@[::1]:6379/1"),
        ("redis://:p#q@cache", "redis://***"),
        ("s3://bucket/plant/models", "s3://bucket/plant/models"),
        ("opc.tcp://0.0.0.0:4840/gate", "opc.tcp://0.0.0.0:4840/gate"),  # or no log names the gate
        ("rtsp://u:p@10.0.0.7/live/key7", "rtsp://***@10.0.0.7/live/***"),
        ("file:///var/models", "file:///var/models"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ("http://collector:4318/v1/traces?t=x", "http://collector:4318/v1/traces?***"),
        ("models", "models"),
        ("line 4: parts", "line 4: parts"),
        ("redis://[cache", "redis://***"),
    ],
)
def test_what_is_beyond_doubt_is_shown(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    ("process", "setting", "url"),
    [
        ("worker", "redis.url", f"redis://:{LEFT}[{RIGHT}@cache:6379"),
        ("worker", "redis.url", f"redis://:{LEFT}#{RIGHT}@cache:6379"),
        ("worker", "models.store", f"s3://key:{LEFT}/{RIGHT}@bucket/x"),
        ("explainer", "evidence.url", f"https://host/p?sig={LEFT}&se={RIGHT}"),
        ("worker", "tracing.endpoint", f"https://host/{LEFT}-{RIGHT}/v1/traces"),
        ("notifier", "notifier.delivery.apprise_urls", f"json://u:{LEFT}?{RIGHT}@host"),
    ],
)
def test_config_show_shows_none(process: str, setting: str, url: str) -> None:
    shown = CliRunner().invoke(app, ["config", "show", process, "--set", f'{setting}="{url}"'])
    assert shown.exit_code == 0, shown.output
    assert "***" in shown.output
    assert leaks(shown.output) == []


def test_a_line_of_yaml_that_is_wrong_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text(f'redis:\n  url: "redis://:{LEFT}\n  password: [{RIGHT}\n')
    with pytest.raises(SettingsError, match=r"worker\.yaml: is not YAML: .* line \d+") as refused:
        ProcessSettings.load(file)
    assert leaks(str(refused.value)) == []
    shown = CliRunner().invoke(
        app, ["config", "show", "worker", "--set", f"redis.password=[{LEFT}, {{{RIGHT}"]
    )
    assert shown.exit_code == 78
    assert leaks(shown.output) == []


@pytest.mark.parametrize("odd", ["#", "/", "?", "[", "%", "/[", " "])
def test_a_url_that_redis_cannot_read_says_what_to_do_and_no_secret(odd: str) -> None:
    url = f"redis://:{LEFT}{odd}{RIGHT}@cache:6379?{LEFT}=1"
    with pytest.raises(SettingsError, match=r"redis\.url: .* cannot be read.*%23") as refused:
        RedisStore(RedisSettings(url=url))
    assert leaks(str(refused.value)) == []


@pytest.mark.parametrize("url", ["http://u:{}[{}@h/x", "sftp://u:{}/{}@h/x", "no-such://u:{}@{}/x"])
def test_a_store_that_cannot_be_opened_or_read_shows_none(url: str) -> None:
    with pytest.raises((SettingsError, StoreUnavailable)) as refused:
        open_blobs(url.format(LEFT, RIGHT)).read("x")
    assert leaks(str(refused.value)) == []
    assert leaks(repr(refused.value)) == []


@pytest.mark.parametrize("form", ["json", "console"])
def test_logs_of_ours_and_of_libraries_hold_none(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = InspectorSettings.load(
        None,
        {
            "redis.url": f"redis://:{LEFT}/{RIGHT}@cache:6379",
            "redis.password": f'{LEFT}"\n{RIGHT}',
            "tracing.endpoint": f"https://collector/{LEFT}-1/traces?token={RIGHT}",
        },
    )
    before = structlog.get_config()
    try:
        setup_logging(LogSettings.model_validate({"format": form}), "worker")
        log = structlog.get_logger("workers.x")
        log.warning("away", reason=f"Error connecting to {settings.redis.url}.")
        log.warning("away", reason=f"AUTH {LEFT}/{RIGHT}", key=f'{LEFT}"\n{RIGHT}')
        logging.getLogger("opentelemetry").warning("failed: /%s-1/traces?token=%s", LEFT, RIGHT)
        try:
            int(f"{LEFT}/{RIGHT}")
        except ValueError:
            log.exception("crashed")
    finally:
        structlog.configure(**before)
        logging.basicConfig(force=True)
    told = capsys.readouterr().err
    assert told.count(" away " if form == "console" else '"away"') == 2
    assert "***" in told
    assert leaks(told) == []
    if form == "json":
        assert [json.loads(line)["level"] for line in told.splitlines()][:2] == ["warning"] * 2


def test_errors_pages_and_findings_hold_none() -> None:
    learn(f"{LEFT} {RIGHT}")
    said = f"Authentication of {LEFT} {RIGHT} failed; redis://u:{LEFT}@cache, password={RIGHT}"
    assert leaks(str(StoreUnavailable(said))) == []
    page = HealthServer(ProcessSettings.load().health, ready=lambda: said)
    assert leaks(page.answer("/readyz")[2].decode()) == []
    noted = HealthServer(ProcessSettings.load().health, notes=lambda: said)
    assert leaks(noted.answer("/readyz")[2].decode()) == []
    line = Line("Redis", "reachable", failed(said, "look"), 0.1)
    console = Console(file=io.StringIO(), width=200)
    report.show([line], console)
    assert leaks(console.file.getvalue() + report.as_json([line])) == []  # type: ignore[attr-defined]


def test_secrets_of_channels_are_known_too() -> None:
    url = f"tgram://{LEFT}/{RIGHT}"
    given = {"notifier.delivery.apprise_urls": [url]}
    settings = NotifierProcessSettings.load(None, given)
    assert settings.notifier.delivery.apprise_urls == [SecretStr(url)]
    assert leaks(conceal(f"POST https://api.telegram.org/bot{LEFT}/send to {RIGHT}")) == []


def test_ordinary_words_stay() -> None:
    learn_url("redis://worker:secret-1@cache:6379/0?db=0&ssl_cert_reqs=none")
    text = "worker: redis cache away, none of 6379 records; see https://host/docs#redis, sig of 3"
    assert conceal(text) == text


@pytest.mark.integration
def test_a_process_that_ends_says_none() -> None:
    program = (
        "from workers.runtime.lifecycle import run_process\n"
        "from workers.runtime.settings.process import ProcessSettings\n"
        f"s = ProcessSettings.load(None, {{'redis.url': 'redis://:{LEFT}[{RIGHT}@h'}})\n"
        "def body(stop): raise RuntimeError('cannot reach ' + s.redis.url)\n"
        "raise SystemExit(run_process('worker', s.log, body))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 70
    assert "cannot reach redis://***" in ended.stderr
    assert "Traceback" in ended.stderr
    assert leaks(ended.stderr) == []
